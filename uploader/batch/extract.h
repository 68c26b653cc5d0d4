/* Some of a batch's rows as a segment of their own: those that were refused (refuse.c), those that are left
 * of a file that was damaged while the batch was on its way (rescue.c). Blocks are copied; one that the range
 * begins or ends in is deflated anew. Room for the copy is leased. One thread has a batch at a time. */
#ifndef UPLOADER_EXTRACT_H
#define UPLOADER_EXTRACT_H

#include "uploader/batch/batch.h"

/* Make segment `name` in the batch's directory (durably) of the rows from `at` to `end`. -EBADMSG: damage. */
NODISCARD int batch_extract(struct batch_dir *batch, struct tools *tools, const struct segment_name *name,
                            const char *instance, const struct cursor *at, const struct cursor *end,
                            uint64_t *rows);

/* Make `.FILE.new` beside file `at->file` of the plan (durably), of what is valid in it behind `at`. */
NODISCARD int batch_extract_valid(struct batch_dir *batch, struct tools *tools, const char *instance,
                                  const struct cursor *at, uint64_t *rows);

#endif
