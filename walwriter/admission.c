#include "walwriter/admission.h"

#include <errno.h>
#include <inttypes.h>

#include "walwriter/request_parts.h"

bool admission_check_sender(struct request *request)
{
    switch (http_server_check(&request->reception->server, request->connection)) {
    case AUTH_NOBODY:
        request_refuse(request, MHD_HTTP_UNAUTHORIZED, "unauthorized",
                       "a token (Authorization: Bearer ...) or a client certificate is wanted here");
        return false;
    case AUTH_WRONG:
        request_refuse(request, MHD_HTTP_FORBIDDEN, "forbidden", "this is not the token that is wanted here");
        return false;
    case AUTH_OK:
        break;
    }
    return true;
}

static bool check_target(struct request *request, const char *method)
{
    const struct route *route = &request->route;
    const struct receive_settings *settings = &request->reception->settings;
    if (strcmp(method, MHD_HTTP_METHOD_POST) != 0)
        request_refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "method", "rows are sent by POST");
    else if (route->kind == ROUTE_BAD)
        request_refuse(request, MHD_HTTP_BAD_REQUEST, "bad-request", "%s", route->why);
    else if (atomic_load(&request->reception->is_draining))
        request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "draining",
                       "this receiver is about to leave: send to another");
    else if (settings->database_count > 0 &&
             !conf_words_have(settings->databases, settings->database_count, route->db))
        request_refuse(request, MHD_HTTP_FORBIDDEN, "database", "database '%.200s' is not taken here",
                       route->db);
    return request->refused.status == 0;
}

static bool check_size(struct request *request, enum body_encoding *encoding)
{
    const char *text = http_header(request->connection, MHD_HTTP_HEADER_CONTENT_ENCODING);
    uint64_t most = request->reception->settings.body_max_bytes;
    if (body_encoding_of(text, encoding) != 0)
        request_refuse(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "encoding",
                       "Content-Encoding '%.100s': gzip and identity are known", text);
    else if (request->head.has_length && request->head.length > most)
        request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "too-large",
                       "a body of %" PRIu64 " bytes: at most %" PRIu64 " are taken (max-body-bytes)",
                       request->head.length, most);
    return request->refused.status == 0;
}

static bool check_room(struct request *request)
{
    struct reception *reception = request->reception;
    struct refusal refusal;
    struct err err;
    int rc = registry_get(&reception->registry, &request->route, &request->job.table, &err);
    if (rc) {
        request->job.table = NULL;
        if (rc == -EINVAL)
            request_refuse(request, MHD_HTTP_BAD_REQUEST, "bad-name", "%s", err.text);
        else
            request_refuse(request, MHD_HTTP_TOO_MANY_REQUESTS, "busy", "%s", err.text);
    } else if (!registry_has_room(&reception->registry, request->job.table->database, &refusal)) {
        request_refuse(request, MHD_HTTP_TOO_MANY_REQUESTS, "full", "no room: %s", refusal.reason);
    }
    return rc == 0 && request->refused.status == 0;
}

static bool make_stage(struct request *request, enum body_encoding encoding)
{
    const struct receive_settings *settings = &request->reception->settings;
    uint64_t expected = request->head.has_length && encoding == BODY_IDENTITY ? request->head.length : 0;
    enum stage_status status = stage_init(&request->stage, &request->reception->memory, request->route.format,
                                          settings->row_max_bytes, request->route.is_partial, expected);
    request->has_stage = true;
    request->has_body = status == STAGE_OK;
    if (status == STAGE_OK &&
        body_init(&request->body, &request->stage, encoding, settings->body_max_bytes) == BODY_OK)
        return true;
    request_refuse(
        request, MHD_HTTP_TOO_MANY_REQUESTS, "busy",
        "bodies that are being received fill the memory that is set aside for them (receive-memory)");
    return false;
}

bool admission_grant(struct request *request, const char *method)
{
    enum body_encoding encoding;
    return admission_check_sender(request) && check_target(request, method) &&
           check_size(request, &encoding) && check_room(request) && make_stage(request, encoding);
}
