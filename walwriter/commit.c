#include "walwriter/commit.h"

#include <errno.h>

#include "common/base/cond.h"
#include "common/base/log.h"
#include "common/segment/name.h"
#include "common/spool/adopt.h"
#include "common/spool/lock.h"
#include "walwriter/commit_parts.h"

enum {
    HOUSEKEEPING_MS = 500,
    ADOPT_MS = 10000,
    WAIT_MAX_MS = 1000,
};

/* --- adoption --------------------------------------------------------------------------------------- */

struct own {
    uint64_t *ids;
    size_t count;
};

static int compare_id(const void *key, const void *element)
{
    const uint64_t *a = key, *b = element;
    return (*a > *b) - (*a < *b);
}

static bool is_own(void *arg, const char *db_folder, const char *file)
{
    const struct own *own = arg;
    struct segment_name name;
    char copy[SPOOL_NAME_BYTES];
    (void)db_folder;
    const char *end = strstr(file, ".gz");
    if (!end)
        return false;
    snprintf(copy, sizeof copy, "%.*s.gz", (int)(end - file), file);
    return segment_name_parse(copy, &name) == NAME_OK &&
           bsearch(&name.id, own->ids, own->count, sizeof *own->ids, compare_id);
}

static int adopt(struct commit *commit, struct err *err)
{
    struct own own = {0};
    struct adopt_result result;
    int rc = slots_ids(&commit->slots, &own.ids, &own.count);
    if (rc)
        return err_set(err, rc, "out of memory");
    const struct adopt_options options = {.durable = commit->settings->sync != SYNC_NEVER,
                                          .guarded = commit->settings->is_guarded,
                                          .is_owner = true,
                                          .is_own = is_own,
                                          .arg = &own};
    rc = adopt_orphans(commit->spool, &options, &result, err);
    free(own.ids);
    if (rc == 0 && result.sealed > 0)
        hints_give(&commit->slots.hints);
    return rc;
}

/* --- time ------------------------------------------------------------------------------------------- */

static void keep_house(struct commit *commit)
{
    struct err err;
    commit->housekeeping_at = mono_after(HOUSEKEEPING_MS);
    atomic_store(&commit->has_guard, !commit->guard || ctl_client_is_connected(commit->guard));
    round_probe(commit);
    slots_tend_leases(&commit->slots);
    registry_sweep(commit->registry);
    if (!mono_is_past(commit->adopt_at))
        return;
    commit->adopt_at = mono_after(ADOPT_MS);
    if (adopt(commit, &err) != 0)
        log_warn("not-adopted", log_s("cause", err.text));
}

static void tick(struct commit *commit)
{
    pthread_mutex_lock(&commit->lock);
    bool wants_seal = commit->wants_seal || (commit->is_draining && !commit->first);
    commit->wants_seal = false;
    pthread_mutex_unlock(&commit->lock);
    if (wants_seal)
        slots_close_all(&commit->slots, NULL, 0);
    slots_tick(&commit->slots);
    if (mono_is_past(commit->housekeeping_at))
        keep_house(commit);
    slots_bury(&commit->slots);
    bool is_settled = slots_is_settled(&commit->slots);
    pthread_mutex_lock(&commit->lock);
    bool was_drained = commit->is_drained;
    commit->is_drained = commit->is_draining && !commit->first && is_settled;
    bool is_to_wake = commit->is_drained != was_drained || commit->notice_count > 0;
    pthread_mutex_unlock(&commit->lock);
    if (is_to_wake)
        commit->wake(commit->wake_arg);
}

/* --- the thread ------------------------------------------------------------------------------------- */

static void wait_for_change(struct commit *commit)
{
    struct mono due = mono_earlier(slots_due(&commit->slots), commit->housekeeping_at);
    (void)cond_wait(&commit->changed, &commit->lock, mono_earlier(due, mono_after(WAIT_MAX_MS)));
}

