#include "walwriter/answer.h"

#include <inttypes.h>

#include "common/http/answer.h"

static void count(struct reception *reception, unsigned status)
{
    total_add(&reception->totals.answers[status / 100 < 6 ? status / 100 : 0], 1);
}

/* `text` is malloc'd and taken; NULL: no memory, the connection ends. */
static enum MHD_Result send_text(struct reception *reception, struct MHD_Connection *connection,
                                 unsigned status, const char *type, char *take_text,
                                 const char *const *headers, bool is_last)
{
    const struct http_answer answer = {status, type, take_text, headers, is_last};
    count(reception, status);
    return http_answer(connection, &answer);
}

static void set_fault(json_t *object, const struct fault *fault)
{
    json_object_set_new(object, "row", json_integer((json_int_t)fault->row));
    json_object_set_new(object, "line", json_integer((json_int_t)fault->line));
    json_object_set_new(object, "reason", json_string(fault->why));
}

static char *text_of(const struct refused *refused)
{
    json_t *object = json_pack("{s:s, s:s}", "error", refused->why, "code", refused->code);
    if (object && refused->fault.row)
        set_fault(object, &refused->fault);
    return http_json_line(object);
}

enum MHD_Result answer_refused(struct reception *reception, struct MHD_Connection *connection,
                               const struct refused *refused, bool is_last)
{
    char retry[16];
    snprintf(retry, sizeof retry, "%d", refused->retry_s);
    const char *headers[7] = {0};
    size_t n = 0;
    if (refused->retry_s) {
        headers[n++] = MHD_HTTP_HEADER_RETRY_AFTER;
        headers[n++] = retry;
    }
    if (refused->status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        headers[n++] = MHD_HTTP_HEADER_ALLOW;
        headers[n++] = "POST";
    } else if (refused->status == MHD_HTTP_UNAUTHORIZED) {
        headers[n++] = MHD_HTTP_HEADER_WWW_AUTHENTICATE;
        headers[n++] = "Bearer";
    } else if (refused->status == MHD_HTTP_UNSUPPORTED_MEDIA_TYPE) {
        headers[n++] = MHD_HTTP_HEADER_ACCEPT_ENCODING;
        headers[n++] = "gzip, identity";
    }
    return send_text(reception, connection, refused->status, HTTP_TYPE_JSON, text_of(refused), headers,
                     is_last);
}

enum MHD_Result answer_taken(struct reception *reception, struct MHD_Connection *connection,
                             const struct job *job, const struct fault *first, bool is_last)
{
    char *text = NULL;
    const char *sync = sync_mode_name(reception->settings.sync);
    if (first) {
        json_t *bad = json_object();
        set_fault(bad, first);
        text = http_json_line(json_pack("{s:I, s:I, s:I, s:o, s:s}", "rows", (json_int_t)job->rows, "bytes",
                                        (json_int_t)job->bytes, "bad_rows", (json_int_t)job->bad_rows,
                                        "first_bad", bad, "sync", sync));
    } else if (asprintf(&text,
                        "{\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"bad_rows\":0,\"sync\":\"%s\"}\n",
                        job->rows, job->bytes, sync) < 0) {
        text = NULL;
    }
    return send_text(reception, connection, MHD_HTTP_OK, HTTP_TYPE_JSON, text, NULL, is_last);
}

/* --- the other paths -------------------------------------------------------------------------------- */

enum MHD_Result answer_health(struct reception *reception, struct MHD_Connection *connection)
{
    return send_text(reception, connection, MHD_HTTP_OK, HTTP_TYPE_JSON, strdup("{\"ok\":true}\n"), NULL,
                     false);
}

enum MHD_Result answer_ready(struct reception *reception, struct MHD_Connection *connection)
{
    const char *reasons[REASONS_MAX];
    size_t count_of = reception_reasons(reception, reasons);
    json_t *list = json_array();
    for (size_t i = 0; i < count_of; i++)
        json_array_append_new(list, json_string(reasons[i]));
    char *text = http_json_line(json_pack("{s:b, s:o}", "ready", count_of == 0, "reasons", list));
    return send_text(reception, connection, count_of ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK,
                     HTTP_TYPE_JSON, text, NULL, false);
}

enum MHD_Result answer_metrics(struct reception *reception, struct MHD_Connection *connection)
{
    struct metrics metrics;
    metrics_init(&metrics);
    reception_metrics(reception, &metrics);
    char *text = metrics.text.data ? strdup(metrics.text.data) : NULL;
    metrics_fini(&metrics);
    return send_text(reception, connection, MHD_HTTP_OK, HTTP_TYPE_METRICS, text, NULL, false);
}

/* --- in the middle of a body ------------------------------------------------------------------------ */

void answer_at_once(struct reception *reception, struct MHD_Connection *connection,
                    const struct refused *refused)
{
    const struct http_answer answer = {
        .status = refused->status, .type = HTTP_TYPE_JSON, .text = text_of(refused)};
    http_answer_at_once(connection, &answer);
    count(reception, refused->status);
}
