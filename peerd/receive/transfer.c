#include "peerd/receive/transfer.h"

#include <errno.h>
#include <inttypes.h>

#include "common/base/log.h"
#include "peerd/receive/transfer_parts.h"

void *transfer_begin(void *arg, const char *text, struct MHD_Connection *connection)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    (void)connection;
    if (transfer && transfer_target_init(&transfer->target, text) != 0) {
        free(transfer);
        return NULL;
    }
    if (transfer)
        transfer->receiving = arg;
    return transfer;
}

/* --- refusing --------------------------------------------------------------------------------------- */

#define refuse transfer_refuse

static const char *request_id(const struct transfer *transfer)
{
    const char *id = http_header(transfer->connection, "X-Request-Id");
    return id ? id : "";
}

/* In both logs by the same id: the sender's and ours. */
static void log_refused(const struct transfer *transfer)
{
    const struct refusal *refusal = &transfer->refusal;
    log_info("transfer-refused", log_n("status", refusal->status), log_s("code", refusal->code),
             log_s("id", transfer->target.id), log_s("db", transfer->target.db),
             log_s("from", transfer->job.marker.from), log_s("request", request_id(transfer)),
             log_s("why", refusal->why));
}

static bool is_last(const struct transfer *transfer)
{
    return atomic_load(&transfer->receiving->is_draining);
}

static enum MHD_Result answer_refusal(struct transfer *transfer, bool ends)
{
    struct receiving *receiving = transfer->receiving;
    clients_await_head(&receiving->server.clients, transfer->client);
    if (transfer->refusal.status == MHD_HTTP_OK)
        return reply_known(receiving, transfer->connection, ends || is_last(transfer));
    if (transfer->is_counted)
        log_refused(transfer);
    return reply_refused(receiving, transfer->connection, &transfer->refusal, ends || is_last(transfer));
}

/* Answered by what the head says. */
static enum MHD_Result turn_away(struct transfer *transfer)
{
    transfer->phase = REFUSED;
    if (!http_head_is_small(&transfer->head) || transfer->head.is_expecting)
        return answer_refusal(transfer, true);
    return MHD_YES;
}

/* --- going on --------------------------------------------------------------------------------------- */

/* The handler is called again when it is done. */
static enum MHD_Result submit(struct transfer *transfer, enum land_kind kind, enum phase phase)
{
    transfer->phase = phase;
    transfer_await_lander(transfer, kind, phase == COMMITTING ? HTTP_WAIT_ANSWER : HTTP_WAIT_BODY);
    return MHD_YES;
}

/* What the lander said. */
static bool is_done(struct transfer *transfer)
{
    const struct landing_job *job = &transfer->job;
    if (job->result == LAND_FULL)
        transfer_refuse_room(transfer, job->is_spent, job->why);
    else if (job->result == LAND_FAILED)
        refuse(transfer, MHD_HTTP_SERVICE_UNAVAILABLE, "disk", "%s", job->why);
    return job->result == LAND_DONE;
}

static void await_body(struct transfer *transfer)
{
    clients_await_body(&transfer->receiving->server.clients, transfer->client, transfer->started_ns,
                       transfer->body->bytes);
}

static enum MHD_Result begin_reading(struct transfer *transfer)
{
    transfer->phase = READING;
    transfer->started_ns = mono_now().ns;
    await_body(transfer);
    return MHD_YES;
}

/* A body that is small and on its way costs less than asking. */
static enum MHD_Result begin_transfer(struct transfer *transfer, const char *method)
{
    const struct receiving *receiving = transfer->receiving;
    total_add(&transfer->receiving->in_flight, 1);
    transfer->is_counted = true;
    if (!transfer_admit(transfer, method))
        return turn_away(transfer);
    if (http_head_is_small(&transfer->head) && !transfer->head.is_expecting)
        return begin_reading(transfer);
    transfer->job.room_bytes =
        transfer->head.has_length ? (int64_t)transfer->head.length : (int64_t)receiving->settings.piece_bytes;
    return submit(transfer, LAND_ROOM, ASKING);
}

