#include "walwriter/request.h"

#include <inttypes.h>

#include "walwriter/admission.h"
#include "walwriter/request_parts.h"

enum {
    RETRY_S = 1,
};

void *request_new(void *cls, const char *target, struct MHD_Connection *connection)
{
    (void)connection;
    struct request *request = calloc(1, sizeof *request);
    if (request && route_init(&request->route, target) != 0) {
        free(request);
        return NULL;
    }
    if (request)
        request->reception = cls;
    return request;
}

static void free_request(struct request *request)
{
    struct reception *reception = request->reception;
    if (request->has_body)
        body_fini(&request->body);
    if (request->has_stage)
        stage_fini(&request->stage);
    if (request->job.table)
        registry_put(&reception->registry, request->job.table);
    if (request->is_counted)
        total_sub(&reception->totals.in_flight, 1);
    route_fini(&request->route);
    free(request);
}

/* --- with the committer ----------------------------------------------------------------------------- */

static struct request *request_of(struct http_wait *wait)
{
    return (struct request *)(void *)((char *)wait - offsetof(struct request, wait));
}

void request_begun(void *cls, struct http_wait *waits)
{
    struct reception *reception = cls;
    struct job *first = &request_of(waits)->job;
    for (struct job *job = first; job; job = job->next) {
        waits = waits->next;
        job->next = waits ? &request_of(waits)->job : NULL;
    }
    commit_submit(reception->commit, first);
}

static void on_done(struct job *job)
{
    http_wait_end(&((struct request *)(void *)job)->wait);
}

/* It has ended, and nothing waits for it. What it wrote goes first. */
static void on_waited(struct http_wait *wait);
static void let_go(struct request *request)
{
    if (!request->job.upload) {
        free_request(request);
        return;
    }
    request->job.kind = JOB_DISCARD;
    http_wait_begin(&request->wait, NULL, HTTP_WAIT_ENDED, on_waited);
}

static void on_waited(struct http_wait *wait)
{
    struct request *request = request_of(wait);
    if (request->has_ended)
        let_go(request);
}

/* The handler is called again when it is done. */
static enum MHD_Result submit(struct request *request, enum job_kind kind, enum phase phase)
{
    request->phase = phase;
    request->job.kind = kind;
    request->job.stage = &request->stage;
    request->job.done = on_done;
    clients_rest(request->client);
    http_wait_begin(&request->wait, request->connection,
                    phase == COMMITTING ? HTTP_WAIT_ANSWER : HTTP_WAIT_BODY, on_waited);
    return MHD_YES;
}

/* Its connection may end while it waits. */
void request_end(void *cls, struct MHD_Connection *connection, void **slot,
                 enum MHD_RequestTerminationCode how)
{
    (void)connection, (void)how;
    struct reception *reception = cls;
    struct request *request = *slot;
    *slot = NULL;
    if (!request)
        return;
    clients_await_head(&reception->server.clients, request->client);
    request->has_ended = true;
    if (!http_wait_is_pending(&request->wait))
        let_go(request);
}

/* --- refusing --------------------------------------------------------------------------------------- */

void request_refuse(struct request *request, unsigned status, const char *code, const char *format, ...)
{
    struct refused *refused = &request->refused;
    va_list args;
    va_start(args, format);
    vsnprintf(refused->why, sizeof refused->why, format, args);
    va_end(args);
    refused->status = status;
    refused->code = code;
    refused->retry_s =
        status == MHD_HTTP_TOO_MANY_REQUESTS || status == MHD_HTTP_SERVICE_UNAVAILABLE ? RETRY_S : 0;
    if (status == MHD_HTTP_TOO_MANY_REQUESTS && request->job.table)
        total_add(&request->job.table->database->refused, 1);
    if (request->has_body)
        body_fini(&request->body);
    if (request->has_stage)
        stage_fini(&request->stage);
    request->has_body = request->has_stage = false;
}

static enum MHD_Result answer_now(struct request *request, bool is_last)
{
    is_last |= atomic_load(&request->reception->is_draining);
    clients_await_head(&request->reception->server.clients, request->client);
    return answer_refused(request->reception, request->connection, &request->refused, is_last);
}

