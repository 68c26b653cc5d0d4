/* What ADX says of blobs that it could not ingest (adx.md §2.6): `.show ingestion failures` of the engine, or
 * messages of the failure queues, which are shared with all clients of the cluster and so are only peeked at.
 * A list is kept for a while, because many blobs are asked about. One thread at a time. */
#ifndef UPLOADER_FAILURES_H
#define UPLOADER_FAILURES_H

#include <jansson.h>
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "uploader/adx/outcome.h"

enum {
    FAILURES_MAX = 20000,
    FAILURES_MARGIN_MS = 5 * 60 * 1000, /* clocks differ */
};

struct failure {
    char *blob; /* the last part of its path */
    char *code, *details;
    bool is_permanent;
};

/* outcome.code of a question that was not asked, because the one before it was not answered and that is not
 * long ago. */
#define FAILURES_NOT_ASKED "asked-already"

struct failures {
    struct failure *list;
    size_t count, capacity;
    struct mono not_before;     /* after a question without an answer */
    int64_t since_ms, asked_ms; /* wall: the list is of all failures from the one to the other; 0: none yet */
};

void failures_fini(struct failures *failures);
void failures_clear(struct failures *failures);

/* The command that asks about a database's failures since `since_ms`, as ADX knows it: by age. */
NODISCARD int failures_command(const char *db, int64_t since_ms, int64_t now_ms, struct buf *out);

/* Add what an answer to it holds (its first table). 0; -EPROTO: it lacks columns; -ENOMEM. */
NODISCARD int failures_add_table(struct failures *failures, const json_t *table);

/* Add what messages of a failure queue hold (the XML of GET …/messages). Those that are not understood are
 * passed over. */
NODISCARD int failures_add_messages(struct failures *failures, const char *xml, size_t len);

/* The failure of this blob, or NULL. */
const struct failure *failures_find(const struct failures *failures, const char *blob);

/* What a failure means for the rows. REFUSED: for good; SUCCESS: it is none (a message that was posted twice
 * was recognised); anything else: to be sent again. */
enum verdict failure_verdict(const struct failure *failure);

#endif
