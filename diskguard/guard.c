#include "diskguard/guard.h"

#include <errno.h>
#include <signal.h>

#include "common/base/log.h"
#include "common/base/units.h"
#include "common/control/lease_message.h"
#include "diskguard/process.h"

enum {
    SLICE_US = 4000,     /* of a scan, between two looks at the socket */
    DISTANCE_MS = 10,    /* from the beginning of a scan to that of the next, at least */
    DISTANCE_SPENT = 10, /* and this many times what the last one took */
    SOON_MS = 50,        /* next scan while somebody waits for room */
    ORPHAN_MS = 20,      /* look again whether a process whose connection ended has died */
    ORPHAN_LATELY_MS = 1000,
    STARTING_SCANS = 2,
};

int64_t guard_now_ms(void)
{
    return mono_now().ns / 1000000 + 1;
}

/* --- how much room ----------------------------------------------------------------------------------------
 */

static int64_t failover_room(const struct guard *guard)
{
    int64_t charge = 0;
    for (size_t i = 0; i < guard->account.databases.count; i++)
        if (guard->account.databases.list[i].is_in_failover)
            charge += database_charge(&guard->account.databases.list[i]);
    return guard->account.limit / 1000 * FAILOVER_SHARE_PERMILLE - charge;
}

static void narrow(struct room *room, int64_t bytes, enum reason reason)
{
    if (bytes < room->bytes)
        *room = (struct room){.bytes = bytes, .reason = reason};
}

struct room guard_room(const struct guard *guard, size_t db, struct fs_state *fs)
{
    const struct account *account = &guard->account;
    struct fs_state look;
    struct room room = {.bytes = account_room(account), .reason = REASON_BYTES};
    if (fs_look(guard->daemon->spool.fd, &guard->min_free, &look) == 0) {
        narrow(&room, look.free_bytes - look.floor_bytes - account->outstanding, REASON_FREE_SPACE);
        /* Each holder may be about to make a file. */
        if (look.free_inodes - look.floor_inodes <= (int64_t)account_holders(account))
            narrow(&room, 0, REASON_INODES);
    } else {
        look = (struct fs_state){0};
        narrow(&room, 0, REASON_FREE_SPACE);
    }
    if (account->files.segments >= account->max_segments)
        narrow(&room, 0, REASON_SEGMENTS);
    if (db && account->databases.list[db].is_in_failover)
        narrow(&room, failover_room(guard), REASON_FAILOVER);
    if (!guard->is_audited)
        narrow(&room, 0, REASON_BYTES);
    if (fs)
        *fs = look;
    return room;
}

void guard_update_pressure(struct guard *guard)
{
    const struct account *account = &guard->account;
    struct fs_state fs;
    (void)guard_room(guard, 0, &fs);
    int64_t used = account_shown_used(account), outstanding = account_shown_outstanding(account);
    int64_t fill[REASON_COUNT] = {
        [REASON_BYTES] = pressure_permille(used + outstanding, account->limit - account_reserve(account)),
        [REASON_SEGMENTS] = pressure_permille(account->files.segments, account->max_segments),
        [REASON_FREE_SPACE] =
            pressure_permille(fs.total_bytes - fs.free_bytes, fs.total_bytes - fs.floor_bytes),
        [REASON_INODES] =
            pressure_permille(fs.total_inodes - fs.free_inodes, fs.total_inodes - fs.floor_inodes),
    };
    const char *before = pressure_level_name(guard->pressure.level);
    if (!pressure_update(&guard->pressure, fill, guard_now_ms()))
        return;
    const char *level = pressure_level_name(guard->pressure.level);
    const char *reason = pressure_reason_name(guard->pressure.reason);
    log_emit(guard->pressure.level == PRESSURE_OK ? LEVEL_INFO : LEVEL_WARN, "pressure-changed",
             LOG_FIELDS(log_s("pressure", level), log_s("before", before), log_s("reason", reason),
                        log_n("used_bytes", used), log_n("outstanding_bytes", outstanding),
                        log_n("limit_bytes", account->limit), log_n("fs_free_bytes", fs.free_bytes)));
    daemon_publish(guard->daemon, "pressure-changed",
                   json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "pressure", level, "before", before, "reason",
                             reason, "used_bytes", (json_int_t)used, "outstanding_bytes",
                             (json_int_t)outstanding, "limit_bytes", (json_int_t)account->limit));
}

