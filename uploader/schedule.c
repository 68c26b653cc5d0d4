/* What runs next: fair between databases, one attempt at a time where a database fails, oldest data first. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "common/base/crash.h"
#include "common/base/log.h"
#include "uploader/adx/probe.h"
#include "uploader/uploader.h"

/* --- scanning --------------------------------------------------------------------------------------- */

static bool is_measured(struct uploader *u, struct database *d)
{
    struct spool_place place = spool_place(u->context.queue, d->target.folder);
    struct waiting_ruler ruler = {.walk = u->walk, .budget = UPLOADER_MEASURE_BUDGET};
    ruler.dir = spool_place_open(&u->daemon->spool, &place, false);
    if (ruler.dir < 0)
        return true;
    bool complete = waiting_find_due(&d->queue, &u->limits, &ruler);
    close(ruler.dir);
    return complete;
}

static int count_file(void *arg, const struct spool_place *place, int dir, const char *file)
{
    (void)place, (void)dir, (void)file;
    ++*(uint64_t *)arg;
    return 0;
}

static void note_unknown(struct uploader *u, const char *folder)
{
    struct unknown *list = realloc(u->unknown, (u->unknown_count + 1) * sizeof *list);
    uint64_t segments = 0;
    if (!list)
        return;
    u->unknown = list;
    if (spool_walk(&u->daemon->spool, u->context.queue, folder, count_file, &segments) != 0 || segments == 0)
        return;
    struct unknown *one = &list[u->unknown_count++];
    snprintf(one->folder, sizeof one->folder, "%s", folder);
    one->segments = segments;
    log_warn("database-unknown", log_s("db", folder), log_u("segments", segments),
             log_s("queue", spool_queue_name(u->context.queue)),
             log_s("advice", "nothing is lost; give --database for it"));
}

/* Folders of databases that nobody told us of: their data stays, and is spoken of. */
static void scan_unknown(struct uploader *u)
{
    int fd = openat(u->daemon->spool.queues[u->context.queue], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    u->unknown_count = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && !uploader_find(u, entry->d_name))
            note_unknown(u, entry->d_name);
    closedir(dir);
    for (size_t i = 0; i < u->database_count; i++)
        if (u->databases[i].queue.strays > 0)
            log_warn("files-unknown", log_s("db", u->databases[i].target.db),
                     log_u("files", u->databases[i].queue.strays),
                     log_s("advice", "their names are not those of segments; they are left alone"));
    u->unknown_due = mono_after(UPLOADER_UNKNOWN_MS);
}

void schedule_scan(struct uploader *u)
{
    struct mono started = mono_now();
    u->is_unsure = false;
    for (size_t i = 0; i < u->database_count; i++) {
        struct database *d = &u->databases[i];
        int rc =
            waiting_scan(&d->queue, &u->daemon->spool, u->context.queue, d->target.folder, u->must_scan_all);
        if (rc)
            log_warn("scan-failed", log_s("db", d->target.db), log_s("cause", strerror(-rc)));
        if (!is_measured(u, d))
            u->is_unsure = true;
    }
    if (mono_is_past(u->unknown_due) || u->is_once)
        scan_unknown(u);
    if (mono_is_past(u->ages_due))
        ages_report(u);
    u->must_scan_all = false;
    int64_t pause_ms = mono_since_ms(started) * UPLOADER_SCAN_SHARE;
    u->scan_due = mono_after(u->is_unsure                     ? 0
                             : pause_ms > u->scan_interval_ms ? pause_ms
                                                              : u->scan_interval_ms);
}

/* --- claiming --------------------------------------------------------------------------------------- */

static int claim_segments(struct uploader *u, struct batch *batch, const struct waiting_group *group,
                          size_t count)
{
    struct database *d = batch->database;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        char file[NAME_FILE_MAX_BYTES + 1];
        const struct waiting_segment *segment = &d->queue.segments[group->first + i];
        waiting_name(&d->queue, group, i, file);
        rc = claim_take(&u->daemon->spool, &batch->place, u->context.queue, file);
        if (rc == -ENOENT) { /* peerd took it back, or a person */
            rc = 0;
            continue;
        }
        batch->segments += rc == 0;
        if (rc == 0 && batch->oldest_id == 0)
            batch->oldest_id = segment->id;
        batch->rows += rc == 0 ? segment->rows : 0;
        batch->raw_bytes += rc == 0 ? segment->raw_bytes : 0;
    }
    return rc;
}

