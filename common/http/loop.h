/* One of the threads of a server: it serves some of its connections, and what their requests wait for. The
 * library is driven from here (its external polling), because it knows two ways to wait only: to take a
 * connection out of the poll set and put it in again, which costs four system calls, or to ask again and
 * again. Here a request that waits for its last answer is asked again when there is one, and not before: a
 * request whose bytes come at once costs one recv() and one send(), and what all requests of a turn wait for
 * is begun together, and ends together.
 *
 * A request has one wait at a time:
 *
 *     in its handler   http_wait_begin(&wait, connection, how, done), return MHD_YES
 *     after the turn   hooks->begun(arg, waits): carry them out, elsewhere
 *     there            http_wait_end(&wait), any thread
 *     in the loop      wait->done(wait); then the handler is called again
 *
 * A connection may end while its request waits: hooks->end is called then as always. The wait goes on, and so
 * must what it is a part of, until `done`. */
#ifndef SPILLWAY_HTTP_LOOP_H
#define SPILLWAY_HTTP_LOOP_H

#include <microhttpd.h>
#include <stdbool.h>

#include "common/base/err.h"

struct http_loop;
struct http_server;

enum http_wait_how {
    /* The body is complete. Meanwhile the handler may be called: it asks http_wait_goes_on(), returns
     * MHD_YES, and does nothing. */
    HTTP_WAIT_ANSWER,
    /* Before or in the middle of a body: nothing is read, the handler is not called. */
    HTTP_WAIT_BODY,
    /* Of a request that has ended: only `done` is called. */
    HTTP_WAIT_ENDED,
};

struct http_wait {
    struct http_wait *next; /* of those that begin, or end, together */
    void (*done)(struct http_wait *wait);
    /* private */
    struct http_loop *loop;
    struct MHD_Connection *connection;
    enum http_wait_how how;
    bool is_pending;
};

/* In the loop's thread. `connection`: any of this loop, with HTTP_WAIT_ENDED NULL if `wait` was used before.
 */
void http_wait_begin(struct http_wait *wait, struct MHD_Connection *connection, enum http_wait_how how,
                     void (*done)(struct http_wait *wait));

/* In the loop's thread: `done` was not called yet. */
static inline bool http_wait_is_pending(const struct http_wait *wait)
{
    return wait->is_pending;
}

/* The same, for a handler. */
NODISCARD bool http_wait_goes_on(struct http_wait *wait);

/* From any thread, also from hooks->begun. `wait` is the loop's from now on. */
void http_wait_end(struct http_wait *wait);

/* --- for the server --------------------------------------------------------------------------------- */

/* server->loops must be complete before one of them is started, and until all are stopped. */
NODISCARD int http_loop_new(struct http_loop **loop, struct http_server *server, struct err *err);
NODISCARD int http_loop_start(struct http_loop *loop, struct err *err);

/* Serve no more; NULL is allowed, and one that was not started. */
void http_loop_stop(struct http_loop *loop);

/* Ends its connections, when no request waits any more. NULL is allowed. */
void http_loop_free(struct http_loop *loop);

/* A connection of it has begun, or ended. */
void http_loop_count_in(struct http_loop *loop);
void http_loop_count_out(struct http_loop *loop);

struct http_server *http_loop_server(const struct http_loop *loop);

#endif
