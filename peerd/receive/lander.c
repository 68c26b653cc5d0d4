#include <errno.h>

#include "common/base/cond.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/spool/adopt.h"
#include "peerd/receive/lander_parts.h"

enum {
    HOUSE_MS = 500,
    WAIT_MAX_MS = 1000,
    RECOVER_MS = 5000,
    BLOCK_MAX = 128 << 20,
    HELPINGS_MAX = 4, /* rounds that a thread which submits carries out, before the lander's own is woken */
};

/* --- lists ------------------------------------------------------------------------------------------ */

static void append(struct landing_jobs *to, const struct landing_jobs *jobs)
{
    if (to->first)
        to->last->next = jobs->first;
    else
        *to = *jobs;
    if (jobs->first)
        to->last = jobs->last;
}

static struct landing_job *take(struct landing_jobs *jobs)
{
    struct landing_job *first = jobs->first;
    *jobs = (struct landing_jobs){0};
    return first;
}

/* With the lock, as the next. */
static struct landing_job *take_all(struct lander *lander)
{
    append(&lander->jobs, &lander->small);
    lander->small = (struct landing_jobs){0};
    return take(&lander->jobs);
}

static bool has_jobs(const struct lander *lander)
{
    return lander->jobs.first || lander->small.first;
}

/* --- recovery --------------------------------------------------------------------------------------- */

struct recovery {
    struct ledger *ledger;
    struct buf lines;
};

static int note_marker(void *arg, const struct marker *marker)
{
    struct recovery *recovery = arg;
    int rc = ledger_reserve(recovery->ledger, 1);
    if (rc == 0)
        rc = ledger_line(&recovery->lines, marker->id, marker->digest);
    if (rc == 0)
        ledger_add(recovery->ledger, marker->id, marker->digest);
    return rc;
}

int lander_recover(const struct landing_settings *settings, struct spool *spool, struct ledger *ledger,
                   uint64_t *segments, struct err *err)
{
    bool durable = settings->sync != SYNC_NEVER;
    struct recovery recovery = {.ledger = ledger};
    struct adopt_result result;
    int64_t grown;
    *segments = 0;
    buf_init(&recovery.lines, BLOCK_MAX);
    int rc = landings_read(spool, durable, note_marker, &recovery, err);
    if (rc == 0)
        rc = ledger_write(ledger, &recovery.lines, durable, &grown, err);
    buf_fini(&recovery.lines);
    if (rc)
        return rc;
    crash_point("land:after-recover");
    const struct adopt_options options = {
        .durable = durable, .guarded = settings->is_guarded, .takes_landings = true};
    rc = adopt_orphans(spool, &options, &result, err);
    if (rc)
        return rc;
    *segments = result.sealed;
    ledger_settle(ledger);
    return 0;
}

static void try_to_recover(struct lander *lander)
{
    struct err err;
    uint64_t segments;
    if (!mono_is_past(lander->recover_at))
        return;
    if (lander_recover(lander->settings, lander->spool, lander->ledger, &segments, &err) != 0) {
        log_error("cannot-recover", log_s("cause", err.text),
                  log_s("meaning", "which transfers are here is not known"), log_s("action", "tried again"));
        lander->recover_at = mono_after(RECOVER_MS);
        return;
    }
    lander->recovered += segments;
    lander->landings.is_recovery_due = false;
    lander->is_ready = true;
}

/* --- time ------------------------------------------------------------------------------------------- */

static void tend_lease(void *arg, struct received_database *database)
{
    int64_t keep = *(const int64_t *)arg;
    if (database->lease && mono_is_past(lease_due(database->lease, keep)))
        lease_tick(database->lease, keep);
}

static void keep_house(struct lander *lander)
{
    int64_t keep = landings_keep(&lander->landings);
    lander->house_at = mono_after(HOUSE_MS);
    lander->has_guard = !lander->guard || ctl_client_is_connected(lander->guard);
    received_each(lander->received, tend_lease, &keep);
    if (lander->settings->sync == SYNC_INTERVAL && mono_is_past(lander->sync_at)) {
        lander->sync_at = mono_after(SYNC_INTERVAL_MS);
        landings_sync(&lander->landings, true);
        landings_drop_failed(&lander->landings);
    }
}

