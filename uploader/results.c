/* What a finished job means for its batch, its database, and for who watches. */
#include "common/base/log.h"
#include "common/base/random.h"
#include "uploader/uploader.h"

/* Somebody must mend it: asking often does not help. */
static bool is_slow(enum verdict verdict)
{
    return verdict == VERDICT_UNAUTHORISED || verdict == VERDICT_MISSING || verdict == VERDICT_UNAVAILABLE;
}

static int64_t delay_of(const struct uploader *u, const struct outcome *outcome, unsigned failures)
{
    if (is_slow(outcome->verdict))
        return backoff_slow_ms(&u->backoff, outcome->retry_after_ms, (uint32_t)random_bits());
    return backoff_delay_ms(&u->backoff, failures, outcome->retry_after_ms, (uint32_t)random_bits());
}

static bool is_given_up(const struct uploader *u, const struct outcome *outcome, unsigned failures)
{
    return u->is_once && (is_slow(outcome->verdict) || failures >= UPLOADER_ONCE_ATTEMPTS);
}

static void note_failure(struct uploader *u, struct batch *batch, const struct upload_job *job)
{
    struct database *d = batch->database;
    const struct outcome *outcome = &job->outcome;
    struct totals_delta delta = {.failures = 1};
    int64_t delay_ms;
    d->last_error = *outcome;
    d->last_error_ms = wall_now_ms();
    batch->attempts++;
    batch->is_in_doubt = batch->is_in_doubt || outcome->has_left;
    if (outcome->verdict == VERDICT_UNAUTHORISED)
        d->has_brought = false;
    if (verdict_is_of_database(outcome->verdict)) {
        health_note(u, d, BREAKER_BATCH, outcome, job->parts > 0 ? mono_now() : job->begun);
        delay_ms =
            mono_left_ms(d->breaker.state == BREAKER_OPEN ? d->breaker.probe_due : d->breaker.not_before);
        d->is_given_up = is_given_up(u, outcome, d->failures);
    } else {
        delay_ms = delay_of(u, outcome, batch->attempts);
        batch->not_before = mono_after(delay_ms);
        batch->is_given_up = is_given_up(u, outcome, batch->attempts);
    }
    totals_add(u->context.totals, d->target.db, NULL, &delta);
    log_warn("batch-failed", log_s("db", d->target.db), log_s("table", batch->table),
             log_s("batch", batch->place.group), log_s("verdict", verdict_word(outcome->verdict)),
             log_n("status", outcome->status), log_s("code", outcome->code), log_s("cause", outcome->text),
             log_n("attempt", batch->attempts), log_n("retry_ms", delay_ms),
             log_s("request", outcome->request_id), log_s("activity", outcome->activity_id));
    daemon_publish(u->daemon, "batch-failed",
                   json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "db", d->target.db, "table",
                             batch->table ? batch->table : "", "batch", batch->place.group, "verdict",
                             verdict_word(outcome->verdict), "cause", outcome->text, "retry_ms",
                             (json_int_t)delay_ms));
}

/* Parts of it were taken, whatever came of the rest. A refusal alone says nothing about the database. */
static void note_taken(struct uploader *u, struct database *d, const struct upload_job *job)
{
    struct outcome taken = {.verdict = VERDICT_SUCCESS};
    d->last_success_ms = wall_now_ms();
    d->has_brought = true;
    health_note(u, d, BREAKER_BATCH, &taken, job->begun);
}

static void note_success(struct uploader *u, struct batch *batch, const struct upload_job *job)
{
    struct database *d = batch->database;
    log_info("batch-uploaded", log_s("db", d->target.db), log_s("table", batch->table),
             log_s("batch", batch->place.group), log_u("rows", job->rows), log_u("raw_bytes", job->raw_bytes),
             log_u("bytes", job->bytes), log_u("parts", job->parts), log_n("took_ms", job->took_ms));
    daemon_publish(u->daemon, "batch-uploaded",
                   json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "db", d->target.db, "table",
                             batch->table ? batch->table : "", "batch", batch->place.group, "rows",
                             (json_int_t)job->rows, "raw_bytes", (json_int_t)job->raw_bytes, "bytes",
                             (json_int_t)job->bytes, "took_ms", (json_int_t)job->took_ms));
}

static void note_quarantine(struct uploader *u, struct batch *batch, const struct upload_job *job)
{
    struct database *d = batch->database;
    uint64_t rows = job->refused_rows + job->put_aside_rows;
    if (job->refused_rows > 0) {
        d->last_error = job->refusal;
        d->last_error_ms = wall_now_ms();
    }
    if (rows > 0 || job->put_aside > 0)
        daemon_publish(u->daemon, "batch-quarantined",
                       json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "db", d->target.db, "table",
                                 batch->table ? batch->table : "", "batch", batch->place.group, "rows",
                                 (json_int_t)rows, "code", job->refusal.code, "cause", job->refusal.text));
}

/* It is in ADX's queue: to be asked about again, whatever became of this time's question. */
static void note_posted(struct uploader *u, struct batch *batch, const struct upload_job *job)
{
    struct database *d = batch->database;
    if (batch->posted_ms == 0) {
        if (job->parts == 0)
            note_taken(u, d, job);
        batch->attempts = 0;
        log_info("batch-posted", log_s("db", d->target.db), log_s("table", batch->table),
                 log_s("batch", batch->place.group), log_u("rows", job->rows),
                 log_n("took_ms", job->took_ms));
    }
    if (strcmp(job->outcome.code, FAILURES_NOT_ASKED) != 0)
        d->posted.failures = *job->outcome.code ? d->posted.failures + 1 : 0;
    batch->posted_ms = job->posted_ms;
    batch->rows = job->rows;
    batch->not_before = mono_after(u->confirm_every_ms);
    batches_post(d, batch);
}

static void take_one(struct uploader *u, struct upload_job *job)
{
    struct batch *batch = job->owner;
    struct database *d = batch->database;
    batches_land(batch);
    u->in_flight--;
    d->trials -= batch->is_trial;
    batch->is_trial = false;
    batch->known = job->known;
    job->known = NULL;
    if (batch->posted_ms != 0)
        d->posted.is_asking = false;
    note_quarantine(u, batch, job);
    if (job->parts > 0)
        note_taken(u, d, job);
    if (job->end == UPLOAD_DONE) {
        if (job->parts > 0)
            note_success(u, batch, job);
        ctl_client_wake(u->diskguard);
        batches_free(batch);
        return;
    }
    if (job->end == UPLOAD_POSTED) {
        note_posted(u, batch, job);
        return;
    }
    if (job->end == UPLOAD_WAIT) {
        note_failure(u, batch, job);
        batch->posted_ms = 0;
    }
    schedule_put_back(d, batch);
}

void results_take(struct uploader *u)
{
    struct worker_job *next;
    for (struct worker_job *one = workers_take(u->workers); one; one = next) {
        struct upload_job *job = (struct upload_job *)one;
        next = one->next;
        if (job->is_probe)
            health_take_probe(u, job);
        else
            take_one(u, job);
        free(job);
    }
}
