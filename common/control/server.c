#include "common/control/server.h"

#include <errno.h>
#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/transport/ipc/ipc.h>

#include "common/base/log.h"
#include "common/control/closing.h"
#include "common/control/listening.h"
#include "common/control/message.h"

enum { SERVED_AT_ONCE = 64, SEND_MS = 200 };

struct ctl_server {
    nng_socket socket;
    struct listening listening;
    int fd;
    int run; /* the spool's folder run/, and our name in it */
    char file[64];
    const struct ctl_op *ops;
    ctl_gone *gone;
    void *arg;
};

static void pipe_removed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)event;
    struct ctl_server *server = arg;
    if (!listening_is_probe(&server->listening, pipe))
        server->gone(server->arg, (uint32_t)nng_pipe_id(pipe));
}

/* On failure the server is gone. */
static int listen_on(struct ctl_server *server, const struct spool *spool, const char *program)
{
    int rc = nng_rep0_open(&server->socket);
    if (rc) {
        free(server);
        return rc;
    }
    rc = nng_socket_set_size(server->socket, NNG_OPT_RECVMAXSZ, MESSAGE_BYTES_MAX);
    /* A connection is for a moment still busy with the reply before; one that stays so has an asker who does
     * not read. */
    if (rc == 0)
        rc = nng_socket_set_ms(server->socket, NNG_OPT_SENDTIMEO, SEND_MS);
    if (rc == 0 && server->gone)
        rc = nng_pipe_notify(server->socket, NNG_PIPE_EV_REM_POST, pipe_removed, server);
    if (rc == 0)
        rc = listening_start(&server->listening, server->socket, spool, program, "ctl");
    if (rc == 0)
        rc = nng_socket_get_int(server->socket, NNG_OPT_RECVFD, &server->fd);
    if (rc)
        socket_close(server->socket, server); /* nng may still call back about it */
    return rc;
}

int ctl_server_open(struct ctl_server **out, const struct spool *spool, const char *program,
                    const struct ctl_op *ops, ctl_gone *gone, void *arg, struct err *err)
{
    struct ctl_server *server = calloc(1, sizeof *server);
    if (!server)
        return err_set(err, -ENOMEM, "out of memory");
    *server = (struct ctl_server){.ops = ops, .gone = gone, .arg = arg, .run = spool->run};
    snprintf(server->file, sizeof server->file, "%s.ctl", program);
    int rc = listen_on(server, spool, program);
    if (rc)
        return err_set(err, -EIO, "control socket %s/run/%s.ctl: cannot listen: %s", spool->path, program,
                       nng_strerror(rc));
    *out = server;
    return 0;
}

int ctl_server_fd(const struct ctl_server *server)
{
    return server->fd;
}

struct mono ctl_server_due(const struct ctl_server *server)
{
    return listening_due(&server->listening);
}

static json_t *answer(const struct ctl_server *server, nng_msg *msg)
{
    nng_pipe pipe = nng_msg_get_pipe(msg);
    uint64_t uid = UINT64_MAX, pid = 0;
    if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid) ||
        nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid))
        return message_refusal("gone", "you have left already"); /* and nobody can say who that was */
    if (uid != geteuid() && uid != 0) {
        log_warn("request-refused", log_u("uid", uid), log_u("pid", pid),
                 log_s("cause", "another user's process"));
        return message_refusal("forbidden", "your uid is neither this program's nor root's");
    }
    struct err err;
    json_t *request;
    if (message_parse(nng_msg_body(msg), nng_msg_len(msg), &request, &err)) {
        log_warn("request-refused", log_u("pid", pid), log_s("cause", err.text));
        return message_refusal(err.code == -EPROTO ? "version" : "malformed", err.text);
    }
    const char *op = message_text(request, "op", "");
    const struct ctl_peer peer = {.connection = (uint32_t)nng_pipe_id(pipe), .pid = (int64_t)pid};
    json_t *reply = NULL;
    const struct ctl_op *found = server->ops;
    while (found->op && strcmp(found->op, op) != 0)
        found++;
    if (found->op)
        reply = found->handler(server->arg, &peer, request);
    else
        reply = message_refusal("unknown", "this program knows no such operation");
    json_decref(request);
    return reply;
}

static void send_reply(const struct ctl_server *server, json_t *reply)
{
    char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
    static char sorry[] = "{\"v\":1,\"ok\":false,\"code\":\"memory\",\"error\":\"out of memory\"}";
    const char *bytes = text ? text : sorry;
    /* The asker may be gone; then nobody waits for it. */
    nng_msg *msg;
    if (nng_msg_alloc(&msg, 0) == 0) {
        if (nng_msg_append(msg, bytes, strlen(bytes)) != 0 || nng_sendmsg(server->socket, msg, 0) != 0)
            nng_msg_free(msg);
    }
    free(text);
    json_decref(reply);
}

void ctl_server_serve(struct ctl_server *server)
{
    for (int i = 0; i < SERVED_AT_ONCE; i++) {
        nng_msg *msg;
        if (nng_recvmsg(server->socket, &msg, NNG_FLAG_NONBLOCK) != 0)
            return;
        json_t *reply = answer(server, msg);
        nng_msg_free(msg);
        send_reply(server, reply);
    }
}

void ctl_server_tick(struct ctl_server *server)
{
    listening_tick(&server->listening);
}

void ctl_server_close(struct ctl_server *server)
{
    if (!server)
        return;
    listening_stop(&server->listening);
    unlinkat(server->run, server->file, 0); /* nobody else finds a socket that does not answer any more */
    socket_close(server->socket, server);
}
