/* Queued ingestion of one blob, step by step (batch.h has the states, INTERNALS.md the crash table):
 *
 *     SENDING   put the blob, durably record where it is          -> UPLOADED
 *     UPLOADED  post the message about it                         -> done with, or POSTED when it is to be
 * confirmed POSTED    ask whether ADX failed on it (confirm.h)          -> done with, refused, or SENDING
 * under a new name
 *
 * A message whose answer was lost is posted again with the same BlobPath: ADX takes the blob once as long as
 * both are in one of its batches, and with --dedup strict in any case. */
#include <errno.h>

#include "common/base/clock.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "uploader/adx/blob.h"
#include "uploader/adx/queue_message.h"
#include "uploader/adx/queued_parts.h"

/* Signatures are lent anew each hour: an older one may have ended by the time ADX reads the blob. */
enum { SIGNATURE_MS = RESOURCES_FRESH_MS };

struct queued {
    const struct sending *s;
    struct resource_set *set;
    const char *mapping;
    char name[BLOB_NAME_BYTES];
};

static void log_try(const struct queued *q, const char *event, const struct resource *at,
                    const struct outcome *outcome)
{
    log_warn(event, log_s("db", q->s->target->db), log_s("batch", q->s->batch->claim.place.group),
             log_s("at", at->at.place), log_s("code", outcome->code), log_s("cause", outcome->text),
             log_s("request", outcome->request_id), log_s("activity", outcome->activity_id));
}

/* Nothing that storage says is about the rows, or for somebody to mend: it is lent anew. */
static void conclude_tries(const struct queued *q, struct outcome *outcome)
{
    if (outcome->verdict != VERDICT_UNAUTHORISED && outcome->verdict != VERDICT_MISSING)
        return;
    outcome->verdict = VERDICT_DOWN;
    resources_expire(q->s->endpoint->resources);
}

/* Storage will not have a blob written over: an earlier attempt, whose answer was lost or that was killed,
 * got it there, and no message speaks of it. Whether it is whole cannot be seen without a right to read, so
 * it is left for ADX to sweep, and the rows get a new name (with the key of the first one). */
static void leave_name(const struct queued *q, const struct outcome *outcome)
{
    static const char *const codes[] = {"AuthorizationPermissionMismatch", "UnauthorizedBlobOverwrite",
                                        "BlobAlreadyExists", "BlobImmutableDueToPolicy"};
    struct progress *progress = &q->s->batch->progress;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (strcmp(outcome->code, codes[i]) != 0)
            continue;
        progress->sends++;
        int rc = batch_record(q->s->batch, true);
        if (rc)
            log_warn("progress-not-written", log_s("batch", q->s->batch->claim.place.group),
                     log_s("cause", strerror(-rc)));
    }
}

/* Is it worth trying another container or queue? */
static bool is_elsewhere(const struct queued *q, enum verdict verdict)
{
    return verdict != VERDICT_SUCCESS && verdict != VERDICT_RETRY && !atomic_load(q->s->options->is_aborted);
}

/* --- SENDING -> UPLOADED ---------------------------------------------------------------------------- */

static int record_uploaded(const struct queued *q, const struct resource *at, const struct sent *sent)
{
    struct progress *progress = &q->s->batch->progress;
    struct buf url;
    buf_init(&url, PROGRESS_BLOB_BYTES - 1);
    int rc = resource_url(at, q->name, NULL, &url) == 0 ? 0 : -ENAMETOOLONG;
    if (rc == 0) {
        progress->state = PROGRESS_UPLOADED;
        progress->end = sent->next;
        progress->blob_rows = sent->rows;
        progress->blob_raw_bytes = sent->raw_bytes;
        progress->step_ms = wall_now_ms();
        snprintf(progress->blob, sizeof progress->blob, "%s", url.data);
        rc = batch_record(q->s->batch, true);
    }
    buf_fini(&url);
    return rc;
}

/* It is put once more, then. */
static void forget_uploaded(const struct queued *q, int rc, struct outcome *outcome)
{
    struct progress *progress = &q->s->batch->progress;
    progress->state = PROGRESS_SENDING;
    progress->blob[0] = '\0';
    adx_own_trouble(outcome, rc, "where the blob is cannot be recorded");
}

