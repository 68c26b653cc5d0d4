/* How much may be granted now, what limits it, and what that means: pressure, and whether we are ready. Main
 * thread. */
#ifndef SPILLWAY_DISKGUARD_ROOM_H
#define SPILLWAY_DISKGUARD_ROOM_H

#include "diskguard/guard.h"

/* What may be granted to database `db`, and what it is that limits it. */
struct room {
    struct amount amount; /* may be negative */
    enum reason bytes_reason, files_reason;
    struct fs_state fs;
};
struct room room_look(const struct guard *guard, size_t db);

/* Bytes that databases in failover may have together beyond what they have. */
int64_t room_of_failover(const struct guard *guard);

/* Look at the levels, and tell when they changed: log and event. */
void room_update_pressure(struct guard *guard);

/* Try to write, when it is time to; told when the answer changed. */
void room_probe(struct guard *guard);

/* Would a writer that comes now be served? Follows the ability to write: not ready when the pressure is full
 * (with its hysteresis), when the probe fails, and before the spool was read. */
bool room_is_ready(const struct guard *guard);

/* When nothing can be granted any more at the rate of all (db 0), or when database `db` fills what it may
 * have at its own rate. Milliseconds; -1: not in sight. */
int64_t room_full_in_ms(const struct guard *guard, const struct room *room, size_t db);

#endif
