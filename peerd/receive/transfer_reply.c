#include "peerd/receive/transfer_reply.h"

#include <inttypes.h>
#include <stdarg.h>

#include "common/http/answer.h"

enum { RETRY_BUSY_S = 1, RETRY_FULL_S = 10, HEADERS_MAX = 7 };

void refusal_set(struct refusal *refusal, unsigned status, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(refusal->why, sizeof refusal->why, format, args);
    va_end(args);
    refusal->status = status;
    refusal->code = code;
    refusal->retry_s = status == MHD_HTTP_TOO_MANY_REQUESTS     ? RETRY_FULL_S
                       : status == MHD_HTTP_SERVICE_UNAVAILABLE ? RETRY_BUSY_S
                                                                : 0;
}

static enum MHD_Result send_text(struct receiving *receiving, struct MHD_Connection *connection,
                                 unsigned status, char *take_text, bool is_last)
{
    const struct http_answer answer = {status, HTTP_TYPE_JSON, take_text, NULL, is_last};
    receiving_count(receiving, status);
    return http_answer(connection, &answer);
}

/* --- refusals --------------------------------------------------------------------------------------- */

struct headers {
    const char *list[HEADERS_MAX];
    char retry[16];
};

static void put_headers(struct headers *headers, const struct refusal *refusal)
{
    size_t n = 0;
    *headers = (struct headers){0};
    if (refusal->retry_s > 0) {
        snprintf(headers->retry, sizeof headers->retry, "%d", refusal->retry_s);
        headers->list[n++] = MHD_HTTP_HEADER_RETRY_AFTER;
        headers->list[n++] = headers->retry;
    }
    if (refusal->failover) {
        headers->list[n++] = "Spillway-Failover";
        headers->list[n++] = refusal->failover;
    }
    if (refusal->status == MHD_HTTP_UNAUTHORIZED) {
        headers->list[n++] = MHD_HTTP_HEADER_WWW_AUTHENTICATE;
        headers->list[n++] = "Bearer";
    }
}

static char *text_of(const struct refusal *refusal)
{
    return http_json_line(json_pack("{s:i, s:s, s:s}", "v", 1, "code", refusal->code, "why", refusal->why));
}

enum MHD_Result reply_refused(struct receiving *receiving, struct MHD_Connection *connection,
                              const struct refusal *refusal, bool is_last)
{
    struct headers headers;
    put_headers(&headers, refusal);
    const struct http_answer answer = {refusal->status, HTTP_TYPE_JSON, text_of(refusal), headers.list,
                                       is_last};
    receiving_count(receiving, refusal->status);
    return http_answer(connection, &answer);
}

void reply_at_once(struct receiving *receiving, struct MHD_Connection *connection,
                   const struct refusal *refusal)
{
    struct headers headers;
    put_headers(&headers, refusal);
    const struct http_answer answer = {refusal->status, HTTP_TYPE_JSON, text_of(refusal), headers.list, true};
    receiving_count(receiving, refusal->status);
    http_answer_at_once(connection, &answer);
}

/* --- the others ------------------------------------------------------------------------------------- */

enum MHD_Result reply_stored(struct receiving *receiving, struct MHD_Connection *connection, uint64_t rows,
                             uint64_t bytes, bool is_last)
{
    char *text;
    if (asprintf(&text,
                 "{\"v\":1,\"code\":\"stored\",\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"sync\":\"%s\"}\n",
                 rows, bytes, sync_mode_name(receiving->settings.landing.sync)) < 0)
        text = NULL;
    return send_text(receiving, connection, MHD_HTTP_ACCEPTED, text, is_last);
}

enum MHD_Result reply_known(struct receiving *receiving, struct MHD_Connection *connection, bool is_last)
{
    return send_text(receiving, connection, MHD_HTTP_OK,
                     strdup("{\"v\":1,\"code\":\"known\",\"why\":\"this transfer is here already\"}\n"),
                     is_last);
}

enum MHD_Result reply_health(struct receiving *receiving, struct MHD_Connection *connection)
{
    return send_text(receiving, connection, MHD_HTTP_OK, strdup("{\"ok\":true}\n"), false);
}

enum MHD_Result reply_ready(struct receiving *receiving, struct MHD_Connection *connection)
{
    json_t *reasons = receiving_reasons(receiving);
    bool is_ready = json_array_size(reasons) == 0;
    char *text = http_json_line(json_pack("{s:b, s:o}", "ready", is_ready, "reasons", reasons));
    return send_text(receiving, connection, is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, text,
                     false);
}

enum MHD_Result reply_state(struct receiving *receiving, struct MHD_Connection *connection)
{
    return send_text(receiving, connection, MHD_HTTP_OK, receiving_peer_state(receiving), false);
}

enum MHD_Result reply_metrics(struct receiving *receiving, struct MHD_Connection *connection, char *take_text)
{
    const struct http_answer answer = {MHD_HTTP_OK, HTTP_TYPE_METRICS, take_text, NULL, false};
    receiving_count(receiving, MHD_HTTP_OK);
    return http_answer(connection, &answer);
}
