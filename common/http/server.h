/* An HTTP server: its socket, its threads (loop.h), TLS, who may come in, and for how long.
 *
 *     http_settings_init(&settings, conf, CONF_HTTP, &err)       what the configuration says (settings.h)
 *     http_server_init(&server, &settings, &err)                  read token and certificates
 *     http_server_open(&server, &hooks, &err)                     listen and serve
 *     http_server_tick(&server)                                   once a second: slow clients are cut off
 *     http_server_reload(&server)                                 SIGHUP: token, certificate, key, CA
 *     http_server_fini(&server)
 *
 * These are for the main thread. The hooks are called by the server's threads; what they may call is below
 * them, and in loop.h. */
#ifndef SPILLWAY_HTTP_SERVER_H
#define SPILLWAY_HTTP_SERVER_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "common/http/addresses.h"
#include "common/http/auth.h"
#include "common/http/clients.h"
#include "common/http/listen.h"
#include "common/http/loop.h"
#include "common/http/settings.h"

enum { HTTP_LOOPS = 2 };

/* What a server does with requests: the callbacks of libmicrohttpd, with `arg` as their first argument. */
struct http_hooks {
    /* A request line came: what is returned becomes *request below. The target is as it came, encoded. */
    void *(*begin)(void *arg, const char *target, struct MHD_Connection *connection);
    MHD_AccessHandlerCallback handle;
    MHD_RequestCompletedCallback end; /* of every request that began, whatever became of it */
    /* Carry out what requests wait for, all that began in one turn of a loop; each ends by itself. */
    void (*begun)(void *arg, struct http_wait *waits);
    void *arg;
};

struct http_server {
    struct listener listener;
    struct clients clients;
    _Atomic uint64_t connections; /* open now */
    /* private */
    const struct http_settings *settings;
    const struct http_hooks *hooks;
    struct auth auth;
    struct tls *tls;      /* NULL: plain */
    pthread_mutex_t door; /* who lets in */
    struct addresses addresses;
    struct http_loop *loops[HTTP_LOOPS];
    bool is_open;
};

/* Read what the settings name; nothing listens yet. -EINVAL with a text: wrong configuration.
 * `settings` must outlive the server. */
NODISCARD int http_server_init(struct http_server *server, const struct http_settings *settings,
                               struct err *err);

/* Listen and serve. A text on failure. `hooks` must outlive the server. */
NODISCARD int http_server_open(struct http_server *server, const struct http_hooks *hooks, struct err *err);

/* No new connections and no more requests; those that are under way end first, so nothing may be suspended
 * for long. Harmless on one that was never opened, or zeroed. */
void http_server_fini(struct http_server *server);

/* Cut off clients that are late. Returns how many; they are logged. */
unsigned http_server_tick(struct http_server *server);

/* Milliseconds after which the next tick is worth it. */
int64_t http_server_tick_ms(const struct http_server *server);

/* Read token and certificates anew; what cannot be read is logged and stays as it was. */
void http_server_reload(struct http_server *server);

/* --- for the hooks ---------------------------------------------------------------------------------- */

/* Who is at the other end; NULL when memory was out as it connected. */
struct client *http_client(struct MHD_Connection *connection);

/* May whoever sent this request do what not everybody may? */
enum auth_verdict http_server_check(struct http_server *server, struct MHD_Connection *connection);

#endif
