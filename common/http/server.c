#include "common/http/server.h"

#include <errno.h>

#include "common/base/log.h"
#include "common/http/loop.h"
#include "common/http/tls.h"

enum {
    TICK_MS = 1000,
};

/* --- the server ------------------------------------------------------------------------------------- */

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
    pthread_mutex_init(&server->door, NULL);
    clients_init(&server->clients, settings->client_timeout_ms);
    addresses_init(&server->addresses, settings->address_connections_max);
    int rc = auth_init(&server->auth, settings->token_file, settings->tls_ca != NULL, err);
    return rc || !settings->tls_cert ? rc : tls_new(&server->tls, settings, err);
}

static void close_door(struct http_server *server)
{
    if (!server->is_open)
        return;
    for (size_t i = 0; i < HTTP_LOOPS; i++)
        http_loop_stop(server->loops[i]);
    for (size_t i = 0; i < HTTP_LOOPS; i++) {
        http_loop_free(server->loops[i]);
        server->loops[i] = NULL;
    }
    close(server->listener.fd);
    listen_close(&server->listener);
    server->is_open = false;
}

int http_server_open(struct http_server *server, const struct http_hooks *hooks, struct err *err)
{
    server->hooks = hooks;
    int rc = listen_open(&server->listener, server->settings->address, err);
    if (rc)
        return rc;
    server->is_open = true;
    for (size_t i = 0; i < HTTP_LOOPS && rc == 0; i++)
        rc = http_loop_new(&server->loops[i], server, err);
    for (size_t i = 0; i < HTTP_LOOPS && rc == 0; i++)
        rc = http_loop_start(server->loops[i], err);
    if (rc)
        close_door(server);
    else
        tell(server);
    return rc;
}

void http_server_fini(struct http_server *server)
{
    close_door(server);
    addresses_fini(&server->addresses);
    tls_free(server->tls);
    explicit_bzero(server->auth.token, sizeof server->auth.token);
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
