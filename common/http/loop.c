#include "common/http/loop.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/http/connection.h"
#include "common/http/server.h"
#include "common/http/tls.h"

enum {
    /* The library wants to be run at once when a request waits for its answer: how long it is not. What else
     * it wants that for is seen by the calls of handlers; this is for what is not. */
    ASKED_IN_VAIN_MS = 1,
    NO_ROOM_MS = 100,
};

struct http_loop {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    int daemon_fd, wake_fd;
    pthread_t thread;
    bool has_thread;
    _Atomic size_t connections;
    struct mono let_in_at;                 /* files or memory were out: not before */
    struct http_wait *begun, **last_begun; /* in this turn */
    size_t waiting, asked;                 /* asked: those of them that are HTTP_WAIT_ANSWER */
    size_t moves;                          /* calls of handlers in this turn, that were not in vain */
    pthread_mutex_t lock;                  /* guards the rest */
    struct http_wait *ended, **last_ended;
    bool is_woken, is_stopping;
};

/* The one whose thread this is. */
static _Thread_local const struct http_loop *this_loop;

struct http_server *http_loop_server(const struct http_loop *loop)
{
    return loop->server;
}

/* --- waiting ---------------------------------------------------------------------------------------- */

void http_wait_begin(struct http_wait *wait, struct MHD_Connection *connection, enum http_wait_how how,
                     void (*done)(struct http_wait *wait))
{
    struct http_loop *loop = connection ? connection_of(connection)->loop : wait->loop;
    *wait = (struct http_wait){
        .done = done, .loop = loop, .connection = connection, .how = how, .is_pending = true};
    *loop->last_begun = wait;
    loop->last_begun = &wait->next;
    loop->waiting++;
    loop->asked += how == HTTP_WAIT_ANSWER;
    if (how == HTTP_WAIT_BODY)
        MHD_suspend_connection(connection);
}

bool http_wait_goes_on(struct http_wait *wait)
{
    wait->loop->moves -= wait->is_pending;
    return wait->is_pending;
}

/* With the lock. */
static void wake_locked(struct http_loop *loop)
{
    static const uint64_t one = 1;
    if (!loop->is_woken)
        (void)!write(loop->wake_fd, &one, sizeof one);
    loop->is_woken = true;
}

static void wake(struct http_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    wake_locked(loop);
    pthread_mutex_unlock(&loop->lock);
}

void http_wait_end(struct http_wait *wait)
{
    struct http_loop *loop = wait->loop;
    wait->next = NULL;
    pthread_mutex_lock(&loop->lock);
    *loop->last_ended = wait;
    loop->last_ended = &wait->next;
    if (loop != this_loop) /* its own thread looks before it waits */
        wake_locked(loop);
    pthread_mutex_unlock(&loop->lock);
}

/* --- the door --------------------------------------------------------------------------------------- */

/* Another loop that has fewer connections lets in first, so that all have work. One of them always may, and
 * waits for who comes, as long as there is room: whenever that may be another than before, it is woken. */
static bool may_let_in(const struct http_loop *loop)
{
    const struct http_server *server = loop->server;
    bool may = server->connections < server->settings->connections_max && mono_is_past(loop->let_in_at);
    for (size_t i = 0; i < HTTP_LOOPS && may; i++)
        may = server->loops[i]->connections >= loop->connections;
    return may;
}

static void wake_others(struct http_loop *loop)
{
    for (size_t i = 0; i < HTTP_LOOPS; i++)
        if (loop->server->loops[i] && loop->server->loops[i] != loop)
            wake(loop->server->loops[i]);
}

/* False: nobody is there, or cannot be let in now. */
static bool let_one_in(struct http_loop *loop)
{
    struct http_server *server = loop->server;
    struct sockaddr_storage name = {0};
    struct sockaddr *from = (struct sockaddr *)&name;
    socklen_t bytes = sizeof name;
    int fd = accept4(server->listener.fd, from, &bytes, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        bool is_for_want_of_room = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (is_for_want_of_room)
            loop->let_in_at = mono_after(NO_ROOM_MS);
        return false;
    }
    const struct address address = address_of(from);
    if (addresses_has_room(&server->addresses, &address))
        (void)MHD_add_connection(loop->daemon, fd, from, bytes); /* on failure it is closed */
    else
        close(fd);
    return true;
}

