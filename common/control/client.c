#include "common/control/client.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/control/closing.h"
#include "common/control/message.h"

/* An attempt to connect is not cheap: until nng closes the socket, epoll calls it hung up, again and again (7
 * % of a core for peerd's dialers when nobody listened, tried twice a second each). So there is none before
 * there is a socket to connect to; then the first ones come soon, for a program that is started again, and
 * later ones seldom, for one that was killed and left its socket behind. */
enum { RECONNECT_MIN_MS = 20, RECONNECT_MAX_MS = 2000, RENEW_MS = 3000, HANDSHAKE_MS = 100 };

/* One socket; nng calls back about it until it is closed, which may be after the client is gone (closing.h).
 */
struct line {
    nng_socket socket;
    atomic_int connections;
};

struct ctl_client {
    struct line *line;
    char program[32], url[SPOOL_URL_BYTES];
    bool has_dialled;     /* from then on nng connects by itself, and again */
    struct mono renew_at; /* no answer until then: the line is renewed */
};

static void pipe_changed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)pipe;
    struct line *line = arg;
    atomic_fetch_add(&line->connections, event == NNG_PIPE_EV_ADD_POST ? 1 : -1);
}

static int open_socket(struct line *line)
{
    int rc = nng_req0_open(&line->socket);
    if (rc)
        return rc;
    rc = nng_socket_set_size(line->socket, NNG_OPT_RECVMAXSZ, MESSAGE_BYTES_MAX);
    if (rc == 0)
        rc = nng_socket_set_ms(line->socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    if (rc == 0)
        rc = nng_socket_set_ms(line->socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    /* Never ask twice by itself: what is asked again is for the caller to decide. */
    if (rc == 0)
        rc = nng_socket_set_ms(line->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    if (rc == 0)
        rc = nng_pipe_notify(line->socket, NNG_PIPE_EV_ADD_POST, pipe_changed, line);
    if (rc == 0)
        rc = nng_pipe_notify(line->socket, NNG_PIPE_EV_REM_POST, pipe_changed, line);
    if (rc)
        socket_close(line->socket, NULL);
    return rc;
}

/* 0, or an error of nng's. */
static int open_line(struct line **out)
{
    struct line *line = calloc(1, sizeof *line);
    if (!line)
        return NNG_ENOMEM;
    int rc = open_socket(line);
    if (rc) {
        free(line);
        return rc;
    }
    *out = line;
    return 0;
}

static bool is_there(const struct ctl_client *client)
{
    static const char scheme[] = "ipc://";
    return strncmp(client->url, scheme, sizeof scheme - 1) != 0 ||
           access(client->url + sizeof scheme - 1, F_OK) == 0;
}

static int dial(struct ctl_client *client, int flags)
{
    int rc = nng_dial(client->line->socket, client->url, NULL, flags);
    client->has_dialled = rc == 0;
    return rc;
}

static void dial_when_there(struct ctl_client *client)
{
    if (!client->has_dialled && is_there(client))
        (void)dial(client, NNG_FLAG_NONBLOCK);
}

/* nng connects again by itself, but in 1.5 a dialer has been seen to give up for good after its peer was
 * killed: a line that brings no answer for long is exchanged for a new one. */
static void renew_line(struct ctl_client *client)
{
    struct line *line;
    client->renew_at = mono_after(RENEW_MS);
    if (!is_there(client) || open_line(&line) != 0)
        return;
    socket_close(client->line->socket, client->line);
    client->line = line;
    (void)dial(client, NNG_FLAG_NONBLOCK);
}

static int open_client(struct ctl_client **out, const struct spool *spool, const char *program, bool must_run,
                       struct err *err)
{
    struct ctl_client *client = calloc(1, sizeof *client);
    if (!client)
        return err_set(err, -ENOMEM, "out of memory");
    snprintf(client->program, sizeof client->program, "%s", program);
    spool_socket_url(spool, program, "ctl", client->url);
    client->renew_at = mono_after(RENEW_MS);
    int rc = open_line(&client->line);
    if (rc == 0 && must_run)
        rc = dial(client, 0);
    else if (rc == 0)
        dial_when_there(client);
    if (rc == 0) {
        *out = client;
        return 0;
    }
    if (client->line)
        socket_close(client->line->socket, client->line);
    free(client);
    if (rc == NNG_ECONNREFUSED || rc == NNG_ENOENT)
        return err_set(err, -ENOENT, "%s does not run on spool %s", program, spool->path);
    return err_set(err, -EIO, "%s: its control socket cannot be reached: %s", program, nng_strerror(rc));
}

int ctl_client_open(struct ctl_client **client, const struct spool *spool, const char *program,
                    struct err *err)
{
    return open_client(client, spool, program, false, err);
}

static bool has_connection(const struct ctl_client *client)
{
    return atomic_load(&client->line->connections) > 0;
}

void ctl_client_close(struct ctl_client *client)
{
    if (!client)
        return;
    /* A peer that goes in the middle of the handshake costs the other side seconds (listening.h). */
    struct mono deadline = mono_after(HANDSHAKE_MS);
    while (client->has_dialled && !has_connection(client) && !mono_is_past(deadline))
        poll(NULL, 0, 1);
    socket_close(client->line->socket, client->line);
    free(client);
}

bool ctl_client_is_connected(struct ctl_client *client)
{
    dial_when_there(client);
    return has_connection(client);
}

void ctl_client_tend(struct ctl_client *client)
{
    if (!ctl_client_is_connected(client) && mono_is_past(client->renew_at))
        renew_line(client);
}

static int send_json(struct ctl_client *client, const json_t *request, int flags)
{
    char *text = json_dumps(request, JSON_COMPACT);
    nng_msg *msg = NULL;
    dial_when_there(client);
    int rc = text ? nng_msg_alloc(&msg, 0) : NNG_ENOMEM;
    if (rc == 0)
        rc = nng_msg_append(msg, text, strlen(text));
    if (rc == 0)
        rc = nng_sendmsg(client->line->socket, msg, flags);
    if (rc && msg)
        nng_msg_free(msg);
    free(text);
    return rc;
}

static int transport_error(const struct ctl_client *client, int rc, struct err *err)
{
    if (rc == NNG_ETIMEDOUT)
        return err_set(err, -ETIMEDOUT, "%s does not answer", client->program);
    return err_set(err, -EIO, "%s: the conversation failed: %s", client->program, nng_strerror(rc));
}

int ctl_client_ask(struct ctl_client *client, const json_t *request, int timeout_ms, json_t **reply,
                   struct err *err)
{
    *reply = NULL;
    nng_socket_set_ms(client->line->socket, NNG_OPT_SENDTIMEO, timeout_ms);
    nng_socket_set_ms(client->line->socket, NNG_OPT_RECVTIMEO, timeout_ms);
    int rc = send_json(client, request, 0);
    nng_msg *msg = NULL;
    if (rc == 0)
        rc = nng_recvmsg(client->line->socket, &msg, 0);
    if (rc) {
        if (mono_is_past(client->renew_at))
            renew_line(client);
        return transport_error(client, rc, err);
    }
    client->renew_at = mono_after(RENEW_MS);
    struct err why;
    rc = message_parse(nng_msg_body(msg), nng_msg_len(msg), reply, &why);
    nng_msg_free(msg);
    if (rc)
        return err_set(err, -EPROTO, "%s: its answer is not understood: %s", client->program, why.text);
    if (!json_is_true(json_object_get(*reply, "ok")))
        return err_set(err, -EREMOTEIO, "%s: %s", client->program, message_text(*reply, "error", "refused"));
    return 0;
}

int ctl_ask_once(const struct spool *spool, const char *program, const json_t *request, int timeout_ms,
                 json_t **reply, struct err *err)
{
    struct ctl_client *client = NULL;
    *reply = NULL;
    int rc = open_client(&client, spool, program, true, err);
    if (rc)
        return rc;
    rc = ctl_client_ask(client, request, timeout_ms, reply, err);
    ctl_client_close(client);
    return rc;
}

void ctl_client_wake(struct ctl_client *client)
{
    json_t *request = message_request("wake");
    if (request)
        (void)send_json(client, request, NNG_FLAG_NONBLOCK);
    json_decref(request);
}
