/* diskguard's state, and what happens when: requests, the end of connections, scans. Main thread. */
#ifndef SPILLWAY_DISKGUARD_GUARD_H
#define SPILLWAY_DISKGUARD_GUARD_H

#include "common/control/daemon.h"
#include "diskguard/account.h"
#include "diskguard/limits.h"
#include "diskguard/pressure.h"
#include "diskguard/scan.h"
#include "diskguard/slots.h"

/* Databases in failover together may have at most this much of the limit. */
enum { FAILOVER_SHARE_PERMILLE = 900 };

struct guard {
    struct daemon *daemon;
    struct account account;
    struct slots slots;
    struct scan *scan;
    struct min_free min_free;
    struct pressure pressure;
    struct forecast forecast;

    bool is_scanning;
    bool is_audited; /* a scan was complete since the start; nothing is granted before */
    bool wants_scan; /* there may be news */
    int64_t interval_ms, scan_began_ms, scan_due_ms;
    int64_t step_due_ms;      /* when step() asked to be called: called before that, it was woken */
    int64_t orphans_until_ms; /* a connection ended lately: its process may be about to die */

    uint64_t scans, scans_failed;
    int64_t drift_bytes; /* found by the last scan */
    int64_t drift_total, granted_total, freed_total;
};

/* Hooks of the daemon's skeleton (daemon.h); `state` is a struct guard. */
/* --check: a limit and a min-free that make sense. */
NODISCARD int guard_check(const struct conf *conf, struct err *err);

int guard_init(struct daemon *daemon, void **state, struct err *err);
int64_t guard_step(void *state);
void guard_gone(void *state, uint32_t connection);
void guard_fini(void *state);

/* Operations (lease_message.h), and {"op":"failover","databases":[D...]}: these, and no others, are in
 * failover. */
json_t *guard_on_lease(void *state, const struct ctl_peer *peer, const json_t *request);
json_t *guard_on_settle(void *state, const struct ctl_peer *peer, const json_t *request);
json_t *guard_on_failover(void *state, const struct ctl_peer *peer, const json_t *request);

/* What may be granted to database `db` now, and what it is that limits it. `fs` (may be NULL) is filled. */
struct room {
    int64_t bytes; /* may be negative */
    enum reason reason;
};
struct room guard_room(const struct guard *guard, size_t db, struct fs_state *fs);

/* Look at the levels, and tell when they changed. */
void guard_update_pressure(struct guard *guard);

/* Write a holder's slot in state/leases: before the answer that promises it anything. */
void guard_save(struct guard *guard, size_t number);

/* The skeleton's monotonic clock in milliseconds, never 0. */
int64_t guard_now_ms(void);

#endif