/* --- the other paths -------------------------------------------------------------------------------- */

static enum MHD_Result look(struct transfer *transfer)
{
    struct receiving *receiving = transfer->receiving;
    switch (transfer->target.kind) {
    case TARGET_HEALTHZ:
        return reply_health(receiving, transfer->connection);
    case TARGET_READYZ:
        return reply_ready(receiving, transfer->connection);
    case TARGET_STATE:
        return reply_state(receiving, transfer->connection);
    case TARGET_METRICS:
        transfer->phase = SCRAPING;
        transfer_await_scrape(transfer);
        return MHD_YES;
    case TARGET_NONE:
    case TARGET_BAD:
    case TARGET_TRANSFER:
        break;
    }
    return MHD_NO;
}

static enum MHD_Result answer_metrics(struct transfer *transfer)
{
    char *text = transfer->scrape.text;
    transfer->scrape.text = NULL;
    clients_await_head(&transfer->receiving->server.clients, transfer->client);
    return reply_metrics(transfer->receiving, transfer->connection, text);
}

static enum MHD_Result begin(struct transfer *transfer, const char *method)
{
    enum transfer_kind kind = transfer->target.kind;
    bool is_reading = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    transfer->client = http_client(transfer->connection);
    transfer->head = http_head_read(transfer->connection);
    if (kind == TARGET_TRANSFER || kind == TARGET_BAD)
        return begin_transfer(transfer, method);
    if (kind == TARGET_NONE)
        refuse(transfer, MHD_HTTP_NOT_FOUND, "not-found",
               "here are /transfer, /peer/state, /healthz, /readyz, /metrics");
    else if (!is_reading)
        refuse(transfer, MHD_HTTP_METHOD_NOT_ALLOWED, "method", "this is read by GET");
    else if (kind == TARGET_HEALTHZ || kind == TARGET_READYZ || transfer_check_sender(transfer))
        transfer->phase = LOOKING;
    return transfer->phase == LOOKING ? MHD_YES : turn_away(transfer);
}

/* --- the body --------------------------------------------------------------------------------------- */

static void refuse_body(struct transfer *transfer, enum transfer_body_status status)
{
    if (status == BODY_NO_MEMORY)
        transfer_refuse_memory(transfer);
    else
        refuse(transfer, MHD_HTTP_BAD_REQUEST, "bad-segment", "the body is no segment of this table: %s",
               transfer->body->why);
}

/* Refused in the middle: what still comes of a body of known length is passed over, so that the sender hears
 * the answer; one of unknown length may be without end. */
static enum MHD_Result stop_reading(struct transfer *transfer, size_t *bytes)
{
    *bytes = 0;
    transfer->phase = REFUSED;
    if (transfer->head.has_length)
        return MHD_YES;
    log_refused(transfer);
    reply_at_once(transfer->receiving, transfer->connection, &transfer->refusal);
    return MHD_NO;
}

static enum MHD_Result hand_on(struct transfer *transfer)
{
    transfer->is_full = false;
    return submit(transfer, LAND_PIECE, PIECE);
}

/* MHD 0.9.75 calls the handler of a suspended connection again when it took all of one chunk and another is
 * there: so nothing is handed on in a call that took all it was given, but at the beginning of the next. */
static enum MHD_Result read_some(struct transfer *transfer, const char *data, size_t *bytes)
{
    uint64_t most = transfer_most_bytes(transfer);
    if (transfer->is_full)
        return hand_on(transfer);
    enum transfer_body_status status = transfer_body_take(transfer->body, data, bytes);
    await_body(transfer);
    if (transfer->body->bytes > most) {
        refuse(transfer, MHD_HTTP_CONTENT_TOO_LARGE, "too-large",
               "at most %" PRIu64 " bytes are taken (max-transfer-bytes)", most);
        return stop_reading(transfer, bytes);
    }
    transfer->is_full = status == BODY_FULL;
    if (transfer->is_full && *bytes > 0)
        return hand_on(transfer);
    if (status == BODY_OK || status == BODY_FULL)
        return MHD_YES;
    refuse_body(transfer, status);
    return stop_reading(transfer, bytes);
}