static struct batch *claim(struct uploader *u, struct database *d, struct waiting_group *group, size_t count)
{
    struct spool_place place = spool_group(QUEUE_BATCH, d->target.folder, spool_next_id(&u->daemon->spool));
    struct batch *batch = batches_new(d, &place);
    if (!batch)
        return NULL;
    if (!batches_set_key(batch, group->table, group->has_schema, group->schema_hash, group->format)) {
        batches_free(batch);
        return NULL;
    }
    int rc = claim_segments(u, batch, group, count);
    waiting_drop(&d->queue, group, count);
    u->must_scan_all = u->must_scan_all || rc;
    if (rc)
        log_warn("claim-failed", log_s("db", d->target.db), log_s("batch", place.group),
                 log_s("cause", strerror(-rc)));
    if (batch->segments > 0)
        return batch;
    batches_free(batch);
    return NULL;
}

/* While old data is drained, new data has its share of the batches: neither starves. */
static struct batch *claim_new(struct uploader *u, struct database *d, struct waiting_ruler *ruler)
{
    size_t count;
    struct waiting_group *group =
        waiting_newest(&d->queue, &u->limits, ruler, UPLOADER_FRESH_MS, wall_now_ms(), &count);
    if (!group || batches_has(d, group))
        return NULL;
    d->new_credit += 100 - u->drain_share;
    if (d->new_credit < 100)
        return NULL;
    d->new_credit -= 100;
    struct waiting_group tail = *group; /* its end, as a group of its own */
    tail.first += group->count - (uint32_t)count;
    tail.count = (uint32_t)count;
    group->count -= (uint32_t)count;
    return claim(u, d, &tail, count);
}

static struct batch *claim_next(struct uploader *u, struct database *d)
{
    struct spool_place place = spool_place(u->context.queue, d->target.folder);
    struct waiting_ruler ruler = {.walk = u->walk};
    struct waiting_group *group;
    struct batch *batch = NULL;
    size_t count;
    if (d->queue.due_next >= d->queue.due_count || d->batch_count >= UPLOADER_WAITING_MAX)
        return NULL;
    ruler.dir = spool_place_open(&u->daemon->spool, &place, false);
    if (ruler.dir < 0)
        return NULL;
    batch = claim_new(u, d, &ruler);
    while (!batch && (group = waiting_next_due(&d->queue, &u->limits, &ruler, &count))) {
        if (batches_has(d, group))
            d->queue.due_next++;
        else
            batch = claim(u, d, group, count);
    }
    close(ruler.dir);
    return batch;
}

/* --- starting --------------------------------------------------------------------------------------- */

static bool has_due(const struct database *d)
{
    if (d->queue.due_next < d->queue.due_count)
        return true;
    for (const struct batch *b = d->batches; b; b = b->next)
        if (!b->is_given_up && mono_is_past(b->not_before))
            return true;
    return d->posted.first && !d->posted.is_asking && mono_is_past(d->posted.first->not_before);
}

/* How many uploads of it may run at once: its share, and no more than a database that was away is given yet.
 */
static unsigned share_of(const struct uploader *u, const struct database *d, unsigned active)
{
    unsigned share = u->uploads / (active > 0 ? active : 1), room = breaker_room(&d->breaker);
    share = share < u->uploads_per_database ? share : u->uploads_per_database;
    return share < room ? share : room;
}

/* May this database start one more? The first is always allowed, so that no other one can keep it out; more
 * only while the share of each is kept, whatever hangs elsewhere, and none beside the one attempt of a
 * database that fails. */
static bool may_start(const struct uploader *u, const struct database *d, unsigned active)
{
    if (d->is_paused || d->is_given_up)
        return false;
    switch (breaker_flow(&d->breaker, mono_now())) {
    case FLOW_NONE:
        return d->breaker.state == BREAKER_OPEN && d->may_try && d->trials == 0;
    case FLOW_ONE:
        return d->breaker.state == BREAKER_HALF_OPEN ? d->trials == 0 : d->in_flight == 0;
    case FLOW_FULL:
        break;
    }
    return d->in_flight == 0 || d->in_flight < share_of(u, d, active);
}

/* Databases that share the uploads: one that fails has its one attempt beside them. */
static unsigned count_active(const struct uploader *u)
{
    unsigned active = 0;
    struct mono now = mono_now();
    for (size_t i = 0; i < u->database_count; i++) {
        const struct database *d = &u->databases[i];
        if (breaker_flow(&d->breaker, now) == FLOW_FULL)
            active += d->in_flight > 0 || has_due(d);
    }
    return active;
}

unsigned schedule_threads(unsigned uploads, size_t databases)
{
    unsigned threads = 0;
    for (unsigned i = 1; i <= databases; i++)
        threads += uploads / i > 1 ? uploads / i : 1;
    return threads + 2 * (unsigned)databases;
}

