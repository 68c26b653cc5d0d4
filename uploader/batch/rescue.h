/* A file of a batch that was damaged after some of the batch was sent. What was planned is settled, so the
 * batch goes on without that file; what is valid in it and was not sent goes back to the queue under the
 * file's name, to be sent by a batch to come, and the file itself to quarantine. INTERNALS.md has the crash
 * table. */
#ifndef UPLOADER_RESCUE_H
#define UPLOADER_RESCUE_H

#include "uploader/batch/batch.h"

struct rescue {
    struct batch_dir *batch; /* frozen, begun, and SENDING, UPLOADED or POSTED */
    struct tools *tools;
    const char *instance;
    enum spool_queue queue; /* where segments go back to */
};

/* Do it for file `index` of the plan, which is damaged and not behind what was sent; or finish what was
 * begun. `*rows`: how many rows go back. */
NODISCARD int rescue_file(struct rescue *rescue, uint32_t index, uint64_t *rows);

/* Was it begun with that file by a process that died, or met trouble? */
bool rescue_is_unfinished(const struct batch_dir *batch, uint32_t index);

#endif
