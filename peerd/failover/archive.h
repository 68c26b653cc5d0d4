/* An archive of segments: DIR/<db>/FILE, folders and files named as in the spool, outside of it. Putting one
 * in takes three steps, so that drops.h can commit between the first and the second:
 *
 *     archive_stage()    a durable, compared copy under a temporary name: all that can fail for want of room
 *     archive_publish()  it gets its name; may be repeated after a crash
 *     (the caller unlinks the original)
 *
 * Any thread. */
#ifndef SPILLWAY_PEERD_ARCHIVE_H
#define SPILLWAY_PEERD_ARCHIVE_H

#include <stdbool.h>

#include "common/base/err.h"

/* May this be an archive for the spool at `spool_path` (absolute)? It must exist, be writable and lie outside
 * of it. -EINVAL and a text. */
NODISCARD int archive_check(const char *dir, const char *spool_path, struct err *err);

/* Copy `file` in the open directory `from` to DIR/<folder>/<temporary>: by a hard link where that can be.
 * Durable when 0 is returned; on failure nothing is left. */
NODISCARD int archive_stage(const char *dir, const char *folder, const char *temporary, int from,
                            const char *file, struct err *err);

/* Give it its name: FILE, or "N,FILE" where another file has that; durable. 0 also when it has it already. */
NODISCARD int archive_publish(const char *dir, const char *folder, const char *temporary, const char *file,
                              struct err *err);

/* Take a staged copy away, when it is not to be. */
void archive_unstage(const char *dir, const char *folder, const char *temporary);

/* Remove all staged copies whose name begins with `prefix`: at start, when all that was begun is finished. */
void archive_sweep(const char *dir, const char *prefix);

#endif
