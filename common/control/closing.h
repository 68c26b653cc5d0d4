/* Closing an nng socket. nng_close() of nng 1.5 can wait for ever (github.com/nanomsg/nng, issues 1543 and
 * 1813: a task that was prepared and never started), so nobody waits for it: a thread of its own closes the
 * socket, and what it belonged to is freed after it, because nng may call back until then. A thread that
 * hangs costs some memory and ends with the process, and the kernel closes the connection then at the latest.
 */
#ifndef SPILLWAY_CLOSING_H
#define SPILLWAY_CLOSING_H

#include <nng/nng.h>

/* Close `socket` in the background, then free() `take_owner` (may be NULL). */
void socket_close(nng_socket socket, void *take_owner);

#endif
