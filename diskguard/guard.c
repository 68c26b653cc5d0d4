#include "diskguard/guard.h"

#include <errno.h>

#include "common/base/log.h"
#include "diskguard/holders.h"
#include "diskguard/room.h"

enum {
    SLICE_US = 4000,     /* of a scan, between two looks at the socket */
    DISTANCE_MS = 10,    /* from the beginning of a scan to that of the next, at least */
    DISTANCE_SPENT = 10, /* and this many times what the last one took */
    SOON_MS = 50,        /* next scan while somebody waits for room */
    ORPHAN_MS = 20,      /* look again whether a process whose connection ended has died */
    ORPHAN_CALM_MS = 1000,
    STARTING_SCANS = 2,
};

int64_t guard_now_ms(void)
{
    return mono_now().ns / 1000000 + 1;
}

/* --- scans ------------------------------------------------------------------------------------------ */

static void end_scan(struct guard *guard)
{
    int64_t freed;
    if (guard->is_audited) /* the first has nothing to be compared with */
        drift_find(&guard->drift, &guard->account, guard->scans);
    struct files_dirs dirs = scan_dirs(guard->scan);
    account_scan_end(&guard->account, &dirs, &freed);
    guard->freed_total += freed;
    guard->is_scanning = false;
    guard->scans++;
    const struct account *account = &guard->account;
    const struct amount used = {.bytes = account_used(account),
                                .files = account->files.segments + account->settled.files};
    forecast_sample(&guard->forecast, &guard->account.databases, used, guard_now_ms());
}

static void begin_scan(struct guard *guard)
{
    guard->scan_began_ms = guard_now_ms();
    guard->is_scanning = true;
    guard->wants_scan = false;
    account_scan_begin(&guard->account);
    scan_begin(guard->scan, guard->scan_began_ms);
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
        is_unsure = account->databases.list[i].bytes_due.missed > 0;
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
    room_update_pressure(guard);
}

int64_t guard_step(void *state)
{
    struct guard *guard = state;
    int64_t now_ms = guard_now_ms();
    if (now_ms < guard->step_due_ms)
        guard->wants_scan = true;
    room_probe(guard);
    bool has_orphans = holders_look_after_orphans(guard);
    guard->scan_due_ms = when_next(guard);
    if (!guard->is_scanning && now_ms >= guard->scan_due_ms)
        begin_scan(guard);
    if (guard->is_scanning)
        go_on(guard);
    guard->scan_due_ms = guard->is_scanning ? 0 : when_next(guard);
    int64_t due_ms = guard->scan_due_ms;
    if (has_orphans || guard->orphans_until_ms > now_ms) {
        int64_t look_ms = now_ms + (guard->orphans_until_ms > now_ms ? ORPHAN_MS : ORPHAN_CALM_MS);
        due_ms = look_ms < due_ms ? look_ms : due_ms;
    }
    guard->step_due_ms = due_ms;
    int64_t left_ms = due_ms - guard_now_ms();
    return left_ms > 0 ? left_ms : 0;
}

/* --- start and end ---------------------------------------------------------------------------------- */

int guard_check(const struct conf *conf, struct err *err)
{
    struct part min_free, failover_share;
    if (conf_number(conf, CONF_MAX_DISK_USAGE) <= 0)
        return err_set(
            err, -EINVAL,
            "max-disk-usage = 0: nothing could ever be written: give the bytes that the spool may occupy, as 20G");
    int rc = min_free_parse(conf_text(conf, CONF_MIN_FREE), &min_free, err);
    return rc ? rc : failover_share_parse(conf_text(conf, CONF_FAILOVER_SHARE), &failover_share, err);
}

static int read_limits(struct guard *guard, struct err *err)
{
    const struct conf *conf = guard->daemon->conf;
    int rc = min_free_parse(conf_text(conf, CONF_MIN_FREE), &guard->min_free, err);
    if (rc == 0)
        rc = failover_share_parse(conf_text(conf, CONF_FAILOVER_SHARE), &guard->failover_share, err);
    if (rc)
        return rc;
    guard->interval_ms = conf_number(conf, CONF_SCAN_INTERVAL);
    rc = account_init(&guard->account, conf_number(conf, CONF_MAX_DISK_USAGE),
                      conf_number(conf, CONF_MAX_SEGMENT_COUNT));
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
    if (account_room(account).bytes <= 0)
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
    if (rc == 0 && (rc = holders_restore(guard)) != 0)
        err_set(err, rc, "out of memory");
    if (rc)
        return rc;
    if (is_anew)
        log_info("leases-anew", log_s("cause", "state/leases is of another boot or version"));
    first_scans(guard);
    guard->scan_due_ms = guard->step_due_ms = 0;
    say_what_is_odd(guard);
    room_probe(guard);
    room_update_pressure(guard);
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
