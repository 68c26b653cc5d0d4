/* Open batches of queued ingestion: what goes to one table in one way is gathered until time, count or size
 * seals it (adx.md 7). One owner, no locks. */
#ifndef ADXSIM_BATCH_H
#define ADXSIM_BATCH_H

#include "tests/adxsim/message.h"
#include "tests/adxsim/queue.h"
#include "tests/adxsim/settings.h"

struct item {
    size_t input; /* the queue that it came from */
    struct queue_message posted;
    struct message message;
};

struct batch {
    struct batch *next;
    char *key; /* table and properties: blobs of one key can be ingested together */
    struct item *items;
    size_t nitems;
    int64_t bytes; /* as the messages declare */
    int64_t due_ms;
    const char *sealed_by; /* NULL while open */
};

struct batches {
    struct batch *first; /* oldest first */
};

enum batch_placed {
    PLACED,
    PLACED_AGAIN,    /* the same message of the queue is held already; its receipt was renewed */
    PLACED_DUPLICATE /* another message for the same blob is in the open batch: the item stays the caller's */
};

/* Takes the item, unless it is a duplicate. now_ms: monotonic. */
enum batch_placed batches_place(struct batches *batches, struct item *item, const struct settings *settings,
                                int64_t now_ms);
/* The oldest batch that is sealed by now, taken out; NULL: none. Ended by batch_free. */
struct batch *batches_take_sealed(struct batches *batches, int64_t now_ms);
void batch_free(struct batch *batch);
void batches_fini(struct batches *batches);
void item_fini(struct item *item);

#endif
