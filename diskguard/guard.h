/* diskguard's state, and what happens when: requests, the end of connections, scans. Main thread. */
#ifndef SPILLWAY_DISKGUARD_GUARD_H
#define SPILLWAY_DISKGUARD_GUARD_H

#include "common/control/daemon.h"
#include "diskguard/account.h"
#include "diskguard/drift.h"
#include "diskguard/forecast.h"
#include "diskguard/limits.h"
#include "diskguard/pressure.h"
#include "diskguard/probe.h"
#include "diskguard/scan.h"
#include "diskguard/slots.h"

struct guard {
    struct daemon *daemon;
    struct account account;
    struct slots slots;
    struct scan *scan;
    struct part min_free, failover_share;
    struct pressure pressure;
    struct forecast forecast;
    struct drift drift;

    int64_t probed_ms; /* 0: not yet */
    int probe_rc;      /* of the last try to write */
    struct err probe_err;

    bool is_scanning;
    bool is_audited; /* a scan was complete since the start; nothing is granted before */
    bool wants_scan; /* there may be news */
    int64_t interval_ms, scan_began_ms, scan_due_ms;
    int64_t step_due_ms;      /* when step() asked to be called: called before that, it was woken */
    int64_t orphans_until_ms; /* a connection ended lately: its process may be about to die */

    uint64_t scans, scans_failed;
    int64_t granted_total, freed_total;
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

/* The skeleton's monotonic clock in milliseconds, never 0. */
int64_t guard_now_ms(void);

#endif