static void tick(struct lander *lander)
{
    pthread_mutex_lock(&lander->lock);
    bool is_draining = lander->is_draining && !has_jobs(lander);
    pthread_mutex_unlock(&lander->lock);
    landings_tick(&lander->landings, is_draining);
    if (mono_is_past(lander->house_at))
        keep_house(lander);
    if (lander->landings.is_recovery_due)
        try_to_recover(lander);
    if (lander->has_hint)
        ctl_client_wake(lander->uploader);
    pthread_mutex_lock(&lander->lock);
    bool was_drained = lander->is_drained;
    lander->is_drained = is_draining && !has_jobs(lander) && lander->landings.count == 0;
    bool is_to_wake = lander->has_hint || lander->is_drained != was_drained;
    pthread_mutex_unlock(&lander->lock);
    lander->has_hint = false;
    lander->due = mono_earlier(landings_due(&lander->landings), lander->house_at);
    if (is_to_wake)
        lander->hooks->wake(lander->hooks->arg);
}

static void on_sealed(void *arg, const char *db, const struct writer *writer)
{
    struct lander *lander = arg;
    (void)db, (void)writer;
    lander->has_hint = true;
}

/* --- the thread ------------------------------------------------------------------------------------- */

static void wait_for_change(struct lander *lander)
{
    (void)cond_wait(&lander->changed, &lander->lock, mono_earlier(lander->due, mono_after(WAIT_MAX_MS)));
}

static void *work(void *arg)
{
    struct lander *lander = arg;
    for (;;) {
        pthread_mutex_lock(&lander->lock);
        if (!has_jobs(lander) && !lander->is_stopping && !lander->has_news)
            wait_for_change(lander);
        lander->has_news = false;
        bool is_stopping = lander->is_stopping;
        struct landing_job *jobs = is_stopping ? NULL : take_all(lander);
        pthread_mutex_unlock(&lander->lock);
        if (is_stopping)
            return NULL;
        pthread_mutex_lock(&lander->working);
        if (jobs)
            round_run(lander, jobs);
        tick(lander);
        pthread_mutex_unlock(&lander->working);
    }
}

static void set_flag(struct lander *lander, bool *flag)
{
    pthread_mutex_lock(&lander->lock);
    *flag = true;
    pthread_cond_signal(&lander->changed);
    pthread_mutex_unlock(&lander->lock);
}

/* --- jobs ------------------------------------------------------------------------------------------- */

static void turn_away(struct landing_job *jobs)
{
    for (struct landing_job *next, *job = jobs; job; job = next) {
        next = job->next;
        round_refuse(job, LAND_FAILED, "peerd is leaving: nothing was kept");
        job->done(job);
    }
}

/* `small`: the caller sees to them next (help). */
static void enqueue(struct lander *lander, const struct landing_jobs *jobs, const struct landing_jobs *small)
{
    pthread_mutex_lock(&lander->lock);
    bool is_stopping = lander->is_stopping, was_empty = !lander->jobs.first;
    if (!is_stopping) {
        append(&lander->jobs, jobs);
        append(&lander->small, small);
        if (jobs->first && was_empty)
            pthread_cond_signal(&lander->changed);
    }
    pthread_mutex_unlock(&lander->lock);
    if (!is_stopping)
        return;
    turn_away(jobs->first);
    turn_away(small->first);
}

static bool has_small(struct lander *lander)
{
    pthread_mutex_lock(&lander->lock);
    bool has_some = lander->small.first;
    pthread_mutex_unlock(&lander->lock);
    return has_some;
}

/* A round in this thread: with whatever small jobs there are. */
static void help_once(struct lander *lander)
{
    static const struct landing_jobs none;
    struct landing_jobs rest = {0};
    pthread_mutex_lock(&lander->lock);
    struct landing_job *jobs = take(&lander->small);
    pthread_mutex_unlock(&lander->lock);
    bool has_filled = round_help(lander, jobs, &rest);
    if (rest.first)
        enqueue(lander, &rest, &none);
    pthread_mutex_unlock(&lander->working);
    if (has_filled)
        set_flag(lander, &lander->has_news);
}

/* Whoever is at work looks for small jobs once more after it: so none is left behind where another's work
 * keeps us from it. */
