/* What diskguard tells of itself: status and metrics. Main thread. */
#ifndef SPILLWAY_DISKGUARD_REPORT_H
#define SPILLWAY_DISKGUARD_REPORT_H

#include <jansson.h>

#include "common/control/metrics.h"
#include "diskguard/databases.h"

/* Hooks of the daemon's skeleton (daemon.h); `state` is a struct guard.
 *
 * status adds: ready, not_ready (reasons), write_error (null: files can be written), pressure, reason;
 * used_bytes + outstanding_bytes <= limit_bytes unless the spool was larger to begin with, reserve_bytes,
 * free_bytes (could be granted now); the raw figures beside them: seen_bytes (what the last scan saw: as du),
 * settled_bytes (said to be written, not seen yet), leased_bytes (promised), and counted_twice_bytes (written
 * but not yet said by its writer: in seen_bytes and in leased_bytes): seen + settled + leased - counted_twice
 * = used + outstanding; files, segments, outstanding_segments, free_segments, max_segments,
 * failover_share_bytes; rate (bytes a second), full_in_ms (null: not in sight), forecast (the same for
 * people); fs_free_bytes, fs_floor_bytes, fs_free_inodes, fs_floor_inodes; last_scan_ms and last_scan_us (its
 * length), last_scan_stats, scan_age_ms, scans, scans_failed; drift_bytes, last_drift {time, db, queue,
 * bytes, clients: [pid]} (null: none above 1 % of the limit); databases [{db, bytes, outstanding_bytes,
 * settled_bytes, segments, rate, full_in_ms (at its own rate), forecast, failover, queues {queue: bytes}}];
 * holders [{pid, lease, db, outstanding_bytes, outstanding_files, connected, waiting}]. */
void report_status(void *state, json_t *out);
void report_metrics(void *state, struct metrics *out);

/* The database's name as people write it; a folder that no database has is shown as it is. */
const char *report_name(const struct database *database, char name[static SPOOL_NAME_BYTES]);

#endif
