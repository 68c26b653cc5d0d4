/* What is remembered of the messages and batches of queued ingestion, for assertions. Each function takes the
 * store's lock; failures of the store are said on stderr and otherwise ignored: they change no ingestion. */
#ifndef ADXSIM_INBOX_H
#define ADXSIM_INBOX_H

#include "tests/adxsim/message.h"
#include "tests/adxsim/queue.h"
#include "tests/adxsim/store.h"

/* A delivery of a message; again, when it comes again. */
void inbox_received(struct store *store, const char *account, const struct queue_message *posted,
                    const struct message *message);

struct inbox_result {
    const char *state; /* succeeded, skipped, failed, retried, duplicate */
    const char *code;  /* of the failure, or "" */
    const char *details;
    int64_t batch;    /* or 0 */
    int64_t raw_size; /* of the data that the blob held; -1: not read */
    int64_t rows;
};

void inbox_ended(struct store *store, const char *message_id, const struct inbox_result *result);
/* A batch that was sealed, and why: Time, Count, Size, SingleBlob_... Its id, or 0. */
int64_t inbox_batch(struct store *store, const char *database, const char *table, const char *sealed_by,
                    int64_t blobs, int64_t bytes);

/* {"total", "by_state": {}, "messages": [{"id", "time", "account", "message_id", "source_id", "state",
 * "code", "details", "deliveries", "batch", "raw_size", "rows", "message": {..}}]} oldest first. */
json_t *inbox_messages(struct store *store);
json_t *inbox_batches(struct store *store);

#endif