static void *work(void *arg)
{
    struct commit *commit = arg;
    for (;;) {
        pthread_mutex_lock(&commit->lock);
        if (!commit->first && !commit->has_news)
            wait_for_change(commit);
        commit->has_news = false;
        bool is_stopping = commit->is_stopping;
        struct job *jobs = commit->first;
        if (!is_stopping)
            commit->first = commit->last = NULL;
        pthread_mutex_unlock(&commit->lock);
        if (is_stopping)
            return NULL;
        if (jobs)
            round_run(commit, jobs);
        tick(commit);
    }
}

/* Nobody works any more: nothing of them is kept. With the lock. */
static void turn_away(struct job *jobs)
{
    for (struct job *job = jobs; job; job = job->next) {
        upload_free(job->upload);
        job->upload = NULL;
        round_refuse(job, JOB_FAILED, "the receiver is leaving: nothing was kept");
    }
}

static void enqueue(struct commit *commit, struct job *jobs)
{
    if (commit->first)
        commit->last->next = jobs;
    else
        commit->first = jobs;
    while (jobs->next)
        jobs = jobs->next;
    commit->last = jobs;
}

static void answer(struct job *jobs)
{
    for (struct job *next; jobs; jobs = next) {
        next = jobs->next;
        jobs->done(jobs);
    }
}

void commit_submit(struct commit *commit, struct job *jobs)
{
    pthread_mutex_lock(&commit->lock);
    bool is_stopping = commit->is_stopping, was_empty = !commit->first;
    if (!is_stopping)
        enqueue(commit, jobs);
    else
        turn_away(jobs);
    if (!is_stopping && was_empty)
        pthread_cond_signal(&commit->changed);
    pthread_mutex_unlock(&commit->lock);
    if (is_stopping)
        answer(jobs);
}

static void set_flag(struct commit *commit, bool *flag)
{
    pthread_mutex_lock(&commit->lock);
    *flag = true;
    commit->has_news = true;
    pthread_cond_signal(&commit->changed);
    pthread_mutex_unlock(&commit->lock);
}

void commit_seal(struct commit *commit)
{
    set_flag(commit, &commit->wants_seal);
}

void commit_drain(struct commit *commit)
{
    set_flag(commit, &commit->is_draining);
}

bool commit_is_drained(struct commit *commit)
{
    pthread_mutex_lock(&commit->lock);
    bool is_drained = commit->is_drained;
    pthread_mutex_unlock(&commit->lock);
    return is_drained;
}

bool commit_has_guard(struct commit *commit)
{
    return atomic_load(&commit->has_guard);
}

/* --- notices ---------------------------------------------------------------------------------------- */

static void note_sealed(void *arg, const char *db, const struct writer *w)
{
    struct commit *commit = arg;
    pthread_mutex_lock(&commit->lock);
    if (commit->notice_count == NOTICES_MAX) {
        commit->notices_missed++;
    } else {
        struct sealed_notice *notice =
            &commit->notices[(commit->notice_first + commit->notice_count++) % NOTICES_MAX];
        *notice = (struct sealed_notice){
            .rows = w->counts.rows, .raw_bytes = w->counts.raw_bytes, .bytes = w->size_bytes};
        snprintf(notice->db, sizeof notice->db, "%s", db);
        snprintf(notice->file, sizeof notice->file, "%s", w->file);
    }
    pthread_mutex_unlock(&commit->lock);
}

bool commit_next_sealed(struct commit *commit, struct sealed_notice *notice, uint64_t *missed)
{
    pthread_mutex_lock(&commit->lock);
    bool has_one = commit->notice_count > 0;
    if (has_one) {
        *notice = commit->notices[commit->notice_first];
        commit->notice_first = (commit->notice_first + 1) % NOTICES_MAX;
        commit->notice_count--;
        *missed = commit->notices_missed;
        commit->notices_missed = 0;
    }
    pthread_mutex_unlock(&commit->lock);
    return has_one;
}

