/* What diskguard tells of itself: status and metrics. Main thread. */
#ifndef SPILLWAY_DISKGUARD_REPORT_H
#define SPILLWAY_DISKGUARD_REPORT_H

#include <jansson.h>

#include "common/control/metrics.h"

/* Hooks of the daemon's skeleton (daemon.h); `state` is a struct guard.
 *
 * status adds: used_bytes, outstanding_bytes, reserve_bytes, limit_bytes, free_bytes (what could be granted
 * now), settled_bytes, files, segments, max_segments, pressure, reason, full_in_ms (null: not in sight), rate
 * (bytes a second), fs_free_bytes, fs_floor_bytes, fs_free_inodes, last_scan_ms (duration), last_scan_us,
 * scan_age_ms, scans, scans_failed, drift_bytes, databases: [{db, bytes, outstanding_bytes, settled_bytes,
 * rate, full_in_ms, failover, queues: {queue: bytes}}], holders: [{pid, db, outstanding_bytes, connected,
 * waiting}]. */
void report_status(void *state, json_t *out);
void report_metrics(void *state, struct metrics *out);

#endif
