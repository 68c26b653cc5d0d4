#include "common/control/client.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdatomic.h>

#include "common/control/closing.h"
#include "common/control/message.h"

enum { RECONNECT_MIN_MS = 20, RECONNECT_MAX_MS = 500 };

struct ctl_client {
    nng_socket socket;
    char program[32];
    atomic_int connections;
};

static void pipe_changed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)pipe;
    struct ctl_client *client = arg;
    atomic_fetch_add(&client->connections, event == NNG_PIPE_EV_ADD_POST ? 1 : -1);
}

static int open_socket(struct ctl_client *client)
{
    int rc = nng_req0_open(&client->socket);
    if (rc)
        return rc;
    rc = nng_socket_set_size(client->socket, NNG_OPT_RECVMAXSZ, MESSAGE_BYTES_MAX);
    if (rc == 0)
        rc = nng_socket_set_ms(client->socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    if (rc == 0)
        rc = nng_socket_set_ms(client->socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    /* Never ask twice by itself: what is asked again is for the caller to decide. */
    if (rc == 0)
        rc = nng_socket_set_ms(client->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    if (rc == 0)
        rc = nng_pipe_notify(client->socket, NNG_PIPE_EV_ADD_POST, pipe_changed, client);
    if (rc == 0)
        rc = nng_pipe_notify(client->socket, NNG_PIPE_EV_REM_POST, pipe_changed, client);
    if (rc)
        socket_close(client->socket, NULL);
    return rc;
}

static int open_client(struct ctl_client **out, const struct spool *spool, const char *program,
                       int dial_flags, struct err *err)
{
    struct ctl_client *client = calloc(1, sizeof *client);
    if (!client)
        return err_set(err, -ENOMEM, "out of memory");
    snprintf(client->program, sizeof client->program, "%s", program);
    char url[SPOOL_URL_BYTES];
    spool_socket_url(spool, program, "ctl", url);
    int rc = open_socket(client);
    bool opened = rc == 0;
    if (rc == 0)
        rc = nng_dial(client->socket, url, NULL, dial_flags);
    if (rc == 0) {
        *out = client;
        return 0;
    }
    if (opened)
        socket_close(client->socket, client);
    else
        free(client);
    if (rc == NNG_ECONNREFUSED || rc == NNG_ENOENT)
        return err_set(err, -ENOENT, "%s does not run on spool %s", program, spool->path);
    return err_set(err, -EIO, "%s: its control socket cannot be reached: %s", program, nng_strerror(rc));
}

int ctl_client_open(struct ctl_client **client, const struct spool *spool, const char *program,
                    struct err *err)
{
    return open_client(client, spool, program, NNG_FLAG_NONBLOCK, err);
}

void ctl_client_close(struct ctl_client *client)
{
    if (client)
        socket_close(client->socket, client);
}

bool ctl_client_is_connected(const struct ctl_client *client)
{
    return atomic_load(&client->connections) > 0;
}

static int send_json(struct ctl_client *client, const json_t *request, int flags)
{
    char *text = json_dumps(request, JSON_COMPACT);
    nng_msg *msg = NULL;
    int rc = text ? nng_msg_alloc(&msg, 0) : NNG_ENOMEM;
    if (rc == 0)
        rc = nng_msg_append(msg, text, strlen(text));
    if (rc == 0)
        rc = nng_sendmsg(client->socket, msg, flags);
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
    nng_socket_set_ms(client->socket, NNG_OPT_SENDTIMEO, timeout_ms);
    nng_socket_set_ms(client->socket, NNG_OPT_RECVTIMEO, timeout_ms);
    int rc = send_json(client, request, 0);
    nng_msg *msg = NULL;
    if (rc == 0)
        rc = nng_recvmsg(client->socket, &msg, 0);
    if (rc)
        return transport_error(client, rc, err);
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
    int rc = open_client(&client, spool, program, 0, err);
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
