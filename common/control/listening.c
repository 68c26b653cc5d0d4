#include "common/control/listening.h"

#include <errno.h>
#include <nng/transport/ipc/ipc.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/log.h"

enum {
    TRIAL_MS = 1000,  /* from one trial to the next */
    ANSWER_MS = 500,  /* a connection is looked at so often, until it was taken */
    MISSES_MAX = 4,   /* greeted, and not taken at so many looks: nobody takes connections any more */
    SILENT_MAX = 20,  /* not even greeted: nng's threads may just be waiting for a processor */
    CLOSING_MS = 200, /* nng_listener_close() is waited for so long; it may hang as nng_close() may
                         (closing.h) */
    HELLO_BYTES = 8,  /* of the handshake (nng's SP header), in each direction */
};

static const char scheme[] = "ipc://";

/* --- what nng calls --------------------------------------------------------------------------------- */

static void note_taken(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct listening *listening = arg;
    uint64_t pid = 0;
    (void)event;
    if (atomic_load(&listening->is_trying) && nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) == 0 &&
        pid == (uint64_t)getpid())
        atomic_store(&listening->probe_pipe, (unsigned)nng_pipe_id(pipe));
    atomic_fetch_add(&listening->taken, 1);
}

bool listening_is_probe(const struct listening *listening, nng_pipe pipe)
{
    return atomic_load(&listening->probe_pipe) == (unsigned)nng_pipe_id(pipe);
}

/* --- listening -------------------------------------------------------------------------------------- */

static const char *path_of(const struct listening *listening)
{
    return listening->url + sizeof scheme - 1;
}

static int listen_at_path(struct listening *listening)
{
    unlink(path_of(listening));
    return nng_listen(listening->socket, listening->url, &listening->listener, 0);
}

int listening_start(struct listening *listening, nng_socket socket, const struct spool *spool,
                    const char *program, const char *kind)
{
    *listening = (struct listening){.socket = socket, .probe = -1, .due = mono_after(TRIAL_MS)};
    spool_socket_url(spool, program, kind, listening->url);
    int rc = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, note_taken, listening);
    return rc ? rc : listen_at_path(listening);
}

struct closing {
    nng_listener listener;
    atomic_int users; /* of this struct: the last one frees it */
    atomic_bool is_closed;
};

static void leave(struct closing *closing)
{
    if (atomic_fetch_sub(&closing->users, 1) == 1)
        free(closing);
}

static void *close_old(void *arg)
{
    struct closing *closing = arg;
    nng_listener_close(closing->listener);
    atomic_store(&closing->is_closed, true);
    leave(closing);
    return NULL;
}

/* Closing removes the path, too: it comes before the new one listens there. */
static void close_listener(nng_listener listener)
{
    pthread_t thread;
    struct closing *closing = malloc(sizeof *closing);
    if (!closing)
        return;
    *closing = (struct closing){.listener = listener, .users = 2};
    if (pthread_create(&thread, NULL, close_old, closing) != 0) {
        free(closing);
        return;
    }
    pthread_detach(thread);
    struct mono deadline = mono_after(CLOSING_MS);
    while (!atomic_load(&closing->is_closed) && !mono_is_past(deadline))
        poll(NULL, 0, 1);
    leave(closing);
}

static void listen_anew(struct listening *listening)
{
    close_listener(listening->listener);
    listening_stop(listening);
    int rc = listen_at_path(listening);
    if (rc)
        log_error("cannot-listen", log_s("socket", path_of(listening)), log_s("cause", nng_strerror(rc)),
                  log_s("action", "tried again; until then this program cannot be asked"));
    else
        log_warn("listening-anew", log_s("socket", path_of(listening)),
                 log_s("cause",
                       "it took no connections any more: a peer had left in the middle of its handshake"));
    listening->misses = rc ? MISSES_MAX : 0;
    listening->due = mono_after(TRIAL_MS);
}

/* --- trials ----------------------------------------------------------------------------------------- */

/* The whole handshake is sent at once; until theirs was read the connection must not end, for that is just
 * what a listener does not bear. */
static bool begin_trial(struct listening *listening)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int protocol = 0;
    (void)nng_socket_get_int(listening->socket, NNG_OPT_PEER, &protocol);
    const unsigned char hello[HELLO_BYTES] = {
        0, 'S', 'P', 0, (unsigned char)(protocol >> 8), (unsigned char)protocol, 0, 0};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path_of(listening));
    listening->taken_before = atomic_load(&listening->taken);
    atomic_store(&listening->is_trying, true);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE; /* that says nothing of the listener */
    if (connect(fd, (const struct sockaddr *)&name, sizeof name) != 0 ||
        send(fd, hello, sizeof hello, MSG_NOSIGNAL) != (ssize_t)sizeof hello) {
        close(fd);
        return false;
    }
    listening->probe = fd;
    return true;
}

static bool has_greeted(const struct listening *listening)
{
    unsigned char hello[HELLO_BYTES];
    return recv(listening->probe, hello, sizeof hello, MSG_DONTWAIT | MSG_PEEK) == (ssize_t)sizeof hello;
}

static void note_miss(struct listening *listening, unsigned most)
{
    listening->due = mono_after(ANSWER_MS);
    if (++listening->misses >= most)
        listen_anew(listening);
}

static void end_trial(struct listening *listening)
{
    bool is_taken = atomic_load(&listening->taken) != listening->taken_before;
    bool is_greeted = has_greeted(listening);
    if (is_taken && is_greeted) {
        listening_stop(listening);
        listening->misses = 0;
        listening->due = mono_after(TRIAL_MS);
        return;
    }
    note_miss(listening, is_greeted ? MISSES_MAX : SILENT_MAX);
}

void listening_tick(struct listening *listening)
{
    if (!mono_is_past(listening->due))
        return;
    if (listening->probe >= 0) {
        end_trial(listening);
    } else if (begin_trial(listening)) {
        listening->due = mono_after(listening->probe >= 0 ? ANSWER_MS : TRIAL_MS);
    } else {
        note_miss(listening, MISSES_MAX);
    }
}

void listening_stop(struct listening *listening)
{
    if (listening->probe >= 0)
        close(listening->probe);
    listening->probe = -1;
    atomic_store(&listening->is_trying, false);
}
