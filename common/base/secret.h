/* Secrets that a file holds: tokens, client secrets. Thread-safe. */
#ifndef SPILLWAY_BASE_SECRET_H
#define SPILLWAY_BASE_SECRET_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/compiler.h"

/* Read the one word that is in the file, without the space round it, into `secret` (initialised; emptied
 * first; terminated), whose limit is the longest allowed. -EINVAL: the file is empty, or holds more than one
 * word; else what reading it says (-ENOENT, -EFBIG, ...). */
NODISCARD int secret_read(const char *path, struct buf *secret);

/* Overwrite what was read, and free it. */
void secret_forget(struct buf *secret);

/* No core dump of this process, whatever the limits and wherever the system sends them; its memory and its
 * environment can be read by root alone, not by other processes of the same user. `is_wanted` undoes it
 * (--core-dumps). Children that exec are as ever. */
void secret_keep_cores(bool is_wanted);

#endif
