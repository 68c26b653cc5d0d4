/* The socket that HTTP comes in by: "HOST:PORT", "[V6]:PORT", ":PORT" (all addresses), or "unix:PATH". */
#ifndef SPILLWAY_HTTP_LISTEN_H
#define SPILLWAY_HTTP_LISTEN_H

#include <stdbool.h>

#include "common/base/err.h"

enum { LISTEN_TEXT_BYTES = 160 };

struct listener {
    int fd;
    char text[LISTEN_TEXT_BYTES]; /* where it listens, with the port that the kernel gave for port 0 */
    char *unix_path;              /* to be removed; NULL: TCP */
    bool is_local;                /* loopback or a Unix socket: only this machine can reach it */
};

/* Is it an address at all? Names are not looked up. -EINVAL with a text. */
NODISCARD int listen_check(const char *address, struct err *err);

/* Bind and listen. A Unix socket that nobody answers at is one that a dead process left, and is replaced.
 * -EINVAL (wrong usage), -EADDRINUSE and others, with a text. */
NODISCARD int listen_open(struct listener *listener, const char *address, struct err *err);

/* Not the socket itself: that is its user's by then. */
void listen_close(struct listener *listener);

#endif