static enum MHD_Result answer_stored(struct transfer *transfer)
{
    struct receiving *receiving = transfer->receiving;
    const struct transfer_body *body = transfer->body;
    struct received_database *database = transfer->job.key.database;
    if (!is_done(transfer))
        return answer_refusal(transfer, false);
    if (transfer->job.kind == LAND_ASIDE) {
        transfer_refuse_conflict(transfer);
        return answer_refusal(transfer, false);
    }
    total_add(&database->transfers, 1);
    total_add(&database->rows, body->rows);
    total_add(&database->bytes, body->bytes);
    log_info("received", log_s("id", transfer->target.id), log_s("from", transfer->job.marker.from),
             log_s("db", transfer->target.db), log_s("table", transfer->target.table),
             log_u("rows", body->rows), log_u("bytes", body->bytes), log_s("request", request_id(transfer)));
    clients_await_head(&receiving->server.clients, transfer->client);
    return reply_stored(receiving, transfer->connection, body->rows, body->bytes, is_last(transfer));
}

/* The body of an id that is here. */
static enum MHD_Result finish_known(struct transfer *transfer, struct digest_value digest)
{
    if (!digest_is_equal(digest, transfer->known))
        return submit(transfer, LAND_ASIDE, COMMITTING);
    transfer_refuse_known(transfer);
    return answer_refusal(transfer, false);
}

static enum MHD_Result finish(struct transfer *transfer)
{
    enum transfer_body_status status = transfer_body_finish(transfer->body);
    struct digest_value digest = digest_value(&transfer->body->digest);
    if (status != BODY_OK) {
        refuse_body(transfer, status);
        return answer_refusal(transfer, false);
    }
    if (transfer->told.bytes && !digest_is_equal(transfer->told, digest)) {
        refuse(transfer, MHD_HTTP_BAD_REQUEST, "digest", "the body is not the one of Spillway-Digest");
        return answer_refusal(transfer, false);
    }
    if (transfer->is_known)
        return finish_known(transfer, digest);
    return submit(transfer, LAND_COMMIT, COMMITTING);
}

/* --- the handler ------------------------------------------------------------------------------------ */

/* The piece was written. */
static void go_on(struct transfer *transfer)
{
    if (!is_done(transfer)) {
        transfer->phase = REFUSED;
        return;
    }
    transfer_body_next(transfer->body);
    transfer->phase = READING;
    await_body(transfer);
}

static enum MHD_Result go_on_body(struct transfer *transfer, const char *data, size_t *bytes)
{
    if (transfer->phase == READING)
        return *bytes > 0 ? read_some(transfer, data, bytes) : finish(transfer);
    if (*bytes == 0)
        return answer_refusal(transfer, false);
    *bytes = 0;
    return MHD_YES;
}

enum MHD_Result transfer_handle(void *arg, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *data, size_t *bytes,
                                void **slot)
{
    struct transfer *transfer = *slot;
    (void)arg, (void)url, (void)version;
    if (!transfer)
        return MHD_NO; /* no memory */
    transfer->connection = connection;
    switch (transfer->phase) {
    case NEW:
        return begin(transfer, method);
    case LOOKING:
        *bytes = 0;
        return look(transfer);
    case SCRAPING:
        return http_wait_goes_on(&transfer->wait) ? MHD_YES : answer_metrics(transfer);
    case ASKING: /* still before the body */
        return is_done(transfer) ? begin_reading(transfer) : turn_away(transfer);
    case COMMITTING:
        return http_wait_goes_on(&transfer->wait) ? MHD_YES : answer_stored(transfer);
    case PIECE:
        go_on(transfer);
        break;
    case READING:
    case REFUSED:
        break;
    }
    return go_on_body(transfer, data, bytes);
}
