#include "diskguard/report.h"

#include "common/segment/name.h"
#include "diskguard/guard.h"

static void set_number(json_t *out, const char *key, int64_t value)
{
    json_object_set_new(out, key, json_integer(value));
}

/* The database's name as people write it; a folder that no database has is shown as it is. */
static const char *shown_name(const struct database *database, char name[static SPOOL_NAME_BYTES])
{
    const char *folder = database->folder;
    return name_decode(folder, strlen(folder), name, SPOOL_NAME_BYTES) == NAME_OK ? name : folder;
}

static json_t *full_in(int64_t ms)
{
    return ms < 0 ? json_null() : json_integer(ms);
}

static int64_t free_bytes(const struct guard *guard, struct fs_state *fs)
{
    int64_t bytes = guard_room(guard, 0, fs).bytes;
    return bytes > 0 ? bytes : 0;
}

static json_t *status_of_database(const struct database *database)
{
    char name[SPOOL_NAME_BYTES];
    json_t *out = json_object(), *queues = json_object();
    json_object_set_new(out, "db", json_string(shown_name(database, name)));
    set_number(out, "bytes", database_seen(database));
    set_number(out, "outstanding_bytes", database->outstanding);
    set_number(out, "settled_bytes", database_settled(database));
    set_number(out, "rate", database->rate);
    json_object_set_new(out, "failover", json_boolean(database->is_in_failover));
    for (size_t i = 0; i < AREA_COUNT; i++)
        if (database->bytes[i])
            set_number(queues, area_name((enum area)i), database->bytes[i]);
    json_object_set_new(out, "queues", queues);
    return out;
}

static json_t *status_of_databases(const struct databases *databases)
{
    json_t *out = json_array();
    for (size_t i = 0; i < databases->count; i++)
        if (i == 0 || database_charge(&databases->list[i]) > 0)
            json_array_append_new(out, status_of_database(&databases->list[i]));
    return out;
}

static json_t *status_of_holders(const struct account *account)
{
    json_t *out = json_array();
    for (size_t i = 0; i < account->holders_end; i++) {
        const struct holder *holder = &account->holders[i];
        char name[SPOOL_NAME_BYTES];
        if (!holder->is_used)
            continue;
        json_array_append_new(out,
                              json_pack("{s:I, s:I, s:s, s:I, s:b, s:b}", "pid", (json_int_t)holder->pid,
                                        "lease", (json_int_t)holder->lease, "db",
                                        shown_name(&account->databases.list[holder->db], name),
                                        "outstanding_bytes", (json_int_t)holder->outstanding, "connected",
                                        holder->connection != 0, "waiting", holder->waiting_since_ms != 0));
    }
    return out;
}

static void status_of_scans(const struct guard *guard, json_t *out)
{
    const struct scan_figures figures = scan_figures(guard->scan);
    set_number(out, "scans", (int64_t)guard->scans);
    set_number(out, "scans_failed", (int64_t)guard->scans_failed);
    set_number(out, "last_scan_ms", figures.spent_us / 1000);
    set_number(out, "last_scan_us", figures.spent_us);
    set_number(out, "last_scan_stats", figures.stats);
    set_number(out, "scan_age_ms", guard_now_ms() - guard->scan_began_ms);
    set_number(out, "drift_bytes", guard->drift_bytes);
}

void report_status(void *state, json_t *out)
{
    const struct guard *guard = state;
    const struct account *account = &guard->account;
    struct fs_state fs;
    int64_t room = free_bytes(guard, &fs);
    set_number(out, "used_bytes", account_shown_used(account));
    set_number(out, "outstanding_bytes", account_shown_outstanding(account));
    set_number(out, "reserve_bytes", account_reserve(account));
    set_number(out, "limit_bytes", account->limit);
    set_number(out, "free_bytes", room);
    set_number(out, "settled_bytes", account->settled);
    set_number(out, "files", (int64_t)account->files.count);
    set_number(out, "segments", account->files.segments);
    set_number(out, "max_segments", account->max_segments);
    json_object_set_new(out, "pressure", json_string(pressure_level_name(guard->pressure.level)));
    json_object_set_new(out, "reason", json_string(pressure_reason_name(guard->pressure.reason)));
    set_number(out, "rate", guard->forecast.rate);
    json_object_set_new(out, "full_in_ms", full_in(forecast_full_in_ms(&guard->forecast, room)));
    set_number(out, "fs_free_bytes", fs.free_bytes);
    set_number(out, "fs_floor_bytes", fs.floor_bytes);
    set_number(out, "fs_free_inodes", fs.free_inodes);
    status_of_scans(guard, out);
    json_object_set_new(out, "databases", status_of_databases(&account->databases));
    json_object_set_new(out, "holders", status_of_holders(account));
}

static void metrics_of_databases(const struct databases *databases, struct metrics *out)
{
    char name[SPOOL_NAME_BYTES];
    metrics_family(out, "spillway_disk_database_bytes", METRICS_GAUGE,
                   "Bytes of each database in the spool, leased ones included.");
    for (size_t i = 1; i < databases->count; i++)
        metrics_sample(out, "spillway_disk_database_bytes", "db", shown_name(&databases->list[i], name),
                       database_charge(&databases->list[i]));
    metrics_family(out, "spillway_disk_queue_bytes", METRICS_GAUGE, "Bytes in each queue of the spool.");
    for (size_t area = 0; area < AREA_COUNT; area++) {
        int64_t sum = 0;
        for (size_t i = 0; i < databases->count; i++)
            sum += databases->list[i].bytes[area];
        metrics_sample(out, "spillway_disk_queue_bytes", "queue", area_name((enum area)area), sum);
    }
}

void report_metrics(void *state, struct metrics *out)
{
    const struct guard *guard = state;
    const struct account *account = &guard->account;
    const struct scan_figures figures = scan_figures(guard->scan);
    struct fs_state fs;
    int64_t room = free_bytes(guard, &fs);
    const struct {
        const char *name, *help;
        int64_t value;
        enum metrics_type type;
    } singles[] = {
        {"spillway_disk_used_bytes", "Bytes that the spool occupies.", account_shown_used(account),
         METRICS_GAUGE},
        {"spillway_disk_outstanding_bytes", "Bytes leased to writers and not yet written.",
         account_shown_outstanding(account), METRICS_GAUGE},
        {"spillway_disk_limit_bytes", "max-disk-usage.", account->limit, METRICS_GAUGE},
        {"spillway_disk_free_bytes", "Bytes that could be granted now.", room, METRICS_GAUGE},
        {"spillway_disk_segments", "Segments in the spool.", account->files.segments, METRICS_GAUGE},
        {"spillway_disk_pressure", "0 ok, 1 high, 2 full.", guard->pressure.level, METRICS_GAUGE},
        {"spillway_disk_fs_free_bytes", "Free bytes of the file system.", fs.free_bytes, METRICS_GAUGE},
        {"spillway_disk_fs_free_inodes", "Free inodes of the file system.", fs.free_inodes, METRICS_GAUGE},
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
        {"spillway_disk_drift_bytes", "Growth without a lease that the last scan found.", guard->drift_bytes,
         METRICS_GAUGE},
        {"spillway_disk_drift_bytes_total", "Growth without a lease that scans found.", guard->drift_total,
         METRICS_COUNTER},
    };
    for (size_t i = 0; i < ARRAY_LEN(singles); i++)
        metrics_single(out, singles[i].name, singles[i].type, singles[i].help, singles[i].value);
    metrics_of_databases(&account->databases, out);
}
