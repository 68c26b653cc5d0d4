/* One batch, taken as far as it goes: checked and frozen, sent part by part, its refused rows put into
 * quarantine, done, removed. This is what a worker does; the main thread decides when and says what came of
 * it. */
#ifndef UPLOADER_UPLOAD_H
#define UPLOADER_UPLOAD_H

#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/base/workers.h"
#include "uploader/adx/send.h"
#include "uploader/totals.h"

enum upload_end {
    UPLOAD_DONE,    /* nothing of it is left in the spool but what went to quarantine */
    UPLOAD_WAIT,    /* to be tried again: `outcome` says why */
    UPLOAD_STOPPED, /* is_stopping was set: nothing went wrong */
    UPLOAD_POSTED,  /* ADX has it in its queue; to be run again to see whether it failed (--confirm) */
};

/* What all jobs of the process share; constant while workers run. */
struct upload_context {
    struct spool *spool;
    enum spool_queue queue; /* where segments go back to */
    struct tally *totals;
    struct adx_options options;
    atomic_bool is_stopping; /* no new parts */
    atomic_bool is_aborted;  /* requests in flight end at once */
};

struct upload_job {
    struct worker_job job; /* first: what threads pass about (workers.h) */
    struct upload_context *context;
    struct spool_place place;
    const struct target *target;
    struct adx_endpoint *endpoint;
    unsigned failures; /* attempts at this batch before, by this process */
    struct progress
        *known;    /* in and out, owned: how far it is, where the disk could not be told; NULL: it was */
    void *owner;   /* the caller's */
    bool is_probe; /* no batch: only `outcome` is filled, see probe.h */
    struct mono begun;
    struct outcome engine; /* of a probe that is twofold: what the engine says */
    bool has_engine;

    /* What came of it. */
    enum upload_end end;
    struct outcome outcome;             /* of the last piece that was not taken */
    uint64_t rows, raw_bytes, bytes;    /* uploaded, when DONE; POSTED: rows of the batch */
    uint64_t refused_rows;              /* put into quarantine by ADX's word, in this run */
    struct outcome refusal;             /* the last such word */
    uint64_t put_aside, put_aside_rows; /* damaged or foreign segments */
    uint64_t parts;                     /* sent in this run */
    int64_t posted_ms;                  /* POSTED: since when, wall time */
    int64_t took_ms;
};

void upload_run(struct upload_job *job, struct worker *worker);

/* Count a batch that is done, and remove it: the last step of upload_run(), and at start for one that was
 * interrupted there. */
NODISCARD int upload_finish(struct upload_context *context, struct batch_dir *batch);

/* What a worker needs for its first job of any kind; again: nothing. */
void worker_prepare(struct worker *worker);
void worker_fini(struct worker *worker);

#endif
