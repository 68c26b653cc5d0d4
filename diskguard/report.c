#include "diskguard/report.h"

#include "common/base/units.h"
#include "common/segment/name.h"
#include "diskguard/room.h"

static void set_number(json_t *out, const char *key, int64_t value)
{
    json_object_set_new(out, key, json_integer(value));
}

const char *report_name(const struct database *database, char name[static SPOOL_NAME_BYTES])
{
    const char *folder = database->folder;
    return name_decode(folder, strlen(folder), name, SPOOL_NAME_BYTES) == NAME_OK ? name : folder;
}

static int64_t at_least_0(int64_t value)
{
    return value > 0 ? value : 0;
}

static json_t *full_in(int64_t ms)
{
    return ms < 0 ? json_null() : json_integer(ms);
}

/* For people; NULL when it is not in sight. */
static json_t *forecast_text(int64_t ms)
{
    char time[UNITS_TEXT_BYTES];
    if (ms < 0)
        return json_null();
    if (ms == 0)
        return json_string("full");
    return json_sprintf("at the current rate, full in %s", units_format_time(ms, time));
}

static json_t *status_of_database(const struct guard *guard, const struct room *room, size_t db)
{
    const struct database *database = &guard->account.databases.list[db];
    char name[SPOOL_NAME_BYTES];
    json_t *out = json_object(), *queues = json_object();
    int64_t full_in_ms = db ? room_full_in_ms(guard, room, db) : -1, segments = 0;
    for (size_t i = 0; i < AREA_COUNT; i++) {
        segments += database->segments[i];
        if (database->bytes[i])
            set_number(queues, area_name((enum area)i), database->bytes[i]);
    }
    json_object_set_new(out, "db", json_string(report_name(database, name)));
    set_number(out, "bytes", database_seen(database));
    set_number(out, "outstanding_bytes", database->bytes_due.outstanding);
    set_number(out, "settled_bytes", ledger_settled(&database->bytes_due));
    set_number(out, "segments", segments);
    set_number(out, "rate", database->rate);
    json_object_set_new(out, "full_in_ms", full_in(full_in_ms));
    json_object_set_new(out, "forecast", forecast_text(full_in_ms));
    json_object_set_new(out, "failover", json_boolean(database->is_in_failover));
    json_object_set_new(out, "queues", queues);
    return out;
}

static json_t *status_of_databases(const struct guard *guard, const struct room *room)
{
    const struct databases *databases = &guard->account.databases;
    json_t *out = json_array();
    for (size_t i = 0; i < databases->count; i++)
        if (i == 0 || database_charge(&databases->list[i]) > 0)
            json_array_append_new(out, status_of_database(guard, room, i));
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
        json_array_append_new(out, json_pack("{s:I, s:I, s:s, s:I, s:I, s:b, s:b}", "pid",
                                             (json_int_t)holder->pid, "lease", (json_int_t)holder->lease,
                                             "db", report_name(&account->databases.list[holder->db], name),
                                             "outstanding_bytes", (json_int_t)holder->outstanding.bytes,
                                             "outstanding_files", (json_int_t)holder->outstanding.files,
                                             "connected", holder->connection != 0, "waiting",
                                             holder->waiting_since_ms != 0));
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
    set_number(out, "drift_bytes", guard->drift.bytes);
}

static json_t *last_drift(const struct guard *guard)
{
    const struct drift_finding *last = &guard->drift.last;
    char name[SPOOL_NAME_BYTES], time[WALL_TEXT_BYTES];
    if (!last->bytes)
        return json_null();
    json_t *clients = json_array();
    for (size_t i = 0; i < last->client_count; i++)
        json_array_append_new(clients, json_integer(last->clients[i]));
    wall_format(last->wall_ms, time);
    return json_pack("{s:s, s:s, s:s, s:I, s:o}", "time", time, "db",
                     report_name(&guard->account.databases.list[last->db], name), "queue",
                     area_name(last->area), "bytes", (json_int_t)last->bytes, "clients", clients);
}

static void status_of_readiness(const struct guard *guard, json_t *out)
{
    bool is_ready = room_is_ready(guard);
    json_t *reasons = json_array();
    if (!guard->is_audited)
        json_array_append_new(reasons, json_string(pressure_reason_name(REASON_UNREAD)));
    if (guard->probe_rc)
        json_array_append_new(reasons, json_string(pressure_reason_name(REASON_UNWRITABLE)));
    if (guard->pressure.level == PRESSURE_FULL && guard->pressure.reason != REASON_UNREAD &&
        guard->pressure.reason != REASON_UNWRITABLE)
        json_array_append_new(reasons, json_string(pressure_reason_name(guard->pressure.reason)));
    json_object_set_new(out, "ready", json_boolean(is_ready));
    json_object_set_new(out, "not_ready", reasons);
    json_object_set_new(out, "write_error",
                        guard->probe_rc ? json_string(guard->probe_err.text) : json_null());
}

void report_status(void *state, json_t *out)
{
    const struct guard *guard = state;
    const struct account *account = &guard->account;
    const struct room room = room_look(guard, 0);
    const struct shown shown = account_shown(account);
    int64_t full_in_ms = room_full_in_ms(guard, &room, 0);
    status_of_readiness(guard, out);
    set_number(out, "used_bytes", shown.used);
    set_number(out, "outstanding_bytes", shown.outstanding);
    set_number(out, "counted_twice_bytes", shown.counted_twice);
    set_number(out, "reserve_bytes", account_reserve(account));
    set_number(out, "limit_bytes", account->limit);
    set_number(out, "free_bytes", at_least_0(room.amount.bytes));
    set_number(out, "seen_bytes", account->files.bytes);
    set_number(out, "settled_bytes", account->settled.bytes);
    set_number(out, "leased_bytes", account->outstanding.bytes);
    set_number(out, "files", (int64_t)account->files.count);
    set_number(out, "segments", account->files.segments + account->settled.files);
    set_number(out, "outstanding_segments", account->outstanding.files);
    set_number(out, "free_segments", at_least_0(room.amount.files));
    set_number(out, "max_segments", account->max_segments);
    set_number(out, "failover_share_bytes", part_of(&guard->failover_share, account->limit));
    json_object_set_new(out, "pressure", json_string(pressure_level_name(guard->pressure.level)));
    json_object_set_new(out, "reason", json_string(pressure_reason_name(guard->pressure.reason)));
    set_number(out, "rate", (int64_t)guard->forecast.bytes_rate);
    json_object_set_new(out, "full_in_ms", full_in(full_in_ms));
    json_object_set_new(out, "forecast", forecast_text(full_in_ms));
    set_number(out, "fs_free_bytes", room.fs.free_bytes);
    set_number(out, "fs_floor_bytes", room.fs.floor_bytes);
    set_number(out, "fs_free_inodes", room.fs.free_inodes);
    set_number(out, "fs_floor_inodes", room.fs.floor_inodes);
    status_of_scans(guard, out);
    json_object_set_new(out, "last_drift", last_drift(guard));
    json_object_set_new(out, "databases", status_of_databases(guard, &room));
    json_object_set_new(out, "holders", status_of_holders(account));
}
