#include "diskguard/room.h"

#include "common/base/log.h"
#include "common/base/units.h"
#include "common/segment/name.h"

enum {
    PROBE_MS = 1000,
    FORECASTS_TOLD = 16,
    SMALLEST_BYTES = 64 << 10, /* with less, no segment can be begun */
};

/* --- what there is ---------------------------------------------------------------------------------- */

int64_t room_of_failover(const struct guard *guard)
{
    const struct account *account = &guard->account;
    int64_t charge = 0;
    for (size_t i = 0; i < account->databases.count; i++)
        if (account->databases.list[i].is_in_failover)
            charge += database_charge(&account->databases.list[i]);
    return part_of(&guard->failover_share, account->limit) - charge;
}

static void narrow_bytes(struct room *room, int64_t bytes, enum reason reason)
{
    if (bytes >= room->amount.bytes)
        return;
    room->amount.bytes = bytes;
    room->bytes_reason = reason;
}

static void narrow_files(struct room *room, int64_t files, enum reason reason)
{
    if (files >= room->amount.files)
        return;
    room->amount.files = files;
    room->files_reason = reason;
}

static void close_room(struct room *room, enum reason reason)
{
    narrow_bytes(room, 0, reason);
    narrow_files(room, 0, reason);
}

struct room room_look(const struct guard *guard, size_t db)
{
    const struct account *account = &guard->account;
    struct room room = {
        .amount = account_room(account), .bytes_reason = REASON_BYTES, .files_reason = REASON_SEGMENTS};
    struct fs_state *fs = &room.fs;
    if (fs_look(guard->daemon->spool.fd, &guard->min_free, fs) == 0) {
        narrow_bytes(&room, fs->free_bytes - fs->floor_bytes - account->outstanding.bytes, REASON_FREE_SPACE);
        int64_t inodes = fs->free_inodes - fs->floor_inodes - account->outstanding.files;
        narrow_files(&room, inodes, REASON_INODES);
        if (inodes <= 0) /* folders and .why files take inodes too */
            narrow_bytes(&room, 0, REASON_INODES);
    } else {
        *fs = (struct fs_state){0};
        close_room(&room, REASON_UNWRITABLE);
    }
    if (guard->probe_rc)
        close_room(&room, REASON_UNWRITABLE);
    if (db && account->databases.list[db].is_in_failover)
        narrow_bytes(&room, room_of_failover(guard), REASON_FAILOVER);
    if (!guard->is_audited)
        close_room(&room, REASON_UNREAD);
    return room;
}

int64_t room_full_in_ms(const struct guard *guard, const struct room *room, size_t db)
{
    const struct forecast *forecast = &guard->forecast;
    if (!db)
        return forecast_earlier(forecast_full_in_ms(forecast->bytes_rate, room->amount.bytes),
                                forecast_files_full_in_ms(forecast->files_rate, room->amount.files));
    const struct database *database = &guard->account.databases.list[db];
    int64_t bytes = room->amount.bytes;
    if (database->is_in_failover && room_of_failover(guard) < bytes)
        bytes = room_of_failover(guard);
    /* One that does not grow fills nothing, even when there is nothing left. */
    return forecast_full_in_ms((double)database->rate, bytes > 1 ? bytes : 1);
}

/* --- pressure --------------------------------------------------------------------------------------- */

static void fill_of(const struct guard *guard, const struct room *room, int64_t fill[static REASON_COUNT])
{
    const struct account *account = &guard->account;
    const struct fs_state *fs = &room->fs;
    const struct shown shown = account_shown(account);
    memset(fill, 0, REASON_COUNT * sizeof *fill);
    fill[REASON_BYTES] =
        pressure_permille(shown.used + shown.outstanding, account->limit - account_reserve(account));
    fill[REASON_SEGMENTS] =
        pressure_permille(account->files.segments + account->settled.files, account->max_segments);
    fill[REASON_FREE_SPACE] =
        pressure_permille(fs->total_bytes - fs->free_bytes, fs->total_bytes - fs->floor_bytes);
    fill[REASON_INODES] =
        pressure_permille(fs->total_inodes - fs->free_inodes, fs->total_inodes - fs->floor_inodes);
    if (room->amount.bytes < SMALLEST_BYTES && fill[room->bytes_reason] < FULL_AT)
        fill[room->bytes_reason] = FULL_AT;
    fill[REASON_UNWRITABLE] = guard->probe_rc ? FULL_AT : 0;
    fill[REASON_UNREAD] = guard->is_audited ? 0 : FULL_AT;
}

