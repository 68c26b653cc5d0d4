/* From claimed to frozen: every member of every segment is checked (all four clauses), what does not belong
 * is put aside, and what is left becomes the plan. Runs in a worker: it reads all bytes once.
 *
 *     whole, with rows          into the plan
 *     no rows                   removed
 *     damaged                   mended (mend.h), then into the plan
 *     head says another db, table, format or schema, or no head where the columns are needed: to quarantine
 * with .why cannot be read            it stays in the batch's directory, alone: the others go back to their
 * queue
 *
 * A batch that is frozen already (found at start) is checked again, since a power cut may have been in
 * between: if a file of it is damaged and nothing was sent yet, it is planned anew under the same id; if
 * something was sent, that file goes to quarantine as it is and the rest is sent. */
#ifndef UPLOADER_PREPARE_H
#define UPLOADER_PREPARE_H

#include "uploader/batch.h"

enum prepare_result {
    PREPARE_READY,
    PREPARE_EMPTY,    /* nothing is left to send; batch_remove() it */
    PREPARE_RELEASED, /* one segment cannot be read: the rest went back to the queue; that one stays claimed
                       */
};

struct prepare_counts {
    uint64_t quarantined, quarantined_rows, removed;
};

/* A negative errno: try again later; nothing is lost. */
NODISCARD int prepare_batch(struct batch_dir *batch, struct tools *tools, const char *instance,
                            enum spool_queue queue, enum prepare_result *result,
                            struct prepare_counts *counts, struct err *err);

#endif