static void let_in(struct http_loop *loop)
{
    bool has_let_in = false;
    pthread_mutex_lock(&loop->server->door);
    while (may_let_in(loop) && let_one_in(loop))
        has_let_in = true;
    pthread_mutex_unlock(&loop->server->door);
    if (has_let_in)
        wake_others(loop);
}

void http_loop_count_in(struct http_loop *loop)
{
    loop->connections++;
    loop->server->connections++;
}

void http_loop_count_out(struct http_loop *loop)
{
    struct http_server *server = loop->server;
    bool was_full = server->connections >= server->settings->connections_max;
    loop->connections--;
    server->connections--;
    if (was_full)
        wake_others(loop);
}

/* --- a turn ----------------------------------------------------------------------------------------- */

static void hand_over(struct http_loop *loop)
{
    struct http_wait *begun = loop->begun;
    const struct http_hooks *hooks = loop->server->hooks;
    loop->begun = NULL;
    loop->last_begun = &loop->begun;
    if (begun)
        hooks->begun(hooks->arg, begun);
}

static void end(struct http_loop *loop, struct http_wait *wait)
{
    wait->is_pending = false;
    loop->waiting--;
    loop->asked -= wait->how == HTTP_WAIT_ANSWER;
    if (wait->how == HTTP_WAIT_BODY)
        MHD_resume_connection(wait->connection);
    wait->done(wait);
}

/* How many. */
static size_t take_ended(struct http_loop *loop)
{
    size_t count = 0;
    pthread_mutex_lock(&loop->lock);
    struct http_wait *ended = loop->ended;
    loop->ended = NULL;
    loop->last_ended = &loop->ended;
    pthread_mutex_unlock(&loop->lock);
    for (struct http_wait *next; ended; ended = next, count++) {
        next = ended->next;
        end(loop, ended);
    }
    return count;
}

static bool is_stopping(struct http_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    bool is_over = loop->is_stopping;
    pthread_mutex_unlock(&loop->lock);
    return is_over;
}

static int patience_ms(struct http_loop *loop)
{
    MHD_UNSIGNED_LONG_LONG ms;
    bool is_held_up = !mono_is_past(loop->let_in_at);
    if (MHD_get_timeout(loop->daemon, &ms) != MHD_YES)
        return is_held_up ? NO_ROOM_MS : -1;
    if (ms == 0)
        return loop->asked > 0 ? ASKED_IN_VAIN_MS : 0;
    return ms < NO_ROOM_MS ? (int)ms : NO_ROOM_MS;
}

static void await(struct http_loop *loop)
{
    enum { WOKEN, LIBRARY, DOOR, FDS };
    uint64_t count;
    struct pollfd fds[FDS] = {
        [WOKEN] = {.fd = loop->wake_fd, .events = POLLIN},
        [LIBRARY] = {.fd = loop->daemon_fd, .events = POLLIN},
        [DOOR] = {.fd = may_let_in(loop) ? loop->server->listener.fd : -1, .events = POLLIN},
    };
    if (poll(fds, FDS, patience_ms(loop)) <= 0)
        return;
    if (fds[DOOR].revents)
        let_in(loop);
    if (!fds[WOKEN].revents)
        return;
    (void)!read(loop->wake_fd, &count, sizeof count);
    pthread_mutex_lock(&loop->lock);
    loop->is_woken = false;
    pthread_mutex_unlock(&loop->lock);
}

/* Something has happened in a turn when a handler was called beside those that wait: the library may have
 * more to do at once. */
