/* What the data-management endpoint lends for queued ingestion (adx.md §2.1, §2.2): containers for blobs and
 * queues for messages, each an address with a signature, and the identity token that goes into messages. One
 * struct resources for each such endpoint, shared by all databases and workers; one lock inside.
 *
 * Fetched when first needed, again after an hour by whichever worker comes first (the others go on with the
 * old ones), kept when that fails. A set once taken stays valid until it is released. */
#ifndef UPLOADER_RESOURCES_H
#define UPLOADER_RESOURCES_H

#include <jansson.h>
#include <stdatomic.h>

#include "common/base/backoff.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "uploader/adx/outcome.h"
#include "uploader/adx/ranking.h"
#include "uploader/adx/target.h"

enum {
    RESOURCES_FRESH_MS = 60 * 60 * 1000,
    RESOURCES_RETRY_MS = 60 * 1000,  /* after a refresh that failed, while there are old ones */
    RESOURCES_FORCED_MS = 60 * 1000, /* at most so often because none of them works */
    RESOURCES_MAX = 1000,
    RESOURCES_TRIES = 3, /* adx.md §2.2: so many of a kind are tried for one blob or message */
};

enum resource_kind { RESOURCE_CONTAINER, RESOURCE_QUEUE, RESOURCE_FAILURES, RESOURCE_KINDS };

struct resource {
    enum resource_kind kind;
    struct target at; /* place: the address without a signature */
    char *signature;  /* what follows the question mark: a secret */
    char account[RANKING_NAME_BYTES];
    atomic_bool is_bad; /* 403 or 404: not to be tried again while there are others */
};

struct resource_set {
    atomic_uint references;
    struct resource *list;
    size_t count;
    char *identity; /* a secret */
    struct mono fetched;
};

struct resources;

NODISCARD struct resources *resources_new(const char *place);
void resources_free(struct resources *resources);
const char *resources_place(const struct resources *resources);

/* Asks the endpoint; called without any lock. True: `*rows` is the answer's first table (the whole of it,
 * with "Columns" and "Rows"), the caller's. False: `outcome` says why. */
typedef bool resources_ask(void *arg, const char *command, json_t **table, struct outcome *outcome);

/* A set to work with; resources_release() it. NULL: `outcome` says why. Waits while another worker fetches
 * the first one. A failure that is younger than `least_ms` is answered again without asking. */
struct resource_set *resources_take(struct resources *resources, resources_ask *ask, void *arg,
                                    int64_t least_ms, struct outcome *outcome);
void resources_release(struct resource_set *set);

/* Which of a kind to try, in this order, at most `max`: accounts that did well first, in turn; those that are
 * bad only when there are no others. */
size_t resources_choose(struct resources *resources, const struct resource_set *set, enum resource_kind kind,
                        struct resource **out, size_t max);

/* What came of one: for the ranking; VERDICT_UNAUTHORISED and _MISSING mark it bad. */
void resources_note(struct resources *resources, struct resource *resource, enum verdict verdict);

/* None of them worked: the next resources_take() asks anew (but see RESOURCES_FORCED_MS). */
void resources_expire(struct resources *resources);

/* The address of a blob or of a queue's messages: place "/" name "?" signature, and perhaps "&" more. */
NODISCARD int resource_url(const struct resource *resource, const char *name, const char *more,
                           struct buf *out);

/* Parse the two answers; pure. 0; -EPROTO: `err` says what is wrong; -ENOMEM. What is of a kind that is not
 * ours, or would carry its signature in the clear, is passed over. */
NODISCARD int resource_set_parse(const json_t *resources, const json_t *identity, struct resource_set **set,
                                 struct err *err);

#endif
