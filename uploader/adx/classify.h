/* What an answer of ADX means (adx.md §1.2-1.4, §6), and one of Azure Storage. Pure; thread-safe. */
#ifndef UPLOADER_CLASSIFY_H
#define UPLOADER_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "uploader/adx/outcome.h"

struct http_answer {
    const char *failure; /* no answer came: curl's words. NULL: there is a status */
    long status;
    const char *body; /* need not be terminated */
    size_t body_bytes;
    bool is_cut;            /* the body was longer than we keep */
    const char *error_code; /* storage: the header x-ms-error-code; NULL or "": none */
};

/* Sets verdict, status, code, type and text of `outcome`; its ids and retry_after_ms are the caller's.
 *
 * No answer: down. Only a 200 whose body is a V1 answer without exceptions is a success. Otherwise, in this
 * order: codes that speak of the database, of its settings or of a table that is gone; then
 * body.error.@permanent; then the status (429, 408, 5xx: transient; other 4xx: for good). An answer that is
 * not ADX's own JSON is never "for good": some proxy spoke. */
void classify(const struct http_answer *answer, struct outcome *outcome);

/* The same for blobs and queues: nothing that storage says speaks of the rows, so nothing is "for good".
 *
 *     200, 201, 202, 204                         SUCCESS
 *     no answer, 408, 429, 5xx                   DOWN, THROTTLED for 429 and ServerBusy: another account
 *     401, 403, 404, 409, 410, 412               UNAUTHORISED, MISSING: this container or queue, or its
 *                                                signature, is not to be used any more: another one
 *     other 4xx                                  RETRY: what we asked for was wrong */
void classify_storage(const struct http_answer *answer, struct outcome *outcome);

/* Any 3xx, with what redirect.h says of it: DOWN. Somebody stands between us and the service, or the address
 * is wrong.
 */
void classify_redirect(long status, const char *text, struct outcome *outcome);

#endif