void schedule_put_back(struct database *d, struct batch *batch)
{
    if (batch->posted_ms == 0) {
        batches_insert(d, batch);
        return;
    }
    d->posted.is_asking = false;
    batches_post(d, batch);
}

static bool submit(struct uploader *u, struct database *d, struct batch *batch)
{
    struct upload_job *job = calloc(1, sizeof *job);
    if (job) {
        job->context = &u->context;
        job->place = batch->place;
        job->target = &d->target;
        job->endpoint = &d->endpoint;
        job->failures = batch->attempts;
        job->owner = batch;
        job->known = batch->known;
        batch->known = NULL;
        job->begun = mono_now();
    }
    if (!job || workers_submit(u->workers, &job->job) != 0) {
        log_warn("upload-not-started", log_s("db", d->target.db), log_s("cause", "no memory or threads"));
        batch->known = job ? job->known : batch->known;
        free(job);
        batch->not_before = mono_after(u->backoff.min_ms);
        schedule_put_back(d, batch);
        return false;
    }
    batches_fly(batch);
    u->in_flight++;
    d->may_try = false;
    batch->is_trial = d->breaker.state == BREAKER_OPEN || d->breaker.state == BREAKER_HALF_OPEN;
    d->trials += batch->is_trial;
    d->breaker.is_watched = probe_is_twofold(job);
    breaker_note_begin(&d->breaker, &u->breaker, mono_now());
    return true;
}

static bool start_one(struct uploader *u, struct database *d)
{
    bool is_well = d->breaker.state == BREAKER_CLOSED || d->breaker.state == BREAKER_RECOVERING;
    if (d->in_flight > 0 && ballast_is_spent(&u->ballast))
        return false;
    struct batch *batch = is_well ? batches_take_posted(d) : NULL;
    if (!batch)
        batch = batches_take(d);
    if (!batch && !leaving_is(d))
        batch = claim_next(u, d);
    if (!batch && !is_well) /* the one that may be tried is better one that brings something */
        batch = batches_take_posted(d);
    return batch && submit(u, d, batch);
}

void schedule_start(struct uploader *u)
{
    bool is_progress = !u->is_stopping && u->database_count > 0;
    while (is_progress) {
        unsigned active = count_active(u);
        is_progress = false;
        for (size_t i = 0; i < u->database_count; i++) {
            struct database *d = &u->databases[(u->turn + i) % u->database_count];
            if (may_start(u, d, active) && start_one(u, d))
                is_progress = true;
        }
        u->turn = (u->turn + 1) % u->database_count;
    }
}

/* --- when ------------------------------------------------------------------------------------------- */

int64_t schedule_delay_ms(const struct uploader *u)
{
    if (u->is_stopping)
        return DAEMON_NEVER; /* a worker or a signal wakes us */
    struct mono due = u->scan_due;
    for (size_t i = 0; i < u->database_count; i++) {
        const struct database *d = &u->databases[i];
        struct mono not_before = d->breaker.not_before;
        due = mono_earlier(due, health_due(u, d));
        if (d->is_paused || d->is_given_up || d->in_flight > 0 || d->breaker.state == BREAKER_OPEN)
            continue;
        if (d->posted.first)
            due = mono_earlier(due, mono_is_past(not_before) ? d->posted.first->not_before : not_before);
        for (const struct batch *b = d->batches; b; b = b->next) {
            struct mono at = mono_is_past(not_before) ? b->not_before : not_before;
            if (!b->is_given_up)
                due = mono_earlier(due, at);
        }
    }
    return mono_left_ms(due);
}

bool schedule_has_work(const struct uploader *u, const struct database *d)
{
    if (d->in_flight > 0)
        return true;
    if (d->is_given_up || d->is_paused)
        return false;
    for (const struct batch *b = d->batches; b; b = b->next)
        if (!b->is_given_up)
            return true;
    return (d->posted.first && d->posted.failures < UPLOADER_ONCE_ATTEMPTS) || u->is_unsure ||
           d->queue.due_next < d->queue.due_count;
}

bool schedule_is_drained(const struct uploader *u)
{
    struct waiting_sums sums;
    for (size_t i = 0; i < u->database_count; i++) {
        waiting_sum(&u->databases[i].queue, &sums);
        if (u->databases[i].batches || u->databases[i].posted.first || u->databases[i].in_flight > 0 ||
            sums.segments > 0)
            return false;
    }
    return u->unknown_count == 0 && u->foreign_batches == 0;
}
