#include "uploader/upload.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/spool/ballast.h"
#include "uploader/batch/prepare.h"

static enum upload_end wait_for(struct upload_job *job, const char *code, int rc, const char *text)
{
    outcome_set(&job->outcome, VERDICT_RETRY, code, "%s%s%s", text, rc ? ": " : "", rc ? strerror(-rc) : "");
    return UPLOAD_WAIT;
}

/* --- refusal ---------------------------------------------------------------------------------------- */

static json_t *make_why(const struct batch_dir *batch, const struct outcome *outcome)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "reason", "refused", "by",
                     "uploader", "db", batch->plan.db, "table", batch->plan.table, "batch",
                     batch->claim.place.group, "status", (json_int_t)outcome->status, "code", outcome->code,
                     "type", outcome->type, "message", outcome->text, "request_id", outcome->request_id,
                     "activity_id", outcome->activity_id);
}

static int refuse(struct upload_job *job, struct batch_dir *batch, const struct cursor *end)
{
    job->refusal = job->outcome;
    json_t *why = make_why(batch, &job->outcome);
    if (!why) /* words that are not UTF-8 */
        why = json_pack("{s:s, s:s, s:s, s:I}", "reason", "refused", "by", "uploader", "batch",
                        batch->claim.place.group, "status", (json_int_t)job->outcome.status);
    int rc = why ? batch_refuse(batch, end, why) : -ENOMEM;
    json_decref(why);
    return rc;
}

static int finish_refusal(struct upload_job *job, struct batch_dir *batch, struct worker *worker)
{
    uint64_t rows = 0;
    int rc = batch_finish_refusal(batch, &worker->tools, job->context->options.instance, &rows);
    if (rc)
        return rc;
    job->refused_rows += rows;
    log_error("batch-refused", log_s("db", batch->plan.db), log_s("table", batch->plan.table),
              log_s("batch", batch->claim.place.group), log_u("rows", rows), log_s("code", job->refusal.code),
              log_s("cause", job->refusal.text), log_s("activity", job->refusal.activity_id));
    return 0;
}

/* --- sending ---------------------------------------------------------------------------------------- */

static void note_sent(struct upload_job *job, struct batch_dir *batch, const struct sent *sent)
{
    crash_point("batch:after-part");
    bool was_queued = batch->progress.state != PROGRESS_SENDING; /* by now the message has been posted */
    batch->progress.state = PROGRESS_SENDING;
    batch->progress.blob[0] = '\0';
    batch->progress.sends = 0;
    batch->progress.at = sent->next;
    batch->progress.parts++;
    batch->progress.rows += sent->rows;
    job->parts++;
    if (batch_is_at_end(batch))
        return;
    int rc = batch_record(batch, was_queued);
    if (rc) /* no room: it is sent all the same; only a crash now would send it again (see remember()) */
        log_warn("progress-not-written", log_s("batch", batch->claim.place.group),
                 log_s("cause", strerror(-rc)));
    crash_point("batch:after-progress");
}

static void send_piece(struct upload_job *job, struct batch_dir *batch, struct worker *worker,
                       struct sent *sent)
{
    struct sending sending = {.worker = worker,
                              .batch = batch,
                              .target = job->target,
                              .options = &job->context->options,
                              .endpoint = job->endpoint,
                              .failures = job->failures};
    *sent = (struct sent){.next = {.file = (uint32_t)batch->plan.count}};
    if (job->target->kind == TARGET_DIR)
        dir_send(&sending, sent, &job->outcome);
    else
        adx_send(&sending, sent, &job->outcome);
}

