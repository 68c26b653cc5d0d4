#include "common/http/answer.h"

#include <gnutls/gnutls.h>
#include <sys/socket.h>

#include "common/base/buf.h"

enum { AT_ONCE_MAX = 64 << 10 };

char *http_json_line(json_t *take_object)
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

enum MHD_Result http_answer(struct MHD_Connection *connection, const struct http_answer *answer)
{
    if (!answer->text)
        return MHD_NO;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(answer->text), answer->text, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(answer->text);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    for (const char *const *header = answer->headers; header && *header; header += 2)
        MHD_add_response_header(response, header[0], header[1]);
    if (answer->is_last)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

static void write_out(struct MHD_Connection *connection, const struct buf *text)
{
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const union MHD_ConnectionInfo *plain =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (tls && tls->tls_session)
        (void)gnutls_record_send(tls->tls_session, text->data, text->len);
    else if (plain)
        (void)!send(plain->connect_fd, text->data, text->len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void http_answer_at_once(struct MHD_Connection *connection, const struct http_answer *answer)
{
    struct buf text;
    buf_init(&text, AT_ONCE_MAX);
    int rc = answer->text
                 ? buf_printf(&text, "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Type: %s\r\n",
                              answer->status, MHD_get_reason_phrase_for(answer->status), answer->type)
                 : -1;
    for (const char *const *header = answer->headers; rc == 0 && header && *header; header += 2)
        rc = buf_printf(&text, "%s: %s\r\n", header[0], header[1]);
    if (rc == 0)
        rc = buf_printf(&text, "Content-Length: %zu\r\n\r\n%s", strlen(answer->text), answer->text);
    if (rc == 0)
        write_out(connection, &text);
    buf_fini(&text);
    free(answer->text);
}