/* --- start and end ---------------------------------------------------------------------------------- */

static int make_buffers(struct commit *commit)
{
    size_t stage = stage_block_max(commit->settings->row_max_bytes), block = commit->settings->block_bytes;
    commit->block_max = stage > block ? stage : block;
    commit->member_max = member_bound(commit->block_max);
    commit->codec = codec_new();
    effort_init(&commit->effort, commit->settings->compression, mono_now());
    commit->block = malloc(commit->block_max);
    commit->member = malloc(commit->member_max);
    commit->notices = calloc(NOTICES_MAX, sizeof *commit->notices);
    return commit->codec && commit->block && commit->member && commit->notices ? 0 : -ENOMEM;
}

/* From the syncer's thread. */
static void on_synced(void *arg)
{
    struct commit *commit = arg;
    pthread_mutex_lock(&commit->lock);
    commit->has_news = true;
    pthread_cond_signal(&commit->changed);
    pthread_mutex_unlock(&commit->lock);
}

static int start(struct commit *commit, struct err *err)
{
    cond_init(&commit->changed);
    int rc = make_buffers(commit);
    if (rc)
        return err_set(err, rc, "out of memory");
    if (commit->settings->is_guarded &&
        (rc = ctl_client_open(&commit->guard, commit->spool, "diskguard", err)) != 0)
        return rc;
    if (commit->settings->sync != SYNC_NEVER &&
        (rc = syncer_new(&commit->slots.syncer, commit->spool, on_synced, commit, err)) != 0)
        return rc;
    commit->active_lock = lock_active(commit->spool);
    if (commit->active_lock < 0)
        return err_errno(err, commit->active_lock, "spool %s: run/active.lock", commit->spool->path);
    rc = adopt(commit, err);
    if (rc)
        return rc;
    commit->adopt_at = mono_after(ADOPT_MS);
    rc = -pthread_create(&commit->thread, NULL, work, commit);
    if (rc == 0)
        pthread_setname_np(commit->thread, "committer");
    commit->has_thread = rc == 0;
    return rc ? err_errno(err, rc, "the committer's thread") : 0;
}

int commit_new(struct commit **out, const struct receive_settings *settings, struct spool *spool,
               struct registry *registry, struct totals *totals, void (*wake)(void *arg), void *arg,
               struct err *err)
{
    struct commit *commit = calloc(1, sizeof *commit);
    if (!commit)
        return err_set(err, -ENOMEM, "out of memory");
    *commit = (struct commit){.settings = settings,
                              .spool = spool,
                              .registry = registry,
                              .totals = totals,
                              .wake = wake,
                              .wake_arg = arg,
                              .active_lock = -1,
                              .lock = PTHREAD_MUTEX_INITIALIZER};
    slots_init(&commit->slots, settings, spool, registry, totals);
    commit->slots.sealed = note_sealed;
    commit->slots.sealed_arg = commit;
    int rc = start(commit, err);
    if (rc) {
        commit_free(commit);
        return rc;
    }
    *out = commit;
    return 0;
}

void commit_stop(struct commit *commit)
{
    if (!commit->has_thread)
        return;
    set_flag(commit, &commit->is_stopping);
    pthread_join(commit->thread, NULL);
    commit->has_thread = false;
    pthread_mutex_lock(&commit->lock);
    struct job *jobs = commit->first;
    commit->first = commit->last = NULL;
    turn_away(jobs);
    pthread_mutex_unlock(&commit->lock);
    answer(jobs);
}

void commit_free(struct commit *commit)
{
    if (!commit)
        return;
    commit_stop(commit);
    syncer_free(commit->slots.syncer);
    slots_fini(&commit->slots);
    ctl_client_close(commit->guard);
    codec_free(commit->codec);
    free(commit->block);
    free(commit->member);
    free(commit->notices);
    if (commit->active_lock >= 0)
        close(commit->active_lock);
    pthread_cond_destroy(&commit->changed);
    free(commit);
}
