/* After a message was posted: has ADX failed on its blob? (failures.h) */
#include <errno.h>

#include "common/base/clock.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "uploader/adx/queued_parts.h"

static int add_answer(const struct sending *s, struct failures *failures)
{
    const struct buf *answer = &s->worker->http.answer;
    json_t *root = json_loadb(answer->data, answer->len, 0, NULL);
    int rc = failures_add_table(failures, json_array_get(json_object_get(root, "Tables"), 0));
    json_decref(root);
    return rc;
}

static bool ask_engine(const struct sending *s, struct failures *failures, int64_t now_ms,
                       struct outcome *outcome)
{
    struct buf *csl = &s->worker->text;
    buf_clear(csl);
    int rc = failures_command(s->target->db, failures->since_ms, now_ms, csl);
    if (rc == 0)
        adx_run_command(s, s->target, "failures", csl, outcome);
    if (rc == 0 && outcome->verdict == VERDICT_SUCCESS)
        rc = add_answer(s, failures);
    if (rc)
        adx_own_trouble(outcome, rc, "the list of ingestion failures cannot be used");
    return outcome->verdict == VERDICT_SUCCESS;
}

/* The 32 oldest messages of a queue: no more of it can be seen without taking them from others. */
static bool peek_queue(const struct sending *s, const struct resource *queue, struct failures *failures,
                       struct outcome *outcome)
{
    struct buf *url = &s->worker->text;
    int rc = resource_url(queue, "messages", "numofmessages=32&peekonly=true", url);
    if (rc == 0) {
        struct http_request request = adx_request(s, &queue->at, "failures", url->data);
        request.service = HTTP_STORAGE;
        request.token = NULL;
        http_send(&s->worker->http, &request, outcome);
        buf_clear(url); /* it ends with a secret */
        if (outcome->verdict == VERDICT_SUCCESS)
            rc = failures_add_messages(failures, s->worker->http.answer.data, s->worker->http.answer.len);
    }
    if (rc)
        adx_own_trouble(outcome, rc, "messages of a failure queue cannot be used");
    return outcome->verdict == VERDICT_SUCCESS;
}

static bool peek(const struct sending *s, struct failures *failures, struct outcome *outcome)
{
    struct resource_set *set = adx_take_resources(s, outcome);
    size_t queues = 0;
    bool ok = set != NULL;
    for (size_t i = 0; ok && i < set->count; i++) {
        if (set->list[i].kind != RESOURCE_FAILURES)
            continue;
        queues++;
        ok = peek_queue(s, &set->list[i], failures, outcome);
    }
    resources_release(set);
    if (ok && queues == 0)
        outcome_set(outcome, VERDICT_RETRY, "no-failure-queue",
                    "the cluster has no failure queue that can be read: give --confirm show");
    return ok && queues > 0;
}

/* Not asked again for each batch, nor at once. */
static void note_no_answer(const struct sending *s, struct failures *failures, const struct outcome *outcome)
{
    bool is_long = s->options->confirm_every_ms > s->options->retry_min_ms;
    failures->not_before = mono_after(is_long ? s->options->confirm_every_ms : s->options->retry_min_ms);
    log_warn("confirm-failed", log_s("db", s->target->db), log_s("code", outcome->code),
             log_s("cause", outcome->text),
             log_s("advice", "what was posted stays in the spool until this can be asked"));
}

/* Make sure that the list is of the time since the blob was posted, and not too old. */
static bool refresh(const struct sending *s, struct failures *failures, struct outcome *outcome)
{
    int64_t now_ms = wall_now_ms(), posted_ms = s->batch->progress.step_ms;
    bool is_recent = failures->asked_ms > 0 && now_ms >= failures->asked_ms &&
                     now_ms - failures->asked_ms < s->options->confirm_every_ms / 2;
    if (is_recent && posted_ms >= failures->since_ms && posted_ms <= failures->asked_ms)
        return true;
    if (!mono_is_past(failures->not_before)) {
        outcome_set(outcome, VERDICT_RETRY, FAILURES_NOT_ASKED, "the last question was not answered");
        return false;
    }
    failures_clear(failures);
    failures->since_ms = posted_ms; /* the oldest is asked about first: the others are newer */
    failures->asked_ms = 0;
    bool ok = s->options->confirm == CONFIRM_PEEK ? peek(s, failures, outcome)
                                                  : ask_engine(s, failures, now_ms, outcome);
    if (ok)
        failures->asked_ms = now_ms;
    else
        note_no_answer(s, failures, outcome);
    return ok;
}

/* Sent again, under a new name and with a new message: recorded before anything is done about it. */
static void send_again(const struct sending *s, const struct failure *failure, struct outcome *outcome)
{
    const struct plan *plan = &s->batch->plan;
    struct progress *progress = &s->batch->progress;
    progress->sends++;
    progress->state = PROGRESS_SENDING;
    int rc = batch_record(s->batch, true);
    if (rc) {
        progress->sends--;
        progress->state = PROGRESS_POSTED;
        adx_own_trouble(outcome, rc, "that a blob has to be sent again cannot be recorded");
        return;
    }
    crash_point("confirm:after-again");
    if (failure_verdict(failure) == VERDICT_GONE)
        adx_forget(s->endpoint, adx_key(plan->table, plan->format, plan->schema));
    outcome_set(outcome, VERDICT_RETRY, failure->code, "ADX failed to ingest it, it is sent again: %s",
                failure->details);
}

/* Called with the endpoint's failures locked. */
static void confirm(const struct sending *s, const char *name, struct outcome *outcome)
{
    struct failures *failures = &s->endpoint->failures;
    if (!refresh(s, failures, outcome)) {
        outcome->verdict = VERDICT_PENDING;
        return;
    }
    const struct failure *failure = failures_find(failures, name);
    if (failure && failure_verdict(failure) == VERDICT_REFUSED)
        outcome_set(outcome, VERDICT_REFUSED, failure->code, "%s", failure->details);
    else if (failure)
        send_again(s, failure, outcome);
    else if (failures->asked_ms - s->batch->progress.step_ms < s->options->confirm_after_ms)
        outcome->verdict = VERDICT_PENDING;
}

void queued_confirm(const struct sending *s, const char *name, struct sent *sent, struct outcome *outcome)
{
    const struct progress *progress = &s->batch->progress;
    *sent = (struct sent){
        .next = progress->end, .rows = progress->blob_rows, .raw_bytes = progress->blob_raw_bytes};
    *outcome = (struct outcome){0};
    if (s->options->confirm == CONFIRM_NO)
        return;
    pthread_mutex_lock(&s->endpoint->confirming);
    confirm(s, name, outcome);
    pthread_mutex_unlock(&s->endpoint->confirming);
}
