/* An nng socket that listens at a path in run/, and goes on doing so.
 *
 * A listener of nng 1.5 takes no connections any more, for good, once a peer has left before the handshake
 * was complete: a kill -9 in that instant is enough, and so is a program that connects and closes. So the
 * socket is tried from outside: about once a second a connection is made as any peer makes it. When the
 * socket takes neither this nor any other connection, the listener is exchanged for a new one.
 *
 * One thread, but for what nng's own threads count. */
#ifndef SPILLWAY_LISTENING_H
#define SPILLWAY_LISTENING_H

#include <nng/nng.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/spool/spool.h"

struct listening {
    nng_socket socket;
    char url[SPOOL_URL_BYTES];
    /* private */
    nng_listener listener;
    int probe; /* our own connection to it; -1: none */
    unsigned misses, taken_before;
    struct mono due;
    atomic_bool is_trying;
    atomic_uint taken;      /* connections that the socket took */
    atomic_uint probe_pipe; /* the last of them that was ours */
};

/* Listen with `socket`, which is opened and stays its owner's, at run/PROGRAM.KIND. What is in the way there
 * is removed: the caller holds the program's lock. 0 or an error of nng's. `listening` must stay where it is
 * until the socket is closed. */
NODISCARD int listening_start(struct listening *listening, nng_socket socket, const struct spool *spool,
                              const char *program, const char *kind);

/* When listening_tick() has something to do. */
static inline struct mono listening_due(const struct listening *listening)
{
    return listening->due;
}

/* Try it, look what came of the last trial, listen anew: what is due. Waits 200 ms at most, and only where it
 * listens anew. */
void listening_tick(struct listening *listening);

/* Was this connection only a trial? From any thread. */
bool listening_is_probe(const struct listening *listening, nng_pipe pipe);

/* No more trials. Before the socket is closed. */
void listening_stop(struct listening *listening);

#endif
