/* The lock that says who works on a file of active/: flock, held by its writer or by who adopts it. It ends
 * with the process. Thread-safe. */
#ifndef SPILLWAY_SPOOL_LOCK_H
#define SPILLWAY_SPOOL_LOCK_H

#include "common/base/compiler.h"

/* Lock the open file `fd`, which was opened as `file` of `dir`. 0: it is ours. -EWOULDBLOCK: another has it.
 * -ESTALE: locked, but that name means another file by now, or none: whoever had it before has moved it on.
 */
NODISCARD int lock_file(int fd, int dir, const char *file);

#endif
