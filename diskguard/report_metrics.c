#include "diskguard/report.h"
#include "diskguard/room.h"

static void metrics_of_databases(const struct guard *guard, const struct room *room, struct metrics *out)
{
    const struct databases *databases = &guard->account.databases;
    char name[SPOOL_NAME_BYTES];
    metrics_family(out, "spillway_disk_database_bytes", METRICS_GAUGE,
                   "Bytes of each database in the spool, leased ones included.");
    for (size_t i = 1; i < databases->count; i++)
        metrics_sample(out, "spillway_disk_database_bytes", "db", report_name(&databases->list[i], name),
                       database_charge(&databases->list[i]));
    metrics_family(out, "spillway_disk_database_full_in_seconds", METRICS_GAUGE,
                   "When a database fills what it may have, at its own rate; absent: not in sight.");
    for (size_t i = 1; i < databases->count; i++) {
        int64_t ms = room_full_in_ms(guard, room, i);
        if (ms >= 0)
            metrics_sample(out, "spillway_disk_database_full_in_seconds", "db",
                           report_name(&databases->list[i], name), ms / 1000);
    }
    metrics_family(out, "spillway_disk_queue_bytes", METRICS_GAUGE, "Bytes in each queue of the spool.");
    for (size_t area = 0; area < AREA_COUNT; area++) {
        int64_t sum = 0;
        for (size_t i = 0; i < databases->count; i++)
            sum += databases->list[i].bytes[area];
        metrics_sample(out, "spillway_disk_queue_bytes", "queue", area_name((enum area)area), sum);
    }
}

static void metrics_of_drift(const struct drift *drift, struct metrics *out)
{
    int64_t total = 0;
    metrics_family(out, "spillway_disk_drift_queue_bytes_total", METRICS_COUNTER,
                   "Growth without a lease that scans found, by queue.");
    for (size_t area = 0; area < AREA_COUNT; area++) {
        metrics_sample(out, "spillway_disk_drift_queue_bytes_total", "queue", area_name((enum area)area),
                       drift->total_by_area[area]);
        total += drift->total_by_area[area];
    }
    metrics_single(out, "spillway_disk_drift_bytes_total", METRICS_COUNTER,
                   "Growth without a lease that scans found.", total);
    metrics_single(out, "spillway_disk_drift_bytes", METRICS_GAUGE,
                   "Growth without a lease that the last scan found.", drift->bytes);
    metrics_single(out, "spillway_disk_drift_warnings_total", METRICS_COUNTER,
                   "Scans that found a drift above 1 % of the limit.", (int64_t)drift->findings);
    metrics_family(out, "spillway_disk_drift_client_bytes", METRICS_GAUGE,
                   "The last drift above 1 % of the limit, for each client (pid) that may have caused it.");
    for (size_t i = 0; i < drift->last.client_count; i++) {
        char pid[24];
        snprintf(pid, sizeof pid, "%lld", (long long)drift->last.clients[i]);
        metrics_sample(out, "spillway_disk_drift_client_bytes", "pid", pid, drift->last.bytes);
    }
}

void report_metrics(void *state, struct metrics *out)
{
    const struct guard *guard = state;
    const struct account *account = &guard->account;
    const struct scan_figures figures = scan_figures(guard->scan);
    const struct room room = room_look(guard, 0);
    const struct shown shown = account_shown(account);
    int64_t full_in_ms = room_full_in_ms(guard, &room, 0);
    const struct {
        const char *name, *help;
        int64_t value;
        enum metrics_type type;
    } singles[] = {
        {"spillway_disk_used_bytes", "Bytes that the spool occupies.", shown.used, METRICS_GAUGE},
        {"spillway_disk_outstanding_bytes", "Bytes leased to writers and not yet written.", shown.outstanding,
         METRICS_GAUGE},
        {"spillway_disk_limit_bytes", "max-disk-usage.", account->limit, METRICS_GAUGE},
        {"spillway_disk_free_bytes", "Bytes that could be granted now.",
         room.amount.bytes > 0 ? room.amount.bytes : 0, METRICS_GAUGE},
        {"spillway_disk_segments", "Segments in the spool.", account->files.segments + account->settled.files,
         METRICS_GAUGE},
        {"spillway_disk_max_segments", "max-segment-count.", account->max_segments, METRICS_GAUGE},
        {"spillway_disk_ready", "1: a writer that comes now would be served.", room_is_ready(guard),
         METRICS_GAUGE},
        {"spillway_disk_pressure", "0 ok, 1 high, 2 full.", guard->pressure.level, METRICS_GAUGE},
        {"spillway_disk_fs_free_bytes", "Free bytes of the file system.", room.fs.free_bytes, METRICS_GAUGE},
        {"spillway_disk_fs_free_inodes", "Free inodes of the file system.", room.fs.free_inodes,
         METRICS_GAUGE},
        {"spillway_disk_holders", "Leases that hold something or wait for it.",
         (int64_t)account_holders(account), METRICS_GAUGE},
        {"spillway_disk_grants_total", "Leases granted.", (int64_t)account->grants, METRICS_COUNTER},
        {"spillway_disk_refusals_total", "Leases refused.", (int64_t)account->refusals, METRICS_COUNTER},
        {"spillway_disk_false_claims_total", "Messages that claimed bytes that were never granted.",
         (int64_t)account->claims, METRICS_COUNTER},
        {"spillway_disk_granted_bytes_total", "Bytes granted.", guard->granted_total, METRICS_COUNTER},
        {"spillway_disk_freed_bytes_total", "Bytes that scans found to be gone.", guard->freed_total,
         METRICS_COUNTER},
        {"spillway_disk_scans_total", "Complete scans.", (int64_t)guard->scans, METRICS_COUNTER},
        {"spillway_disk_scans_failed_total", "Scans that could not read everything.",
         (int64_t)guard->scans_failed, METRICS_COUNTER},
        {"spillway_disk_scan_microseconds", "Time that the last scan took.", figures.spent_us, METRICS_GAUGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(singles); i++)
        metrics_single(out, singles[i].name, singles[i].type, singles[i].help, singles[i].value);
    if (full_in_ms >= 0)
        metrics_single(out, "spillway_disk_full_in_seconds", METRICS_GAUGE,
                       "At the current rate, full in so long; absent: not in sight.", full_in_ms / 1000);
    metrics_of_drift(&guard->drift, out);
    metrics_of_databases(guard, &room, out);
}
