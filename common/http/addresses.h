/* How many connections each address has. Thread-safe. */
#ifndef SPILLWAY_HTTP_ADDRESSES_H
#define SPILLWAY_HTTP_ADDRESSES_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>

#include "common/base/compiler.h"

struct addresses {
    pthread_mutex_t lock; /* guards the tree */
    void *tree;
    size_t most; /* 0: nobody counts */
};

/* Of an address: what of it counts (no port). Of a Unix socket nothing does. */
struct address {
    size_t bytes;
    unsigned char data[sizeof(struct in6_addr)];
};

void addresses_init(struct addresses *addresses, size_t most);
void addresses_fini(struct addresses *addresses);

struct address address_of(const struct sockaddr *name);

/* May one more come from there? */
NODISCARD bool addresses_has_room(struct addresses *addresses, const struct address *address);

/* One more, and one less. False: it was not counted, there is no memory, or no limit. */
NODISCARD bool addresses_enter(struct addresses *addresses, const struct address *address);
void addresses_leave(struct addresses *addresses, const struct address *address);

#endif
