#include "common/http/server.h"

#include <errno.h>
#include <gnutls/abstract.h>

#include "common/base/log.h"
#include "common/http/tls.h"

enum {
    THREADS = 2,
    TICK_MS = 1000,
};

/* --- connections --------------------------------------------------------------------------------------- */

struct connection {
    struct client client; /* the first member */
    struct tls_credentials *credentials;
    struct tls_verdict verdict;
};

static gnutls_session_t session_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info ? info->tls_session : NULL;
}

static struct connection *begin(struct http_server *server, struct MHD_Connection *handle)
{
    struct connection *connection = calloc(1, sizeof *connection);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
    gnutls_session_t session = session_of(handle);
    if (!connection || !info || !session != !server->tls) {
        free(connection);
        return NULL; /* without credentials the handshake fails; without a client nothing is answered */
    }
    if (session)
        connection->credentials = tls_begin(server->tls, session);
    clients_add(&server->clients, &connection->client, info->connect_fd);
    return connection;
}

static void on_connection(void *cls, struct MHD_Connection *handle, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = cls;
    struct connection *connection = *context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = begin(server, handle);
        server->connections++;
        return;
    }
    server->connections--;
    *context = NULL;
    if (!connection)
        return;
    clients_remove(&server->clients, &connection->client);
    if (connection->credentials)
        tls_end(server->tls, connection->credentials);
    free(connection);
}

struct client *http_client(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

enum auth_verdict http_server_check(struct http_server *server, struct MHD_Connection *handle)
{
    struct connection *connection = (struct connection *)(void *)http_client(handle);
    bool is_vouched =
        server->tls && connection && tls_is_vouched(server->tls, session_of(handle), &connection->verdict);
    return auth_check(&server->auth, is_vouched,
                      MHD_lookup_connection_value(handle, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION));
}

/* --- the server ---------------------------------------------------------------------------------------- */

/* The target is taken from the request line as it came (hooks->begin); the library's own decoding is not
 * used. */
static size_t leave_encoded(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls, (void)connection;
    return strlen(text);
}

static void on_log(void *cls, const char *format, va_list args)
{
    char text[256];
    (void)cls;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http", log_s("message", text));
}

/* Sessions get their credentials from on_connection(): the library is told of a callback that is never
 * asked, because it wants a certificate to start with. */
static int never_asked(gnutls_session_t session, const gnutls_datum_t *names, int count,
                       const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
                       unsigned *chain_length, gnutls_privkey_t *key)
{
    (void)session, (void)names, (void)count, (void)algorithms, (void)algorithm_count;
    *chain = NULL;
    *chain_length = 0;
    *key = NULL;
    return -1;
}

static int start(struct http_server *server, struct err *err)
{
    const struct http_settings *settings = server->settings;
    const struct http_hooks *hooks = server->hooks;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    server->daemon = MHD_start_daemon(
        flags | (server->tls ? MHD_USE_TLS : 0), 0, NULL, NULL, hooks->handle, hooks->arg,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, server->listener.fd,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)settings->connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)settings->address_connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        settings->connection_bytes, MHD_OPTION_URI_LOG_CALLBACK, hooks->begin, hooks->arg,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, NULL, MHD_OPTION_NOTIFY_COMPLETED, hooks->end,
        hooks->arg, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        server->tls ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_END, TLS_PRIORITIES,
        MHD_OPTION_HTTPS_CERT_CALLBACK, never_asked, MHD_OPTION_END);
    return server->daemon
               ? 0
               : err_set(err, -EIO, "http %s: the server cannot be started", server->listener.text);
}

static void tell(const struct http_server *server)
{
    bool has_auth = auth_is_wanted(&server->auth);
    log_info("listening", log_s("http", server->listener.text), log_s("tls", server->tls ? "yes" : "no"),
             log_s("auth", has_auth ? "yes" : "no"));
    if (!has_auth && !server->listener.is_local)
        log_warn("open-door", log_s("http", server->listener.text),
                 log_s("meaning", "whoever reaches this address may send rows"),
                 log_s("action", "give token-file, or tls-ca, or listen on 127.0.0.1"));
}

int http_server_init(struct http_server *server, const struct http_settings *settings, struct err *err)
{
    *server = (struct http_server){.settings = settings, .listener.fd = -1};
    clients_init(&server->clients, settings->client_timeout_ms);
    int rc = auth_init(&server->auth, settings->token_file, settings->tls_ca != NULL, err);
    return rc || !settings->tls_cert ? rc : tls_new(&server->tls, settings, err);
}

int http_server_open(struct http_server *server, const struct http_hooks *hooks, struct err *err)
{
    server->hooks = hooks;
    int rc = listen_open(&server->listener, server->settings->address, err);
    if (rc)
        return rc;
    rc = start(server, err);
    if (rc) {
        close(server->listener.fd);
        listen_close(&server->listener);
        return rc;
    }
    tell(server);
    return 0;
}

void http_server_fini(struct http_server *server)
{
    if (server->daemon) {
        MHD_stop_daemon(server->daemon);
        listen_close(&server->listener);
    }
    tls_free(server->tls);
    explicit_bzero(server->auth.token, sizeof server->auth.token);
    server->daemon = NULL;
    server->tls = NULL;
}

unsigned http_server_tick(struct http_server *server)
{
    unsigned cut = clients_reap(&server->clients);
    if (cut > 0)
        log_info("clients-cut", log_n("connections", cut),
                 log_s("reason", "too slow or idle (client-timeout), or gone"));
    return cut;
}

int64_t http_server_tick_ms(const struct http_server *server)
{
    int64_t often = server->settings->client_timeout_ms / 4;
    return often < TICK_MS ? often : TICK_MS;
}

void http_server_reload(struct http_server *server)
{
    struct err err;
    const char *token = server->settings->token_file;
    if (token && auth_reload(&server->auth, token, &err) != 0)
        log_error("not-reloaded", log_s("cause", err.text), log_s("action", "the old token stays"));
    else if (token)
        log_info("reloaded", log_s("token_file", token));
    if (server->tls && tls_reload(server->tls, &err) != 0)
        log_error("not-reloaded", log_s("cause", err.text), log_s("action", "the old certificate stays"));
    else if (server->tls)
        log_info("reloaded", log_s("tls_cert", server->settings->tls_cert));
}