static bool upload(const struct queued *q, struct sent *sent, struct outcome *outcome)
{
    const struct sending *s = q->s;
    struct resource *containers[RESOURCES_TRIES];
    size_t count =
        resources_choose(s->endpoint->resources, q->set, RESOURCE_CONTAINER, containers, RESOURCES_TRIES);
    for (size_t i = 0; i < count; i++) {
        blob_put(s, containers[i], q->name, &s->batch->progress.at, sent, outcome);
        if (outcome->verdict == VERDICT_SUCCESS && sent->raw_bytes == 0)
            return true;
        if (outcome->verdict != VERDICT_RETRY)
            resources_note(s->endpoint->resources, containers[i], outcome->verdict);
        crash_point("queued:after-put");
        if (outcome->verdict == VERDICT_SUCCESS) {
            int rc = record_uploaded(q, containers[i], sent);
            if (rc == -ENOSPC || rc == -EDQUOT) /* the disk is full, and this is how it gets emptier: go on */
                log_warn("progress-not-written", log_s("batch", s->batch->claim.place.group),
                         log_s("cause", strerror(-rc)));
            else if (rc)
                forget_uploaded(q, rc, outcome);
            crash_point("queued:after-uploaded");
            return outcome->verdict == VERDICT_SUCCESS;
        }
        log_try(q, "blob-not-put", containers[i], outcome);
        if (!is_elsewhere(q, outcome->verdict))
            break;
    }
    leave_name(q, outcome);
    conclude_tries(q, outcome);
    return false;
}

/* --- UPLOADED -> posted ----------------------------------------------------------------------------- */

static int make_body(const struct queued *q, struct buf *body)
{
    const struct sending *s = q->s;
    char id[UUID_TEXT_BYTES], key[UUID_TEXT_BYTES], created[WALL_TEXT_BYTES], first[BLOB_NAME_BYTES];
    struct buf json;
    wall_format(wall_now_ms(), created);
    uuid_of_name(q->name, id);
    blob_name(&s->batch->plan, &s->batch->progress.at, 0,
              first); /* a new send has the key of the first one */
    uuid_of_name(first, key);
    const struct queue_message message = {.id = id,
                                          .blob_path = s->batch->progress.blob,
                                          .raw_bytes = s->batch->progress.blob_raw_bytes,
                                          .db = s->target->db,
                                          .table = s->batch->plan.table,
                                          .format = s->batch->plan.format,
                                          .mapping = *q->mapping ? q->mapping : NULL,
                                          .identity = q->set->identity,
                                          .dedup_key = s->options->is_strict ? key : NULL,
                                          .created = created};
    buf_init(&json, QUEUE_MESSAGE_MAX);
    int rc = queue_message_json(&message, &json);
    if (rc == 0)
        rc = queue_message_body(json.data, json.len, body);
    buf_fini(&json);
    return rc;
}

static void post_to(const struct queued *q, const struct resource *queue, const struct buf *body,
                    struct outcome *outcome)
{
    const struct sending *s = q->s;
    struct buf *url = &s->worker->text;
    int rc = resource_url(queue, "messages", NULL, url);
    if (rc) {
        adx_own_trouble(outcome, rc, "the address cannot be put together");
        return;
    }
    struct http_request request = adx_request(s, &queue->at, "queue", url->data);
    request.service = HTTP_STORAGE;
    request.token = NULL;
    request.text = body;
    request.is_once = true;
    http_send(&s->worker->http, &request, outcome);
    buf_clear(url); /* it ends with a secret */
}

static bool post(const struct queued *q, struct outcome *outcome)
{
    const struct sending *s = q->s;
    struct resource *queues[RESOURCES_TRIES];
    struct buf body;
    size_t count = resources_choose(s->endpoint->resources, q->set, RESOURCE_QUEUE, queues, RESOURCES_TRIES);
    buf_init(&body, QUEUE_BODY_MAX);
    int rc = make_body(q, &body);
    if (rc)
        adx_own_trouble(outcome, rc, "the message cannot be put together");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        post_to(q, queues[i], &body, outcome);
        if (outcome->verdict != VERDICT_RETRY)
            resources_note(s->endpoint->resources, queues[i], outcome->verdict);
        if (outcome->verdict == VERDICT_SUCCESS)
            break;
        log_try(q, "message-not-posted", queues[i], outcome);
        if (!is_elsewhere(q, outcome->verdict))
            break;
    }
    buf_fini(&body);
    crash_point("queued:after-post");
    if (outcome->verdict != VERDICT_SUCCESS)
        conclude_tries(q, outcome);
    return outcome->verdict == VERDICT_SUCCESS;
}