static enum upload_end advance(struct upload_job *job, struct batch_dir *batch, struct worker *worker)
{
    struct sent sent;
    int rc = 0;
    while (rc == 0) {
        if (batch->progress.state == PROGRESS_REFUSED)
            rc = finish_refusal(job, batch, worker);
        if (rc)
            break;
        if (batch->is_done || batch_is_at_end(batch))
            return UPLOAD_DONE;
        if (atomic_load(&job->context->is_stopping))
            return UPLOAD_STOPPED;
        send_piece(job, batch, worker, &sent);
        if (job->outcome.verdict == VERDICT_SUCCESS)
            note_sent(job, batch, &sent);
        else if (job->outcome.verdict == VERDICT_REFUSED)
            rc = refuse(job, batch, &sent.next);
        else if (job->outcome.verdict == VERDICT_PENDING)
            return UPLOAD_POSTED;
        else
            return UPLOAD_WAIT;
    }
    return wait_for(job, "quarantine", rc, "refused rows cannot be put into quarantine");
}

/* --- the whole -------------------------------------------------------------------------------------- */

/* Of a batch that is at its end. */
static uint64_t rows_taken(const struct batch_dir *batch)
{
    uint64_t not_sent = batch->progress.refused_rows + batch->progress.left_rows;
    return batch->plan.rows > not_sent ? batch->plan.rows - not_sent : 0;
}

int upload_finish(struct upload_context *context, struct batch_dir *batch)
{
    const struct plan *plan = &batch->plan;
    uint64_t refused = batch->progress.refused_rows;
    struct totals_delta delta = {.batches = 1,
                                 .rows_uploaded = rows_taken(batch),
                                 .raw_bytes = plan->raw_bytes,
                                 .bytes = plan->bytes,
                                 .rows_quarantined = refused,
                                 .quarantined = refused > 0};
    crash_point("batch:before-done");
    int rc = batch_set_done(batch);
    if (rc)
        return rc;
    totals_add(context->totals, plan->db, batch->claim.place.group, &delta);
    crash_point("batch:after-count");
    rc = batch_remove(batch);
    if (rc == 0)
        tally_forget(context->totals, batch->claim.place.group);
    return rc;
}

static enum upload_end finish(struct upload_job *job, struct batch_dir *batch)
{
    int rc = upload_finish(job->context, batch);
    if (rc) {
        if (!batch->is_done) /* all of it was sent: the next attempt must know */
            (void)!batch_record(batch, false);
        return wait_for(job, "remove", rc, "a batch that is done cannot be removed");
    }
    job->rows = rows_taken(batch);
    job->raw_bytes = batch->plan.raw_bytes;
    job->bytes = batch->plan.bytes;
    return UPLOAD_DONE;
}

static void count_put_aside(struct upload_job *job, const struct prepare_counts *counts)
{
    job->put_aside += counts->quarantined;
    job->put_aside_rows += counts->quarantined_rows;
    if (counts->quarantined == 0)
        return;
    struct totals_delta delta = {.quarantined = counts->quarantined,
                                 .rows_quarantined = counts->quarantined_rows};
    totals_add(job->context->totals, job->target->db, NULL, &delta);
}

/* On a full disk a folder without a plan holds what others need to get on: its segments wait in the queue. */
static bool dissolve(struct upload_job *job, struct batch_dir *batch)
{
    struct ballast *ballast = batch->claim.spool->ballast;
    if (!ballast || !ballast_is_spent(ballast) || batch_release(batch, job->context->queue, NULL) != 0)
        return false;
    log_warn("batch-dissolved", log_s("batch", job->place.group), log_s("cause", "the disk is full"));
    return true;
}

/* What goes in one piece is checked as it goes. Of what goes in several, those before the damaged one would
 * have been taken, so all of it is checked first. */
static bool is_checked_first(const struct upload_job *job)
{
    enum ingest_mode mode = job->context->options.mode;
    if (job->failures > 0 || job->target->kind == TARGET_DIR)
        return false;
    if (mode == INGEST_AUTO)
        mode = adx_offered(job->endpoint);
    return mode != INGEST_QUEUED;
}

