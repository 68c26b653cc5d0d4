/* A second file with the valid content of a first: `.<segment>.new` in the same directory, locked and
 * durable. The first file stays in charge until one rename replaces it or takes it away; a `.new` beside its
 * original is rubbish, a `.new` without it is complete, and only its last move is missing (adopt.h). One
 * thread at a time for each pair. */
#ifndef SPILLWAY_SPOOL_SALVAGE_H
#define SPILLWAY_SPOOL_SALVAGE_H

#include "common/base/err.h"
#include "common/segment/scan.h"
#include "common/spool/spool.h"

#define SALVAGE_PREFIX "."
#define SALVAGE_SUFFIX ".new"

/* The name of the copy: without what `file` ends with behind ".gz" in active/ (writer.h), so that it is never
 * too long. "" when `file` is longer than any of ours: no such copy can be made. */
void salvage_name(const char *file, char name[static SPOOL_NAME_BYTES]);

/* Copy the valid members of `from` (the file `file` of `dir`, which the caller has locked) to a new file,
 * sync it, and give its descriptor, which holds the lock on it. When the content starts with anything but a
 * valid head, `head` (head_bytes of it) is written first. -EBUSY: someone holds the copy's name. On failure
 * no copy is left. */
NODISCARD int salvage_copy(int dir, const char *file, int from, const void *head, size_t head_bytes, int *fd,
                           struct scan_summary *copied, struct err *err);

#endif