static void *serve(void *arg)
{
    struct http_loop *loop = arg;
    this_loop = loop;
    while (!is_stopping(loop)) {
        loop->moves = 0;
        MHD_run(loop->daemon);
        hand_over(loop);
        if (take_ended(loop) == 0 && loop->moves == 0)
            await(loop);
    }
    return NULL;
}

/* --- start and end ---------------------------------------------------------------------------------- */

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data, size_t *bytes,
                              void **request)
{
    struct http_loop *loop = cls;
    const struct http_hooks *hooks = loop->server->hooks;
    loop->moves++;
    if (!connection_of(connection))
        return MHD_NO; /* no memory */
    return hooks->handle(hooks->arg, connection, url, method, version, data, bytes, request);
}

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

/* Sessions get their credentials from connection_notify(): the library is told of a callback that is never
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

static struct MHD_Daemon *start(struct http_loop *loop)
{
    const struct http_server *server = loop->server;
    const struct http_settings *settings = server->settings;
    const struct http_hooks *hooks = server->hooks;
    /* It tells what it meets in every answer on a unix socket (options that only TCP has). */
    unsigned log = log_is_wanted(LEVEL_DEBUG) ? MHD_USE_ERROR_LOG : 0;
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | log;
    return MHD_start_daemon(
        flags | (server->tls ? MHD_USE_TLS : 0), 0, NULL, NULL, handle, loop, MHD_OPTION_EXTERNAL_LOGGER,
        on_log, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)settings->connections_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, settings->connection_bytes, MHD_OPTION_URI_LOG_CALLBACK,
        hooks->begin, hooks->arg, MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, hooks->end, hooks->arg, MHD_OPTION_NOTIFY_CONNECTION, connection_notify,
        loop, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_CONNECTION_MEMORY_INCREMENT,
        settings->connection_bytes / 2, server->tls ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_END,
        TLS_PRIORITIES, MHD_OPTION_HTTPS_CERT_CALLBACK, never_asked, MHD_OPTION_END);
}

int http_loop_new(struct http_loop **out, struct http_server *server, struct err *err)
{
    struct http_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return err_set(err, -ENOMEM, "out of memory");
    *loop = (struct http_loop){.server = server, .lock = PTHREAD_MUTEX_INITIALIZER};
    loop->last_begun = &loop->begun;
    loop->last_ended = &loop->ended;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd >= 0)
        loop->daemon = start(loop);
    if (!loop->daemon) {
        http_loop_free(loop);
        return err_set(err, -EIO, "http %s: the server cannot be started", server->listener.text);
    }
    loop->daemon_fd = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    *out = loop;
    return 0;
}

/* With SIGPIPE blocked, which the library is told of. */
int http_loop_start(struct http_loop *loop, struct err *err)
{
    sigset_t pipe, before;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    int rc = -pthread_create(&loop->thread, NULL, serve, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        return err_errno(err, rc, "http %s: a thread", loop->server->listener.text);
    loop->has_thread = true;
    pthread_setname_np(loop->thread, "http");
    return 0;
}

/* What is waited for ends by itself; what the end of a request begins, too. */
static void finish(struct http_loop *loop)
{
    while (loop->waiting > 0) {
        struct pollfd woken = {.fd = loop->wake_fd, .events = POLLIN};
        hand_over(loop);
        if (take_ended(loop) == 0)
            (void)poll(&woken, 1, ASKED_IN_VAIN_MS);
    }
}

void http_loop_stop(struct http_loop *loop)
{
    if (!loop || !loop->has_thread)
        return;
    pthread_mutex_lock(&loop->lock);
    loop->is_stopping = true;
    wake_locked(loop);
    pthread_mutex_unlock(&loop->lock);
    pthread_join(loop->thread, NULL);
    loop->has_thread = false;
}

void http_loop_free(struct http_loop *loop)
{
    if (!loop)
        return;
    finish(loop);
    if (loop->daemon) {
        MHD_run(loop->daemon); /* the last answers */
        MHD_run(loop->daemon);
        MHD_stop_daemon(loop->daemon);
    }
    finish(loop);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}