/* Of each database that fills what it may have at its rate. */
static json_t *forecasts(const struct guard *guard, const struct room *room)
{
    json_t *out = json_array();
    const struct databases *databases = &guard->account.databases;
    for (size_t i = 1; i < databases->count && json_array_size(out) < FORECASTS_TOLD; i++) {
        const struct database *database = &databases->list[i];
        int64_t ms = room_full_in_ms(guard, room, i);
        char decoded[SPOOL_NAME_BYTES];
        const char *folder = database->folder;
        bool is_name = name_decode(folder, strlen(folder), decoded, sizeof decoded) == NAME_OK;
        if (ms >= 0)
            json_array_append_new(out, json_pack("{s:s, s:I, s:I}", "db", is_name ? decoded : folder, "rate",
                                                 (json_int_t)database->rate, "full_in_ms", (json_int_t)ms));
    }
    return out;
}

static void tell(struct guard *guard, const struct room *room, const char *before)
{
    const struct account *account = &guard->account;
    const struct shown shown = account_shown(account);
    const char *level = pressure_level_name(guard->pressure.level);
    const char *reason = pressure_reason_name(guard->pressure.reason);
    int64_t full_in_ms = room_full_in_ms(guard, room, 0);
    log_emit(guard->pressure.level == PRESSURE_OK ? LEVEL_INFO : LEVEL_WARN, "pressure-changed",
             LOG_FIELDS(log_s("pressure", level), log_s("before", before), log_s("reason", reason),
                        log_n("used_bytes", shown.used), log_n("outstanding_bytes", shown.outstanding),
                        log_n("limit_bytes", account->limit), log_n("segments", account->files.segments),
                        log_n("fs_free_bytes", room->fs.free_bytes)));
    daemon_publish(guard->daemon, "pressure-changed",
                   json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:o, s:o}", "pressure", level,
                             "before", before, "reason", reason, "ready", room_is_ready(guard), "used_bytes",
                             (json_int_t)shown.used, "outstanding_bytes", (json_int_t)shown.outstanding,
                             "limit_bytes", (json_int_t)account->limit, "segments",
                             (json_int_t)account->files.segments, "full_in_ms",
                             full_in_ms < 0 ? json_null() : json_integer(full_in_ms), "databases",
                             forecasts(guard, room)));
}

void room_update_pressure(struct guard *guard)
{
    const struct room room = room_look(guard, 0);
    int64_t fill[REASON_COUNT];
    fill_of(guard, &room, fill);
    const char *before = pressure_level_name(guard->pressure.level);
    if (pressure_update(&guard->pressure, fill, guard_now_ms()))
        tell(guard, &room, before);
}

/* --- readiness -------------------------------------------------------------------------------------- */

void room_probe(struct guard *guard)
{
    int64_t now_ms = guard_now_ms();
    if (guard->probed_ms && now_ms - guard->probed_ms < PROBE_MS)
        return;
    int before = guard->probe_rc;
    guard->probed_ms = now_ms;
    guard->probe_rc = probe_write(&guard->daemon->spool, &guard->probe_err);
    if (guard->probe_rc == before)
        return;
    if (guard->probe_rc)
        log_warn("unwritable", log_s("cause", guard->probe_err.text),
                 log_s("action", "no lease is granted; tried again every second"));
    else
        log_info("writable-again", log_s("spool", guard->daemon->spool.path));
    room_update_pressure(guard);
}

bool room_is_ready(const struct guard *guard)
{
    return guard->is_audited && !guard->probe_rc && guard->pressure.level != PRESSURE_FULL;
}
