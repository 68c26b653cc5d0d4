#include "tests/adxsim/server.h"

#include <microhttpd.h>
#include <time.h>

#include "tests/adxsim/api.h"
#include "tests/adxsim/gunzip.h"
#include "tests/adxsim/journal.h"
#include "tests/adxsim/site.h"

enum { CONNECTIONS_MAX = 512, IDLE_S = 120, CONNECTION_BYTES = 128 << 10, PIECE_BYTES = 64 << 10 };

struct server {
    const struct sim *sim;
    const struct site *site;
    struct MHD_Daemon *daemon;
};

/* A request under way. Made when its first line is known, freed when the library is done with it. */
struct exchange {
    struct request request;
    struct timespec started;
    char *query;
    bool headers_read;
};

/* A reply of which the library asks piece by piece. */
struct outgoing {
    struct reply reply;
    size_t sent;
};

static void *begin(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct exchange *exchange = mem_alloc(sizeof *exchange);
    size_t path = strcspn(uri, "?");

    const struct server *server = cls;

    (void)connection;
    clock_gettime(CLOCK_MONOTONIC, &exchange->started);
    exchange->request.host = server->site->host;
    exchange->request.site = server->site;
    exchange->request.path = mem_strndup(uri, path);
    exchange->query = mem_strdup(uri[path] ? uri + path + 1 : "");
    exchange->request.query = exchange->query;
    ident_guid(exchange->request.activity_id);
    buf_init(&exchange->request.headers, 2 * CONNECTION_BYTES);
    buf_init(&exchange->request.body, api_body_max(server->site->host, exchange->request.path));
    return exchange;
}

static void end(void *cls, struct MHD_Connection *connection, void **context,
                enum MHD_RequestTerminationCode how)
{
    struct exchange *exchange = *context;

    (void)cls, (void)connection, (void)how;
    if (!exchange)
        return;
    buf_fini(&exchange->request.body);
    buf_fini(&exchange->request.headers);
    free(exchange->request.path);
    free(exchange->request.database);
    free(exchange->request.csl_head);
    free(exchange->query);
    free(exchange);
    *context = NULL;
}

static enum MHD_Result keep_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    buf_printf(cls, "%s: %s\n", name, value ? value : "");
    return MHD_YES;
}

static void read_headers(struct exchange *exchange, struct MHD_Connection *connection, const char *method)
{
    struct request *r = &exchange->request;

    r->method = method;
    r->content_type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Type");
    r->content_encoding = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Encoding");
    r->accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept");
    r->authorization = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    r->request_id = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "x-ms-client-request-id");
    MHD_get_connection_values(connection, MHD_HEADER_KIND, keep_header, &r->headers);
    exchange->headers_read = true;
}