static void help(struct lander *lander)
{
    for (unsigned i = 0; i < HELPINGS_MAX && has_small(lander); i++) {
        if (pthread_mutex_trylock(&lander->working) != 0)
            return;
        help_once(lander);
    }
    if (has_small(lander)) /* others bring them without end */
        set_flag(lander, &lander->has_news);
}

void lander_submit(struct lander *lander, const struct landing_jobs *jobs)
{
    struct landing_jobs large = {0}, small = {0};
    bool may_help = lander->settings->sync != SYNC_ALWAYS;
    for (struct landing_job *next, *job = jobs->first; job; job = next) {
        next = job->next;
        landing_jobs_add(may_help && job->kind == LAND_COMMIT && !job->own ? &small : &large, job);
    }
    enqueue(lander, &large, &small);
    if (small.first)
        help(lander);
}

void lander_drain(struct lander *lander)
{
    set_flag(lander, &lander->is_draining);
}

bool lander_is_drained(struct lander *lander)
{
    pthread_mutex_lock(&lander->lock);
    bool is_drained = lander->is_drained;
    pthread_mutex_unlock(&lander->lock);
    return is_drained;
}

bool lander_is_ready(struct lander *lander)
{
    return lander->is_ready;
}

bool lander_has_guard(struct lander *lander)
{
    return lander->has_guard;
}

struct lander_counts lander_counts(struct lander *lander)
{
    const struct landings *landings = &lander->landings;
    return (struct lander_counts){.rounds = total_of(&lander->rounds),
                                  .segments_sealed = total_of(&landings->segments_sealed),
                                  .segments_failed = total_of(&landings->segments_failed),
                                  .files_open = total_of(&landings->files_open),
                                  .segments_recovered = total_of(&lander->recovered)};
}

/* --- start and end ---------------------------------------------------------------------------------- */

static int start(struct lander *lander, struct err *err)
{
    int rc = landings_init(&lander->landings, lander->settings, lander->spool, lander->ledger, err);
    lander->landings.sealed = on_sealed;
    lander->landings.arg = lander;
    lander->landings.is_recovery_due = true;
    if (rc == 0 && lander->settings->is_guarded)
        rc = ctl_client_open(&lander->guard, lander->spool, "diskguard", err);
    if (rc == 0)
        rc = ctl_client_open(&lander->uploader, lander->spool, "uploader", err);
    if (rc)
        return rc;
    lander->has_guard = !lander->guard;
    try_to_recover(lander);
    rc = -pthread_create(&lander->thread, NULL, work, lander);
    lander->has_thread = rc == 0;
    return rc ? err_errno(err, rc, "the lander's thread") : 0;
}

int lander_new(struct lander **out, const struct landing_settings *settings, struct spool *spool,
               struct ledger *ledger, struct received *received, const struct lander_hooks *hooks,
               struct err *err)
{
    struct lander *lander = calloc(1, sizeof *lander);
    if (!lander)
        return err_set(err, -ENOMEM, "out of memory");
    lander->settings = settings;
    lander->spool = spool;
    lander->ledger = ledger;
    lander->received = received;
    lander->hooks = hooks;
    buf_init(&lander->block, BLOCK_MAX);
    pthread_mutex_init(&lander->working, NULL);
    pthread_mutex_init(&lander->lock, NULL);
    cond_init(&lander->changed);
    int rc = start(lander, err);
    if (rc) {
        lander_free(lander);
        return rc;
    }
    *out = lander;
    return 0;
}

void lander_stop(struct lander *lander)
{
    if (!lander->has_thread)
        return;
    set_flag(lander, &lander->is_stopping);
    pthread_join(lander->thread, NULL);
    lander->has_thread = false;
    pthread_mutex_lock(&lander->lock);
    struct landing_job *jobs = take_all(lander);
    pthread_mutex_unlock(&lander->lock);
    turn_away(jobs);
}

void lander_free(struct lander *lander)
{
    if (!lander)
        return;
    lander_stop(lander);
    landings_fini(&lander->landings);
    ctl_client_close(lander->guard);
    ctl_client_close(lander->uploader);
    buf_fini(&lander->block);
    pthread_cond_destroy(&lander->changed);
    pthread_mutex_destroy(&lander->lock);
    pthread_mutex_destroy(&lander->working);
    free(lander);
}