static enum upload_end run_once(struct upload_job *job, struct batch_dir *batch, struct worker *worker,
                                bool is_thorough)
{
    struct prepare_options options = {
        .instance = job->context->options.instance, .queue = job->context->queue, .is_thorough = is_thorough};
    struct prepare_counts counts = {0};
    enum prepare_result result;
    struct err err;
    int rc = prepare_batch(batch, &worker->tools, &options, &result, &counts, &err);
    count_put_aside(job, &counts);
    if (rc == -ENOSPC && !batch->is_frozen && dissolve(job, batch))
        return UPLOAD_DONE;
    if (rc)
        return wait_for(job, "prepare", 0, err.text);
    if (result == PREPARE_RELEASED)
        return wait_for(job, "unreadable", 0, "a segment cannot be read (see the log); it stays in batch/");
    if (result == PREPARE_EMPTY)
        return (rc = batch_remove(batch)) ? wait_for(job, "remove", rc, "an empty batch cannot be removed")
                                          : UPLOAD_DONE;
    enum upload_end end = advance(job, batch, worker);
    job->posted_ms = batch->progress.step_ms;
    job->rows = batch->plan.rows;
    return end == UPLOAD_DONE ? finish(job, batch) : end;
}

/* Damage that comes to light while it is sent: nothing of that piece was taken. Once more, with open eyes. */
static enum upload_end run(struct upload_job *job, struct batch_dir *batch, struct worker *worker)
{
    enum upload_end end = run_once(job, batch, worker, is_checked_first(job));
    if (end != UPLOAD_WAIT || !job->outcome.is_damaged)
        return end;
    log_warn("damage-found", log_s("db", batch->plan.db), log_s("table", batch->plan.table),
             log_s("batch", batch->claim.place.group),
             log_s("advice", "nothing of it was taken; its segments are checked and mended"));
    job->outcome = (struct outcome){0};
    return run_once(job, batch, worker, true);
}

/* On a full disk: what was sent, and could not be recorded, is not sent again as long as this process lives.
 */
static void recall(struct upload_job *job, struct batch_dir *batch)
{
    if (job->known && batch->is_frozen && !batch->is_done) {
        batch->progress = *job->known;
        int rc = batch_record(batch, true);
        if (rc)
            log_warn("progress-not-written", log_s("batch", batch->claim.place.group),
                     log_s("cause", strerror(-rc)));
    }
    free(job->known);
    job->known = NULL;
}

static void remember(struct upload_job *job, const struct batch_dir *batch)
{
    if (!batch->is_unrecorded || !batch->is_frozen || batch->is_done)
        return;
    job->known = malloc(sizeof *job->known);
    if (job->known)
        *job->known = batch->progress;
}

void worker_prepare(struct worker *worker)
{
    if (worker->has_part)
        return;
    part_init(&worker->part, UINT64_MAX);
    buf_init(&worker->token, HTTP_TOKEN_MAX);
    buf_init(&worker->text, (size_t)64 << 20);
    worker->has_part = true;
}

void upload_run(struct upload_job *job, struct worker *worker)
{
    struct mono started = mono_now();
    struct batch_dir batch;
    struct err err;
    worker_prepare(worker);
    job->outcome = (struct outcome){0};
    int rc = batch_open(&batch, job->context->spool, &job->place, &err);
    if (rc == -ENOENT) { /* taken away by hand: there is nothing to do any more */
        log_warn("batch-gone", log_s("batch", job->place.group));
        job->end = UPLOAD_DONE;
    } else if (rc) {
        job->end = wait_for(job, "open", 0, err.text);
    } else {
        recall(job, &batch);
        job->end = run(job, &batch, worker);
        remember(job, &batch);
        batch_close(&batch);
    }
    tools_trim(&worker->tools);
    job->took_ms = mono_since_ms(started);
}

void worker_fini(struct worker *worker)
{
    tools_fini(&worker->tools);
    http_fini(&worker->http);
    buf_fini(&worker->token);
    buf_fini(&worker->text);
    part_fini(&worker->part);
    *worker = (struct worker){0};
}
