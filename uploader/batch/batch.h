/* The life of a batch directory batch/<db>/<id>/ (INTERNALS.md has the states and the crash table):
 *
 *     claimed   segments were renamed into it; no plan.json yet: nothing left, it may be dissolved
 *     frozen    plan.json is there: what is sent under this id is settled, byte for byte
 *     refused   progress.json says which rows go to quarantine and why; finished at start if interrupted
 *     done      plan.json was renamed to done.json, durably: segments are unlinked, then done.json,
 * progress.json, the directory
 *
 * One thread has a batch at a time: the main thread at start and while it waits, a worker while it is in
 * flight. */
#ifndef UPLOADER_BATCH_H
#define UPLOADER_BATCH_H

#include <jansson.h>

#include "common/spool/claim.h"
#include "uploader/batch/plan.h"
#include "uploader/batch/tools.h"

struct batch_dir {
    struct claim claim;
    bool is_frozen; /* plan and progress are valid */
    bool is_done;   /* likewise, and all of it is done with */
    struct plan plan;
    struct progress progress;
    bool is_unrecorded; /* progress is not what progress.json says: that could not be written */
};

/* Open it and read plan and progress, where they are. -ENOENT: no such batch. -EPROTO: of another version, to
 * be left alone. A plan.json that cannot be understood counts as none (logged); a progress.json likewise as
 * none sent. */
NODISCARD int batch_open(struct batch_dir *batch, struct spool *spool, const struct spool_place *place,
                         struct err *err);
void batch_close(struct batch_dir *batch);

/* Freeze: write batch->plan durably. */
NODISCARD int batch_freeze(struct batch_dir *batch);

/* Undo it, durably, as long as nothing has left: its segments are wanted otherwise than they were planned. */
NODISCARD int batch_thaw(struct batch_dir *batch);

/* Record batch->progress: durably where what follows depends on it. Where it fails, batch->is_unrecorded: who
 * goes on all the same, hands that progress to whoever opens the batch next in this process. */
NODISCARD int batch_record(struct batch_dir *batch, bool durable);

/* All rows are in ADX or in quarantine: one durable rename says so. From here on segments may be removed. */
NODISCARD int batch_set_done(struct batch_dir *batch);

/* Unlink segments, plan, progress and directory, in this order. Only when it is done, or holds no segment any
 * more. */
NODISCARD int batch_remove(struct batch_dir *batch);

/* Dissolve a batch of which nothing has left: its segments go back to `queue`, then as batch_remove().
 * `except` (may be NULL) stays, and then the batch with it. */
NODISCARD int batch_release(struct batch_dir *batch, enum spool_queue queue, const char *except);

/* Finish what a mending (mend.h) that was interrupted began. Before anything else is done with a batch that
 * is not frozen. */
NODISCARD int batch_repair(struct batch_dir *batch);

bool batch_is_at_end(const struct batch_dir *batch);

/* --- refusal: rows from progress.at to `end` go to quarantine --------------------------------------- */

/* Record the decision, durably. `why` is what the .why says. Nothing has moved yet. */
NODISCARD int batch_refuse(struct batch_dir *batch, const struct cursor *end, const json_t *why);

/* Carry it out, from whatever point it was interrupted at; afterwards progress is SENDING behind those rows.
 * `*rows`: how many they are. When the refused rows are the whole batch the segments move as they are; else
 * they become one new segment. */
NODISCARD int batch_finish_refusal(struct batch_dir *batch, struct tools *tools, const char *instance,
                                   uint64_t *rows);

#endif
