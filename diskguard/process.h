/* Is a process that we knew still the same, and alive? From /proc/<pid>/stat (proc(5)). Thread-safe. */
#ifndef SPILLWAY_DISKGUARD_PROCESS_H
#define SPILLWAY_DISKGUARD_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/compiler.h"

/* When it started, in clock ticks since boot: with the pid it names a process for as long as the machine is
 * up. -ESRCH: there is none, or it is dead and not yet waited for; -EIO: /proc cannot be read. */
NODISCARD int process_start_time(int64_t pid, uint64_t *start);

/* Does the process (pid, start) live? When that cannot be told: true. */
bool process_is_alive(int64_t pid, uint64_t start);

/* A number for this boot of the machine: pids and start times mean nothing in another. 0 when it cannot be
 * told. */
uint64_t process_boot(void);

#endif