/* --- holders ----------------------------------------------------------------------------------------------
 */

static size_t number_of(const struct guard *guard, const struct holder *holder)
{
    return (size_t)(holder - guard->account.holders);
}

/* Bring its slot up to date; there is room for it whenever it holds anything that was granted. */
void guard_save(struct guard *guard, size_t number)
{
    const struct holder *holder = &guard->account.holders[number];
    struct slot slot = {0};
    if (holder->is_used && holder->outstanding > 0) {
        slot = (struct slot){.pid = holder->pid,
                             .start = holder->start,
                             .lease = holder->lease,
                             .seq = holder->seq,
                             .outstanding = holder->outstanding};
        snprintf(slot.folder, sizeof slot.folder, "%s", guard->account.databases.list[holder->db].folder);
    }
    slots_write(&guard->slots, number, &slot);
}

static void end_holder(struct guard *guard, struct holder *holder)
{
    size_t number = number_of(guard, holder);
    guard->wants_scan = true;
    account_end(&guard->account, holder);
    guard_save(guard, number);
}

/* A connection that ended by itself says nothing of what the process still writes: what it holds stays
 * promised to it until it is back, or dead. */
static void drop_connection(struct guard *guard, struct holder *holder)
{
    holder->connection = 0;
    holder->waiting_since_ms = 0;
    guard->orphans_until_ms = guard_now_ms() + ORPHAN_LATELY_MS;
    if (holder->outstanding == 0 || !process_is_alive(holder->pid, holder->start))
        end_holder(guard, holder);
}

void guard_gone(void *state, uint32_t connection)
{
    struct guard *guard = state;
    for (size_t i = 0; i < guard->account.holders_end; i++) {
        struct holder *holder = &guard->account.holders[i];
        if (holder->is_used && holder->connection == connection)
            drop_connection(guard, holder);
    }
}

/* Returns whether there are any left. */
static bool look_after_orphans(struct guard *guard)
{
    bool has_some = false;
    for (size_t i = 0; i < guard->account.holders_end; i++) {
        struct holder *holder = &guard->account.holders[i];
        if (!holder->is_used)
            continue;
        if (holder->connection) {
            /* The skeleton's list of ended connections is finite. */
            if (kill((pid_t)holder->pid, 0) != 0 && errno == ESRCH)
                end_holder(guard, holder);
        } else if (process_is_alive(holder->pid, holder->start)) {
            has_some = true;
        } else {
            end_holder(guard, holder);
        }
    }
    return has_some;
}

static int restore_slot(struct guard *guard, size_t number)
{
    const struct slot *slot = slots_at(&guard->slots, number);
    static const struct slot none = {0};
    if (!slot)
        return 0;
    if (slot->outstanding <= 0 || slot->outstanding > LEASE_BYTES_MAX || number >= HOLDERS_MAX ||
        !process_is_alive(slot->pid, slot->start)) {
        slots_write(&guard->slots, number, &none); /* what it wrote is there for the first scan to see */
        return 0;
    }
    struct holder holder = {.pid = slot->pid,
                            .start = slot->start,
                            .lease = slot->lease,
                            .seq = slot->seq,
                            .outstanding = slot->outstanding};
    char folder[SPOOL_NAME_BYTES];
    snprintf(folder, sizeof folder, "%.*s", (int)sizeof folder - 1, slot->folder);
    int rc = databases_index(&guard->account.databases, folder, &holder.db);
    if (rc)
        return rc;
    account_restore(&guard->account, number, &holder);
    log_info("lease-kept", log_n("holder", holder.pid), log_s("db", folder),
             log_n("bytes", holder.outstanding));
    return 0;
}

/* --- scans ------------------------------------------------------------------------------------------------
 */

static void warn_of_drift(const struct guard *guard, size_t db, enum area area, int64_t drift)
{
    const struct database *database = &guard->account.databases.list[db];
    char pids[128] = "";
    size_t len = 0;
    for (size_t i = 0; i < guard->account.holders_end && len < sizeof pids - 24; i++) {
        const struct holder *holder = &guard->account.holders[i];
        if (holder->is_used && holder->db == db)
            len += (size_t)snprintf(pids + len, sizeof pids - len, "%s%lld", len ? "," : "",
                                    (long long)holder->pid);
    }
    log_warn("drift", log_s("queue", area_name(area)), log_s("db", database->folder), log_n("bytes", drift),
             log_s("holders", pids),
             log_s("cause", "the spool grew by more than its writers had leased: something writes "
                            "without a lease, or a writer said it wrote less than it did"));
}

