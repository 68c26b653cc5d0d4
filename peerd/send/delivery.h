/* One transfer taken as far as it goes: frozen, sent, and what the answer asks for. This is what a worker
 * does; the main thread decides when and to whom, and says what came of it. */
#ifndef SPILLWAY_PEERD_DELIVERY_H
#define SPILLWAY_PEERD_DELIVERY_H

#include "common/base/workers.h"
#include "peerd/failover/drop_policy.h"
#include "peerd/send/sender.h"

/* What all jobs share; constant while workers run. */
struct delivery_context {
    struct spool *spool;
    struct tally *tally;
    struct drops *drops;
    struct sender_settings sender;
};

enum delivery_task {
    DELIVERY_SEND,
    DELIVERY_GIVE_UP, /* the peer is not asked any more: to our own upload/ */
    DELIVERY_RETURN,  /* likewise, and it cannot be uploaded from here: back to sealed/ */
    DELIVERY_DROP,    /* nobody takes it: by the drop policy */
};

enum delivery_end {
    DELIVERY_DONE,     /* the peer has it */
    DELIVERY_EMPTY,    /* nothing was left to send */
    DELIVERY_REFUSED,  /* in quarantine */
    DELIVERY_DIVERTED, /* in our own upload/ */
    DELIVERY_KEPT,     /* still there, to be tried again */
    DELIVERY_RETURNED, /* back in sealed/, to be routed anew */
    DELIVERY_FULL,     /* still there: the peer has no room for this database, which is in failover */
    DELIVERY_DROPPED,  /* given up, and recorded */
};

struct delivery {
    struct worker_job job; /* first */
    struct delivery_context *context;
    enum delivery_task task;
    struct spool_place place;
    struct sender_peer peer;
    bool is_failing;           /* in: from here it cannot be uploaded */
    struct drop_decision drop; /* in: of DELIVERY_DROP */
    bool is_in_doubt;          /* in: may the peer have it? out: likewise */

    /* What came of it. */
    enum delivery_end end;
    bool was_asked; /* a request was tried: `sent` is filled */
    struct sent sent;
    char table[NAME_FILE_MAX_BYTES + 1];
    uint64_t rows, bytes, segments;
    struct drops_sum given_up;
    int64_t took_ms;
    char cause[ERR_TEXT_BYTES]; /* trouble here, not the peer's; "" */
};

/* A struct workers_hooks' run and fini; `local` is a struct sender. */
void delivery_run(struct worker_job *job, void *local);
void delivery_fini(void *local);

#endif
