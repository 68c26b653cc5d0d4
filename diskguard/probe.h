/* Can a file be made and written in the spool at this moment? What statvfs says of free blocks is not the
 * answer: quotas, a file system that became read-only, a device with errors, reserved blocks. One thread. */
#ifndef SPILLWAY_DISKGUARD_PROBE_H
#define SPILLWAY_DISKGUARD_PROBE_H

#include "common/spool/spool.h"

enum { PROBE_BYTES = 4096 };

/* Make a file without a name in state/, have a block allocated for it, write that, and let go of it: no
 * directory changes, and nobody ever sees it. 0, or a negative errno with `err`. */
NODISCARD int probe_write(const struct spool *spool, struct err *err);

#endif