/* Before the account is brought up to date. The first scan has nothing to be compared with. */
static void find_drift(struct guard *guard)
{
    guard->drift_bytes = 0;
    for (size_t i = 0; guard->is_audited && i < guard->account.databases.count; i++) {
        enum area area;
        int64_t drift = account_drift(&guard->account, i, &area);
        guard->drift_bytes += drift;
        if (drift > guard->account.limit / 100)
            warn_of_drift(guard, i, area, drift);
    }
    guard->drift_total += guard->drift_bytes;
}

static void end_scan(struct guard *guard)
{
    int64_t freed;
    find_drift(guard);
    struct files_dirs dirs = scan_dirs(guard->scan);
    account_scan_end(&guard->account, &dirs, &freed);
    guard->freed_total += freed;
    guard->is_scanning = false;
    guard->scans++;
    forecast_sample(&guard->forecast, &guard->account.databases, account_used(&guard->account),
                    guard_now_ms());
}

static void begin_scan(struct guard *guard)
{
    guard->scan_began_ms = guard_now_ms();
    guard->is_scanning = true;
    guard->wants_scan = false;
    account_scan_begin(&guard->account);
    scan_begin(guard->scan);
}

static bool has_waiting(const struct guard *guard)
{
    for (size_t i = 0; i < guard->account.holders_end; i++)
        if (guard->account.holders[i].is_used && guard->account.holders[i].waiting_since_ms)
            return true;
    return false;
}

/* When the next scan may begin at the earliest: they take a tenth of a processor at most. */
static int64_t earliest_ms(const struct guard *guard)
{
    int64_t distance_ms = scan_figures(guard->scan).spent_us * DISTANCE_SPENT / 1000;
    return guard->scan_began_ms + (distance_ms > DISTANCE_MS ? distance_ms : DISTANCE_MS);
}

static int64_t when_next(const struct guard *guard)
{
    const struct account *account = &guard->account;
    int64_t due_ms = guard->scan_began_ms + guard->interval_ms, soon_ms = earliest_ms(guard);
    bool is_unsure = account->files.missed_bytes > 0;
    for (size_t i = 0; i < account->databases.count && !is_unsure; i++)
        is_unsure = account->databases.list[i].settled_missed > 0;
    if (has_waiting(guard) || is_unsure)
        soon_ms = soon_ms > guard->scan_began_ms + SOON_MS ? soon_ms : guard->scan_began_ms + SOON_MS;
    else if (!guard->wants_scan)
        return due_ms;
    return soon_ms < due_ms ? soon_ms : due_ms;
}

/* A slice of the scan that goes on. */
static void go_on(struct guard *guard)
{
    struct err err;
    switch (scan_run(guard->scan, SLICE_US, &err)) {
    case SCAN_GOING:
        return;
    case SCAN_FAILED:
        guard->is_scanning = false;
        guard->scans_failed++;
        log_warn("scan-failed", log_s("cause", err.text));
        break;
    case SCAN_DONE:
        end_scan(guard);
        guard->is_audited = true;
        break;
    }
    guard_update_pressure(guard);
}

int64_t guard_step(void *state)
{
    struct guard *guard = state;
    int64_t now_ms = guard_now_ms();
    if (now_ms < guard->step_due_ms)
        guard->wants_scan = true;
    bool has_orphans = look_after_orphans(guard);
    guard->scan_due_ms = when_next(guard);
    if (!guard->is_scanning && now_ms >= guard->scan_due_ms)
        begin_scan(guard);
    if (guard->is_scanning)
        go_on(guard);
    guard->scan_due_ms = guard->is_scanning ? 0 : when_next(guard);
    int64_t due_ms = guard->scan_due_ms;
    if (has_orphans || guard->orphans_until_ms > now_ms) {
        int64_t look_ms = now_ms + (guard->orphans_until_ms > now_ms ? ORPHAN_MS : ORPHAN_LATELY_MS);
        due_ms = look_ms < due_ms ? look_ms : due_ms;
    }
    guard->step_due_ms = due_ms;
    int64_t left_ms = due_ms - guard_now_ms();
    return left_ms > 0 ? left_ms : 0;
}

