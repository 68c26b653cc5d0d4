/* The HTTP server: its socket, its threads (libmicrohttpd's), TLS. Calls from the main thread. */
#ifndef SPILLWAY_DOOR_H
#define SPILLWAY_DOOR_H

#include "walwriter/listen.h"
#include "walwriter/reception.h"

struct door {
    struct reception *reception;
    struct listener listener;
    struct MHD_Daemon *daemon;
    char *cert, *key, *ca; /* PEM texts; NULL: none */
};

/* Listen and serve. -EINVAL: wrong configuration. `reception` must outlive it. */
NODISCARD int door_open(struct door *door, struct reception *reception, struct err *err);

/* No new connections and no more requests; those that are under way end first, so nothing may be suspended
 * for long. */
void door_close(struct door *door);

#endif