/* Refused by what the head says. */
static enum MHD_Result turn_away(struct request *request)
{
    request->phase = REFUSED;
    if (!http_head_is_small(&request->head) || request->head.is_expecting)
        return answer_now(request, true);
    return MHD_YES;
}

/* --- going on --------------------------------------------------------------------------------------- */

/* What the committer said. */
static bool is_done(struct request *request)
{
    const struct job *job = &request->job;
    if (job->result == JOB_FULL)
        request_refuse(request, MHD_HTTP_TOO_MANY_REQUESTS, "full", "no room: %s", job->why);
    else if (job->result == JOB_FAILED)
        request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "disk", "%s", job->why);
    return job->result == JOB_DONE;
}

static enum MHD_Result begin_reading(struct request *request)
{
    request->phase = READING;
    request->started_ns = mono_now().ns;
    clients_await_body(&request->reception->server.clients, request->client, request->started_ns, 0);
    return MHD_YES;
}

/* A body that is small costs less than asking. */
static enum MHD_Result begin_ingest(struct request *request, const char *method)
{
    total_add(&request->reception->totals.in_flight, 1);
    request->is_counted = true;
    if (!admission_grant(request, method))
        return turn_away(request);
    if (http_head_is_small(&request->head))
        return begin_reading(request);
    request->job.room_bytes = request->head.has_length && request->head.length < STAGE_BYTES
                                  ? (int64_t)request->head.length
                                  : STAGE_BYTES;
    return submit(request, JOB_ROOM, ASKING);
}

static enum MHD_Result begin(struct request *request, const char *method)
{
    request->client = http_client(request->connection);
    bool is_reading = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    request->head = http_head_read(request->connection);
    if (request->route.kind == ROUTE_INGEST || request->route.kind == ROUTE_BAD)
        return begin_ingest(request, method);
    if (request->route.kind == ROUTE_NONE)
        request_refuse(request, MHD_HTTP_NOT_FOUND, "not-found",
                       "here are /ingest/<database>/<table>, /healthz, /readyz, /metrics");
    else if (!is_reading)
        request_refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "method", "this is read by GET");
    else if (request->route.kind != ROUTE_METRICS || admission_check_sender(request))
        request->phase = LOOKING;
    return request->phase == LOOKING ? MHD_YES : turn_away(request);
}

static enum MHD_Result answer_look(struct request *request)
{
    struct reception *reception = request->reception;
    if (request->route.kind == ROUTE_HEALTHZ)
        return answer_health(reception, request->connection);
    return request->route.kind == ROUTE_READYZ ? answer_ready(reception, request->connection)
                                               : answer_metrics(reception, request->connection);
}

/* --- the body --------------------------------------------------------------------------------------- */

static void refuse_row(struct request *request)
{
    struct fault fault = request->stage.fault;
    request->refused.fault = fault;
    request_refuse(request, MHD_HTTP_BAD_REQUEST, "bad-row",
                   "row %" PRIu64 " (line %" PRIu64 "): %s; nothing of this request was kept", fault.row,
                   fault.line, fault.why);
}

static void refuse_body(struct request *request, enum body_status status)
{
    uint64_t most = request->reception->settings.body_max_bytes;
    if (status == BODY_BAD_ROW)
        refuse_row(request);
    else if (status == BODY_NO_MEMORY)
        request_refuse(
            request, MHD_HTTP_TOO_MANY_REQUESTS, "busy",
            "bodies that are being received fill the memory that is set aside for them (receive-memory)");
    else if (status == BODY_TOO_LARGE)
        request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "too-large",
                       "at most %" PRIu64 " bytes are taken, inflated or not (max-body-bytes)", most);
    else
        request_refuse(request, MHD_HTTP_BAD_REQUEST, "bad-gzip", "the body is not gzip, or not all of it");
}

/* Refused in the middle: the rest of a body of known length is passed over, of another is not waited for. */
static enum MHD_Result stop_reading(struct request *request, size_t *bytes)
{
    *bytes = 0;
    request->phase = REFUSED;
    if (request->head.has_length || request->refused.status != MHD_HTTP_CONTENT_TOO_LARGE)
        return MHD_YES;
    answer_at_once(request->reception, request->connection, &request->refused);
    return MHD_NO;
}

/* The stage is full: to the committer with it, into files of the request's own. `bytes` is NULL at the body's
 * end. */
