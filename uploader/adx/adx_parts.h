/* What the files that send to ADX have of each other: adx_send.c (which way), adx_command.c, adx_schema.c,
 * adx_offer.c, queued_send.c. All run in a worker, for the one batch of `sending`. */
#ifndef UPLOADER_ADX_PARTS_H
#define UPLOADER_ADX_PARTS_H

#include "uploader/adx/kql.h"
#include "uploader/adx/send.h"

enum { ADX_INLINE_BYTES_MAX = 64 << 20 };

/* Trouble of our own, a negative errno: to be tried again. */
void adx_own_trouble(struct outcome *outcome, int rc, const char *what);

/* The token for ADX, into worker->token ("": none). False: `outcome` says why there is none. */
bool worker_token(const struct sending *s, struct outcome *outcome);

/* A request to ADX with all that is the same for each. */
struct http_request adx_request(const struct sending *s, const struct target *target, const char *what,
                                const char *url);

/* Run a management command; its answer is in worker->http. */
void adx_run_command(const struct sending *s, const struct target *target, const char *what,
                     const struct buf *csl, struct outcome *outcome);

/* The same for one that does something twice when it is sent twice (http.h, is_once). */
void adx_run_once(const struct sending *s, const struct target *target, const char *what,
                  const struct buf *csl, struct outcome *outcome);

/* Fills `mapping` ("" without a schema) after making table and mapping, unless they are known to be there, or
 * were made for what is uploaded.
 * False: `outcome` says why. */
bool adx_ensure_schema(const struct sending *s, char mapping[static KQL_MAPPING_NAME_BYTES],
                       struct outcome *outcome);

/* What the endpoint has (struct mode_facts), asked for when it is not known. False: `outcome` says why. */
bool adx_find_offered(const struct sending *s, enum ingest_mode *offered, struct outcome *outcome);

/* resources_take() for this batch. NULL: `outcome` says why. */
struct resource_set *adx_take_resources(const struct sending *s, struct outcome *outcome);

/* The rest of the batch (up to 4 GiB of rows) as a blob: uploaded, recorded, posted, recorded; from whatever
 * step progress says it had come to. SUCCESS: posted, or confirmed where that is wanted; PENDING: posted, to
 * be confirmed. `mapping`: its name, or "". */
void queued_send(const struct sending *s, const char *mapping, struct sent *sent, struct outcome *outcome);

#endif