/* --- start and end ----------------------------------------------------------------------------------------
 */

int guard_check(const struct conf *conf, struct err *err)
{
    struct min_free min_free;
    if (conf_number(conf, CONF_MAX_DISK_USAGE) <= 0)
        return err_set(err, -EINVAL,
                       "max-disk-usage = 0: nothing could ever be written: give the bytes that the spool may occupy, as 20G");
    return min_free_parse(conf_text(conf, CONF_MIN_FREE), &min_free, err);
}

static int read_limits(struct guard *guard, struct err *err)
{
    const struct conf *conf = guard->daemon->conf;
    int rc = min_free_parse(conf_text(conf, CONF_MIN_FREE), &guard->min_free, err);
    if (rc)
        return rc;
    guard->interval_ms = conf_number(conf, CONF_SCAN_INTERVAL);
    rc = account_init(&guard->account, conf_number(conf, CONF_MAX_DISK_USAGE), conf_number(conf, CONF_MAX_SEGMENT_COUNT));
    return rc ? err_set(err, rc, "out of memory") : 0;
}

/* Twice: what moved behind the first is seen by the second. */
static void first_scans(struct guard *guard)
{
    for (int i = 0; i < STARTING_SCANS; i++) {
        struct err err;
        begin_scan(guard);
        if (scan_run(guard->scan, INT64_MAX, &err) == SCAN_DONE) {
            end_scan(guard);
        } else {
            guard->is_scanning = false;
            guard->scans_failed++;
            log_warn("scan-failed", log_s("cause", err.text));
        }
    }
    guard->is_audited = guard->scans == STARTING_SCANS;
}

static void say_what_is_odd(const struct guard *guard)
{
    const struct account *account = &guard->account;
    struct fs_state fs;
    if (fs_look(guard->daemon->spool.fd, &guard->min_free, &fs) == 0 &&
        account->limit > fs.total_bytes - fs.floor_bytes)
        log_warn("limit-beyond-file-system", log_n("limit_bytes", account->limit),
                 log_n("file_system_bytes", fs.total_bytes), log_n("min_free_bytes", fs.floor_bytes),
                 log_s("cause", "min-free will hold before max-disk-usage does"));
    if (account_room(account) <= 0)
        log_warn("over-limit", log_n("used_bytes", account->files.bytes),
                 log_n("limit_bytes", account->limit), log_n("reserve_bytes", account_reserve(account)),
                 log_s("cause", "no lease is granted until the spool is drained, or max-disk-usage raised"));
}

int guard_init(struct daemon *daemon, void **state, struct err *err)
{
    struct guard *guard = calloc(1, sizeof *guard);
    if (!guard)
        return err_set(err, -ENOMEM, "out of memory");
    guard->daemon = daemon;
    guard->slots.fd = -1;
    *state = guard;
    bool is_anew = false;
    int rc = read_limits(guard, err);
    if (rc == 0)
        rc = slots_open(&guard->slots, &daemon->spool, &is_anew, err);
    if (rc == 0 && (rc = scan_new(&guard->scan, &daemon->spool, &guard->account.files)) != 0)
        err_set(err, rc, "out of memory");
    for (size_t i = 0; rc == 0 && i < guard->slots.count; i++)
        if ((rc = restore_slot(guard, i)) != 0)
            err_set(err, rc, "out of memory");
    if (rc)
        return rc;
    if (is_anew)
        log_info("leases-anew", log_s("cause", "state/leases is of another boot or version"));
    first_scans(guard);
    guard->scan_due_ms = guard->step_due_ms = 0;
    say_what_is_odd(guard);
    guard_update_pressure(guard);
    const struct scan_figures figures = scan_figures(guard->scan);
    log_info("audited", log_n("used_bytes", guard->account.files.bytes),
             log_n("limit_bytes", guard->account.limit), log_n("segments", guard->account.files.segments),
             log_n("entries", figures.entries));
    return 0;
}

void guard_fini(void *state)
{
    struct guard *guard = state;
    scan_free(guard->scan);
    slots_close(&guard->slots);
    account_fini(&guard->account);
    free(guard);
}