static enum MHD_Result hand_on(struct request *request, size_t *bytes)
{
    enum stage_status status = stage_check(&request->stage);
    request->is_full = false;
    if (status == STAGE_OK)
        return submit(request, JOB_PIECE, PIECE);
    refuse_body(request, status == STAGE_BAD ? BODY_BAD_ROW : BODY_NO_MEMORY);
    return bytes ? stop_reading(request, bytes) : answer_now(request, false);
}

/* MHD 0.9.75 calls the handler of a suspended connection again when it took all of one chunk and another is
 * there: so nothing is handed on in a call that took all it was given, but at the beginning of the next. */
static enum MHD_Result read_some(struct request *request, const char *data, size_t *bytes)
{
    if (request->is_full)
        return hand_on(request, bytes);
    enum body_status status = body_take(&request->body, data, bytes);
    clients_await_body(&request->reception->server.clients, request->client, request->started_ns,
                       request->body.coded_bytes);
    request->is_full = status == BODY_FULL;
    if (request->is_full && *bytes > 0)
        return hand_on(request, bytes);
    if (status == BODY_OK || status == BODY_FULL)
        return MHD_YES;
    refuse_body(request, status);
    return stop_reading(request, bytes);
}

static enum MHD_Result answer_job(struct request *request)
{
    struct reception *reception = request->reception;
    const struct job *job = &request->job;
    if (!is_done(request))
        return answer_now(request, false);
    struct database *database = job->table->database;
    total_add(&reception->totals.rows, job->rows);
    total_add(&reception->totals.bytes, job->bytes);
    total_add(&reception->totals.bad_rows, job->bad_rows);
    total_add(&database->rows, job->rows);
    total_add(&database->bytes, job->bytes);
    total_add(&database->bad_rows, job->bad_rows);
    clients_await_head(&reception->server.clients, request->client);
    return answer_taken(reception, request->connection, job,
                        request->stage.first.row ? &request->stage.first : NULL,
                        atomic_load(&reception->is_draining));
}

static enum MHD_Result finish(struct request *request)
{
    enum body_status status = request->is_full ? BODY_FULL : body_finish(&request->body);
    if (status == BODY_FULL)
        return hand_on(request, NULL);
    if (status == BODY_OK) {
        enum stage_status checked = stage_check(&request->stage);
        status = checked == STAGE_OK ? BODY_OK : checked == STAGE_BAD ? BODY_BAD_ROW : BODY_NO_MEMORY;
    }
    if (status != BODY_OK) {
        refuse_body(request, status);
        return answer_now(request, false);
    }
    bool is_empty = request->stage.checked == 0 && request->stage.bad.fill == 0 && !request->job.upload;
    if (!is_empty)
        return submit(request, JOB_COMMIT, COMMITTING);
    request->job.result = JOB_DONE;
    return answer_job(request);
}

/* --- the handler ------------------------------------------------------------------------------------ */

/* The committer has answered, and what it was asked was not the last thing. */
static void go_on(struct request *request)
{
    bool was_piece = request->phase == PIECE;
    if (!is_done(request)) {
        request->phase = REFUSED;
        return;
    }
    if (was_piece)
        stage_next(&request->stage);
    request->phase = READING;
    clients_await_body(&request->reception->server.clients, request->client, request->started_ns,
                       request->body.coded_bytes);
}

enum MHD_Result request_handle(void *cls, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data, size_t *bytes,
                               void **slot)
{
    (void)cls, (void)url, (void)version;
    struct request *request = *slot;
    if (!request)
        return MHD_NO; /* no memory */
    request->connection = connection;
    switch (request->phase) {
    case NEW:
        return begin(request, method);
    case LOOKING:
        *bytes = 0;
        return answer_look(request);
    case ASKING: /* still before the body */
        return is_done(request) ? begin_reading(request) : turn_away(request);
    case COMMITTING:
        return http_wait_goes_on(&request->wait) ? MHD_YES : answer_job(request);
    case PIECE:
        go_on(request);
        break;
    case READING:
    case REFUSED:
        break;
    }
    if (request->phase == READING)
        return *bytes > 0 ? read_some(request, data, bytes) : finish(request);
    if (*bytes == 0)
        return answer_now(request, false);
    *bytes = 0;
    return MHD_YES;
}
