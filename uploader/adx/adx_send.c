/* One piece of a batch into ADX: which way (mode.h), table and mapping when they are not known to be there,
 * then the rows. */
#include "common/base/crash.h"
#include "common/base/log.h"
#include "uploader/adx/adx_parts.h"
#include "uploader/token/token.h"

/* --- rows ------------------------------------------------------------------------------------------- */

static int stream_url(const struct sending *s, const char *mapping, struct buf *url)
{
    const struct plan *plan = &s->batch->plan;
    buf_clear(url);
    int rc = buf_printf(url, "%s/v1/rest/ingest/", s->target->place);
    if (rc == 0)
        rc = http_put_encoded(url, s->target->db);
    if (rc == 0)
        rc = buf_puts(url, "/");
    if (rc == 0)
        rc = http_put_encoded(url, plan->table);
    if (rc == 0)
        rc = buf_printf(url, "?streamFormat=%s", kql_stream_format(plan->format));
    if (rc == 0 && *mapping)
        rc = buf_printf(url, "&mappingName=%s", mapping);
    return rc;
}

static void send_stream(const struct sending *s, const char *mapping, struct outcome *outcome)
{
    struct source source = {.dir = s->batch->claim.fd, .plan = &s->batch->plan};
    struct body body;
    int rc = stream_url(s, mapping, &s->worker->text);
    if (rc) {
        adx_own_trouble(outcome, rc, "the address cannot be put together");
        return;
    }
    body_init(&body, &source, &s->worker->part);
    struct http_request request = adx_request(s, s->target, "stream", s->worker->text.data);
    request.body = &body;
    request.is_once = true;
    http_send(&s->worker->http, &request, outcome);
    body_fini(&body);
}

static void send_inline(const struct sending *s, const char *mapping, struct outcome *outcome)
{
    const struct plan *plan = &s->batch->plan;
    struct source source = {.dir = s->batch->claim.fd, .plan = plan};
    struct buf *csl = &s->worker->text, rows;
    buf_clear(csl);
    buf_init(&rows, ADX_INLINE_BYTES_MAX);
    int rc = kql_ingest_inline(csl, plan->table, plan->format, *mapping ? mapping : NULL);
    if (rc == 0)
        rc = body_inflate(&source, &s->worker->part, &s->worker->tools, &rows);
    if (rc == 0)
        rc = buf_put(csl, rows.data, rows.len);
    buf_fini(&rows);
    if (rc)
        adx_own_trouble(outcome, rc, "rows for inline ingestion cannot be put together");
    else
        adx_run_once(s, s->target, "inline", csl, outcome);
}

static int gather(const struct sending *s, enum ingest_mode mode, struct sent *sent)
{
    struct source source = {.dir = s->batch->claim.fd, .plan = &s->batch->plan};
    struct part *part = &s->worker->part;
    part_reset(part);
    part->join.raw_limit = mode == INGEST_INLINE ? ADX_INLINE_RAW_BYTES : MODE_STREAM_RAW_BYTES;
    int rc = part_gather(part, &s->worker->tools, &source, &s->batch->progress.at);
    *sent = (struct sent){.next = part->next, .rows = part->join.rows, .raw_bytes = part->join.raw_bytes};
    return rc;
}

static void send_part(const struct sending *s, enum ingest_mode mode, const char *mapping, struct sent *sent,
                      struct outcome *outcome)
{
    int rc = gather(s, mode, sent);
    if (rc)
        adx_own_trouble(outcome, rc, "the batch's segments cannot be read");
    else if (sent->raw_bytes == 0)
        outcome_set(outcome, VERDICT_SUCCESS, "", "%s", "");
    else if (mode == INGEST_INLINE)
        send_inline(s, mapping, outcome);
    else
        send_stream(s, mapping, outcome);
}

/* --- which way -------------------------------------------------------------------------------------- */

static bool is_queued_begun(const struct sending *s)
{
    enum progress_state state = s->batch->progress.state;
    return state == PROGRESS_UPLOADED || state == PROGRESS_POSTED;
}

