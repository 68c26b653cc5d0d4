#include "walwriter/answer.h"

#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <sys/socket.h>

static const char type_json[] = "application/json";

static void count(struct reception *reception, unsigned status)
{
    total_add(&reception->totals.answers[status / 100 < 6 ? status / 100 : 0], 1);
}

/* `text` is malloc'd and taken; NULL: no memory, the connection ends. */
static enum MHD_Result send_text(struct reception *reception, struct MHD_Connection *connection,
                                 unsigned status, const char *type, char *take_text,
                                 const char *const *headers, bool is_last)
{
    if (!take_text)
        return MHD_NO;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(take_text), take_text, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(take_text);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (; headers && *headers; headers += 2)
        MHD_add_response_header(response, headers[0], headers[1]);
    if (is_last)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    count(reception, status);
    return result;
}

static char *dump(json_t *take_object)
{
    char *text = take_object ? json_dumps(take_object, JSON_COMPACT) : NULL;
    json_decref(take_object);
    char *line = text ? realloc(text, strlen(text) + 2) : NULL;
    if (line)
        memcpy(line + strlen(line), "\n", 2);
    else
        free(text);
    return line;
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
    return dump(object);
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
    return send_text(reception, connection, refused->status, type_json, text_of(refused), headers, is_last);
}

enum MHD_Result answer_taken(struct reception *reception, struct MHD_Connection *connection,
                             const struct job *job, const struct fault *first, bool is_last)
{
    char *text = NULL;
    const char *sync = sync_mode_name(reception->settings.sync);
    if (first) {
        json_t *bad = json_object();
        set_fault(bad, first);
        text = dump(json_pack("{s:I, s:I, s:I, s:o, s:s}", "rows", (json_int_t)job->rows, "bytes",
                              (json_int_t)job->bytes, "bad_rows", (json_int_t)job->bad_rows, "first_bad", bad,
                              "sync", sync));
    } else if (asprintf(&text,
                        "{\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"bad_rows\":0,\"sync\":\"%s\"}\n",
                        job->rows, job->bytes, sync) < 0) {
        text = NULL;
    }
    return send_text(reception, connection, MHD_HTTP_OK, type_json, text, NULL, is_last);
}

/* --- the other paths ---------------------------------------------------------------------------------- */

enum MHD_Result answer_health(struct reception *reception, struct MHD_Connection *connection)
{
    return send_text(reception, connection, MHD_HTTP_OK, type_json, strdup("{\"ok\":true}\n"), NULL, false);
}

enum MHD_Result answer_ready(struct reception *reception, struct MHD_Connection *connection)
{
    const char *reasons[REASONS_MAX];
    size_t count_of = reception_reasons(reception, reasons);
    json_t *list = json_array();
    for (size_t i = 0; i < count_of; i++)
        json_array_append_new(list, json_string(reasons[i]));
    char *text = dump(json_pack("{s:b, s:o}", "ready", count_of == 0, "reasons", list));
    return send_text(reception, connection, count_of ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, type_json,
                     text, NULL, false);
}

enum MHD_Result answer_metrics(struct reception *reception, struct MHD_Connection *connection)
{
    struct metrics metrics;
    metrics_init(&metrics);
    reception_metrics(reception, &metrics);
    char *text = metrics.text.data ? strdup(metrics.text.data) : NULL;
    metrics_fini(&metrics);
    return send_text(reception, connection, MHD_HTTP_OK, "text/plain; version=0.0.4", text, NULL, false);
}

/* --- in the middle of a body -------------------------------------------------------------------------- */

static void write_out(struct MHD_Connection *connection, const char *text, size_t bytes)
{
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const union MHD_ConnectionInfo *plain =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (tls && tls->tls_session)
        (void)gnutls_record_send(tls->tls_session, text, bytes);
    else if (plain)
        (void)!send(plain->connect_fd, text, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void answer_at_once(struct reception *reception, struct MHD_Connection *connection,
                    const struct refused *refused)
{
    char *text = text_of(refused), *answer = NULL;
    if (!text)
        return;
    int bytes = asprintf(
        &answer, "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
        refused->status, MHD_get_reason_phrase_for(refused->status), type_json, strlen(text), text);
    if (bytes > 0)
        write_out(connection, answer, (size_t)bytes);
    if (bytes >= 0)
        free(answer);
    free(text);
    count(reception, refused->status);
}
