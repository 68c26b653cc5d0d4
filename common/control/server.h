/* The answering end of a control socket: `run/<program>.ctl`, nng REP over IPC.
 *
 * One thread. The caller polls ctl_server_fd() and calls ctl_server_serve() when it is readable; each request
 * is answered before the next is read. Requests from another uid than ours or root's are refused: the kernel
 * says who asks. */
#ifndef SPILLWAY_SERVER_H
#define SPILLWAY_SERVER_H

#include <jansson.h>

#include "common/base/clock.h"
#include "common/spool/spool.h"

/* Who asks. `connection` is unique among all that were ever open; a connection ends when its process does. */
struct ctl_peer {
    uint32_t connection;
    int64_t pid;
};

/* Answer one operation. `request` is borrowed; the reply is handed over (NULL: out of memory, the peer is
 * told). */
typedef json_t *ctl_handler(void *arg, const struct ctl_peer *peer, const json_t *request);

/* A table of them ends with op NULL. */
struct ctl_op {
    const char *op;
    ctl_handler *handler;
};

/* Called from a thread of nng's when a connection has ended: take a note, no more. */
typedef void ctl_gone(void *arg, uint32_t connection);

struct ctl_server;

/* Listen. `ops` and `arg` must outlive the server; `gone` may be NULL. The caller holds the program's lock: a
 * socket file that is in the way is a dead one, and removed. */
NODISCARD int ctl_server_open(struct ctl_server **server, const struct spool *spool, const char *program,
                              const struct ctl_op *ops, ctl_gone *gone, void *arg, struct err *err);

int ctl_server_fd(const struct ctl_server *server);

/* Answer what is waiting, at most some tens of requests. */
void ctl_server_serve(struct ctl_server *server);

/* It watches whether it can still be connected to, and mends that (listening.h): when that is due, and doing
 * it. */
struct mono ctl_server_due(const struct ctl_server *server);
void ctl_server_tick(struct ctl_server *server);

void ctl_server_close(struct ctl_server *server);

#endif