static bool find_mode(const struct sending *s, enum ingest_mode *mode, struct mode_facts *facts,
                      struct outcome *outcome)
{
    *facts = (struct mode_facts){.wanted = s->options->mode,
                                 .is_queued_begun = is_queued_begun(s),
                                 .is_stream_off = adx_is_stream_off(s->endpoint, s->batch->plan.table),
                                 .raw_bytes = s->batch->plan.raw_bytes,
                                 .failures = s->failures};
    if (facts->wanted == INGEST_AUTO && !facts->is_queued_begun &&
        !adx_find_offered(s, &facts->offered, outcome))
        return false;
    *mode = mode_choose(facts);
    return true;
}

static void log_fallback(const struct sending *s, const struct outcome *outcome)
{
    log_warn("stream-fallback", log_s("db", s->target->db), log_s("table", s->batch->plan.table),
             log_s("batch", s->batch->claim.place.group), log_s("code", outcome->code),
             log_s("cause", outcome->text), log_s("request", outcome->request_id),
             log_s("activity", outcome->activity_id), log_s("advice", "queued instead"));
}

/* Streaming did not do: is it to be queued now? */
static bool falls_back(const struct sending *s, const struct mode_facts *facts, const struct outcome *outcome)
{
    if (facts->wanted != INGEST_AUTO || facts->offered != INGEST_QUEUED)
        return false;
    enum fallback fallback = mode_after_stream(outcome, facts->failures);
    if (fallback == FALLBACK_NONE)
        return false;
    if (fallback != FALLBACK_BATCH)
        adx_set_stream_off(s->endpoint, s->batch->plan.table,
                           fallback == FALLBACK_OFF ? MODE_OFF_MS : MODE_THROTTLED_MS);
    log_fallback(s, outcome);
    return true;
}

static void send_rows(const struct sending *s, struct sent *sent, struct outcome *outcome)
{
    char mapping[KQL_MAPPING_NAME_BYTES];
    struct mode_facts facts;
    enum ingest_mode mode;
    *sent = (struct sent){
        .next = {.file = (uint32_t)s->batch->plan.count}}; /* a refused schema refuses all that is left */
    mapping[0] = '\0';
    if (s->batch->progress.state == PROGRESS_POSTED) {
        queued_send(s, mapping, sent, outcome);
        return;
    }
    if (!find_mode(s, &mode, &facts, outcome) || !adx_ensure_schema(s, mapping, outcome))
        return;
    crash_point("adx:after-schema");
    if (mode != INGEST_QUEUED)
        send_part(s, mode, mapping, sent, outcome);
    if (mode == INGEST_QUEUED || (mode == INGEST_STREAMING && falls_back(s, &facts, outcome)))
        queued_send(s, mapping, sent, outcome);
}

static void send_once(const struct sending *s, struct sent *sent, struct outcome *outcome)
{
    const struct plan *plan = &s->batch->plan;
    *outcome = (struct outcome){0};
    if (!worker_token(s, outcome))
        return;
    send_rows(s, sent, outcome);
    if (outcome->verdict == VERDICT_GONE && *plan->schema) {
        log_warn("schema-gone", log_s("db", s->target->db), log_s("table", plan->table),
                 log_s("cause", outcome->text));
        adx_forget(s->endpoint, adx_key(plan->table, plan->format, plan->schema));
        send_rows(s, sent, outcome);
    }
    /* Made anew and still not there (or not ours to make): the table's trouble, not the batch's. */
    if (outcome->verdict == VERDICT_GONE) {
        adx_forget(s->endpoint, adx_key(plan->table, plan->format, plan->schema));
        outcome->verdict = VERDICT_UNAVAILABLE;
    }
    /* Another service may be at this address by the time it answers again; and one that has no streaming has
     * queues, so data management cannot have meant what it said. */
    bool is_other = outcome->verdict == VERDICT_DOWN || outcome->verdict == VERDICT_UNAVAILABLE ||
                    outcome->verdict == VERDICT_MISSING;
    if (is_other && adx_offered(s->endpoint) != INGEST_QUEUED)
        adx_set_offered(s->endpoint, INGEST_AUTO);
}

void adx_send(const struct sending *s, struct sent *sent, struct outcome *outcome)
{
    send_once(s, sent, outcome);
    /* Nothing was taken. Once more, if there is another token now. */
    if (outcome->verdict == VERDICT_UNAUTHORISED && outcome->status == 401 &&
        tokens_replace(s->options->tokens, s->target, &s->worker->token))
        send_once(s, sent, outcome);
}