static ssize_t next_piece(void *cls, uint64_t at, char *data, size_t max)
{
    struct outgoing *out = cls;
    ssize_t n;

    (void)at;
    if (out->reply.read) {
        n = out->reply.read(out->reply.context, data, max);
        return n > 0 ? n : n == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    }
    /* REPLY_CUT: half of what was announced. */
    size_t left = out->reply.body.len / 2 - out->sent;
    if (left == 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = (ssize_t)(left < max ? left : max);
    memcpy(data, out->reply.body.data + out->sent, (size_t)n);
    out->sent += (size_t)n;
    return n;
}

static void free_outgoing(void *cls)
{
    struct outgoing *out = cls;

    if (out->reply.close)
        out->reply.close(out->reply.context);
    buf_fini(&out->reply.body);
    free(out);
}

/* Takes what reply owns. */
static struct MHD_Response *make_response(struct reply *reply)
{
    if (!reply->read && reply->end == REPLY_WHOLE) {
        struct MHD_Response *response =
            MHD_create_response_from_buffer(reply->body.len, reply->body.data, MHD_RESPMEM_MUST_COPY);
        buf_fini(&reply->body);
        return response;
    }
    struct outgoing *out = mem_alloc(sizeof *out);
    out->reply = *reply;
    return MHD_create_response_from_callback(reply->read ? MHD_SIZE_UNKNOWN : reply->body.len, PIECE_BYTES,
                                             next_piece, out, free_outgoing);
}

static void compress_body(struct reply *reply)
{
    struct buf packed;

    buf_init(&packed, reply->body.max);
    gzip_compress(buf_text(&reply->body), reply->body.len, &packed);
    buf_fini(&reply->body);
    reply->body = packed;
}

static void add_further(struct MHD_Response *response, const struct buf *headers)
{
    for (const char *at = buf_text(headers); *at;) {
        size_t line = strcspn(at, "\n"), name_len = strcspn(at, ":");
        size_t skip = name_len + 1 + strspn(at + name_len + 1, " ");
        char *name = mem_strndup(at, name_len);
        char *value = mem_strndup(at + skip, skip < line ? line - skip : 0);
        MHD_add_response_header(response, name, value);
        free(name);
        free(value);
        at += line + (at[line] ? 1 : 0);
    }
}

static void add_headers(struct MHD_Response *response, const struct request *request,
                        const struct reply *reply)
{
    char retry_after[16];

    (void)snprintf(retry_after, sizeof retry_after, "%d", reply->retry_after_s);
    if (reply->content_type)
        MHD_add_response_header(response, "Content-Type", reply->content_type);
    if (reply->gzip)
        MHD_add_response_header(response, "Content-Encoding", "gzip");
    if (reply->retry_after_s >= 0)
        MHD_add_response_header(response, "Retry-After", retry_after);
    if (reply->status == 401)
        MHD_add_response_header(response, "WWW-Authenticate",
                                "Bearer authorization_uri=\"https://login.microsoftonline.com/common\"");
    add_further(response, &reply->headers);
    if (request->host == HOST_STORAGE) /* which speaks for itself */
        return;
    if (request->request_id)
        MHD_add_response_header(response, "x-ms-client-request-id", request->request_id);
    MHD_add_response_header(response, "x-ms-activity-id", request->activity_id);
}

static enum MHD_Result respond(struct MHD_Connection *connection, const struct request *request,
                               struct reply *reply)
{
    if (reply->end == REPLY_DROP) {
        buf_fini(&reply->body);
        return MHD_NO;
    }
    if (reply->gzip)
        compress_body(reply);
    unsigned status = (unsigned)reply->status;
    struct MHD_Response *response = make_response(reply);
    if (!response)
        return MHD_NO;
    add_headers(response, request, reply);
    enum MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

static double ms_since(const struct timespec *start)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) * 1e3 + (double)(now.tv_nsec - start->tv_nsec) / 1e6;
}

static enum MHD_Result serve(const struct sim *sim, struct exchange *exchange,
                             struct MHD_Connection *connection)
{
    struct reply reply = {.retry_after_s = -1};

    buf_init(&reply.headers, CONNECTION_BYTES);
    buf_init(&reply.body, SIZE_MAX / 4);
    api_serve(sim, &exchange->request, &reply);
    if (strncmp(exchange->request.path, "/_sim/", 6) != 0)
        journal_add(sim->journal, &exchange->request, &reply, ms_since(&exchange->started));
    enum MHD_Result result = respond(connection, &exchange->request, &reply);
    buf_fini(&reply.headers);
    return result;
}

/* Called with the headers, then with each piece of the body, then at its end. A body that is too long is read
 * to its end all the same: a client that still sends would otherwise see a reset in place of the 413. */
static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data, size_t *len,
                              void **context)
{
    const struct server *server = cls;
    struct exchange *exchange = *context;

    (void)url, (void)version;
    if (!exchange->headers_read) {
        read_headers(exchange, connection, method);
        return MHD_YES;
    }
    if (*len) {
        struct request *r = &exchange->request;
        if (!r->too_large && buf_append(&r->body, data, *len) < 0) {
            r->too_large = true;
            buf_fini(&r->body);
        }
        *len = 0;
        return MHD_YES;
    }
    return serve(server->sim, exchange, connection);
}

struct server *server_start(const struct sim *sim, const struct site *site, const char *cert, const char *key)
{
    struct server *server = mem_alloc(sizeof *server);
    const struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert},
                                         {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
                                         {MHD_OPTION_END, 0, NULL}};

    server->sim = sim;
    server->site = site;
    server->daemon =
        MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                             (cert ? (unsigned)MHD_USE_TLS : 0),
                         0, NULL, NULL, handle, server, MHD_OPTION_LISTEN_SOCKET, site->fd,
                         MHD_OPTION_URI_LOG_CALLBACK, begin, server, MHD_OPTION_NOTIFY_COMPLETED, end, NULL,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)CONNECTION_BYTES, MHD_OPTION_ARRAY, cert ? tls : plain, MHD_OPTION_END);
    if (server->daemon)
        return server;
    close(site->fd);
    free(server);
    return NULL;
}

void server_stop(struct server *server)
{
    MHD_stop_daemon(server->daemon);
    free(server);
}
