/* The locks of active/. Thread-safe.
 *
 * A file's: flock, held by its writer or by who adopts it. It ends with the process.
 *
 * The folder's: held for life by the receiver daemon, which may close files that it goes on with later
 * (parked, writer.h). As long as it is held, others leave files without a lock to the daemon, which adopts
 * those that are not its own. It only saves segments from being sealed too early: a parked file that is
 * adopted by mistake is sealed with all its rows, and its writer goes on in a new one. */
#ifndef SPILLWAY_SPOOL_LOCK_H
#define SPILLWAY_SPOOL_LOCK_H

#include <stdbool.h>

#include "common/base/compiler.h"
#include "common/spool/spool.h"

/* Lock the open file `fd`, which was opened as `file` of `dir`. 0: it is ours. -EWOULDBLOCK: another has it.
 * -ESTALE: locked, but that name means another file by now, or none: whoever had it before has moved it on.
 */
NODISCARD int lock_file(int fd, int dir, const char *file);

/* Take the folder's lock: a descriptor, which holds it until it is closed. -EBUSY: another has it. */
NODISCARD int lock_active(const struct spool *spool);

/* Has another process the folder's lock? It is not touched by asking. */
bool lock_active_is_taken(const struct spool *spool);

#endif
