/* From claimed to frozen: the ends of every member of every segment are checked (clauses 1 to 3), what does
 * not belong is put aside, and what is left becomes the plan. Payloads are checked while they are sent
 * (body.h): damage that is found then ends the sending before anything is committed, and the batch comes here
 * again, to be checked thoroughly.
 *
 *     whole, with rows          into the plan
 *     no rows                   removed
 *     damaged                   mended (mend.h), then into the plan
 *     head says another db, table, format or schema, or no head where the columns are needed: to quarantine
 *                               with .why
 *     cannot be read            it stays in the batch's directory, alone: the others go back to their queue
 *
 * A batch that is frozen already is checked again: if a file of it is damaged and nothing was sent yet, it is
 * thawed and planned anew; if something was sent, that file leaves it (rescue.h) and the rest is sent.
 */
#ifndef UPLOADER_PREPARE_H
#define UPLOADER_PREPARE_H

#include "uploader/batch/batch.h"

enum prepare_result {
    PREPARE_READY,
    PREPARE_EMPTY,    /* nothing is left to send; batch_remove() it */
    PREPARE_RELEASED, /* one segment cannot be read: the rest went back to the queue; that one stays claimed
                       */
};

struct prepare_options {
    const char *instance;
    enum spool_queue queue; /* where segments go back to */
    bool is_thorough;       /* read payloads, too: all four clauses */
};

struct prepare_counts {
    uint64_t quarantined, quarantined_rows, removed;
};

/* A negative errno: try again later; nothing is lost. */
NODISCARD int prepare_batch(struct batch_dir *batch, struct tools *tools,
                            const struct prepare_options *options, enum prepare_result *result,
                            struct prepare_counts *counts, struct err *err);

#endif