/* From here on its signature is needed no more, and is kept nowhere. */
static void record_posted(const struct sending *s, struct outcome *outcome)
{
    struct progress *progress = &s->batch->progress;
    progress->state = PROGRESS_POSTED;
    progress->blob[0] = '\0';
    progress->step_ms = wall_now_ms();
    int rc = batch_record(s->batch, true);
    if (rc) /* after a crash it is posted again, with the same BlobPath; until then we know */
        log_warn("progress-not-written", log_s("batch", s->batch->claim.place.group),
                 log_s("cause", strerror(-rc)));
    crash_point("queued:after-posted");
    outcome->verdict = VERDICT_PENDING;
}

/* An address that was recorded long ago gets the signature that its container has now. False: the container
 * is not lent any more, so the blob has to be put anew. */
static bool renew_signature(const struct queued *q)
{
    struct progress *progress = &q->s->batch->progress;
    if (wall_now_ms() - progress->step_ms < SIGNATURE_MS && wall_now_ms() >= progress->step_ms)
        return true;
    for (size_t i = 0; i < q->set->count; i++) {
        const struct resource *one = &q->set->list[i];
        size_t len = strlen(one->at.place);
        if (one->kind != RESOURCE_CONTAINER || strncmp(progress->blob, one->at.place, len) != 0 ||
            progress->blob[len] != '/')
            continue;
        int n = snprintf(progress->blob, sizeof progress->blob, "%s/%s?%s", one->at.place, q->name,
                         one->signature);
        return n > 0 && (size_t)n < sizeof progress->blob;
    }
    return false;
}

/* --- the whole -------------------------------------------------------------------------------------- */

static bool begin(struct queued *q, struct outcome *outcome)
{
    q->set = adx_take_resources(q->s, outcome);
    if (q->set)
        return true;
    if (outcome->verdict == VERDICT_REFUSED || outcome->verdict == VERDICT_MISSING)
        outcome->verdict = VERDICT_UNAVAILABLE;
    char cause[OUTCOME_TEXT_BYTES];
    snprintf(cause, sizeof cause, "%s", outcome->text);
    outcome_set(outcome, outcome->verdict, outcome->code, "%s lends nothing for queued ingestion: %s",
                resources_place(q->s->endpoint->resources), cause);
    return false;
}

/* True: the blob is there, or there was nothing to put. */
static bool ensure_uploaded(const struct queued *q, struct sent *sent, struct outcome *outcome)
{
    struct progress *progress = &q->s->batch->progress;
    if (progress->state == PROGRESS_UPLOADED && !renew_signature(q))
        progress->state = PROGRESS_SENDING;
    if (progress->state != PROGRESS_UPLOADED)
        return upload(q, sent, outcome);
    *sent = (struct sent){
        .next = progress->end, .rows = progress->blob_rows, .raw_bytes = progress->blob_raw_bytes};
    return true;
}

void queued_send(const struct sending *s, const char *mapping, struct sent *sent, struct outcome *outcome)
{
    const struct progress *progress = &s->batch->progress;
    struct queued q = {.s = s, .mapping = mapping};
    *outcome = (struct outcome){0};
    blob_name(&s->batch->plan, &progress->at, progress->sends, q.name);
    if (progress->state == PROGRESS_POSTED) {
        queued_confirm(s, q.name, sent, outcome);
        return;
    }
    if (begin(&q, outcome) && ensure_uploaded(&q, sent, outcome) && sent->raw_bytes > 0 &&
        post(&q, outcome) && s->options->confirm != CONFIRM_NO)
        record_posted(s, outcome);
    resources_release(q.set);
}
