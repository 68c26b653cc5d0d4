/* The connections that are open, and until when each may take: a client that is too slow is cut off, so that
 * it holds neither memory nor a place for long. A deadline counts from one complete step to the next, not
 * from byte to byte. Thread-safe. */
#ifndef SPILLWAY_HTTP_CLIENTS_H
#define SPILLWAY_HTTP_CLIENTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/list.h"

enum { CLIENTS_LEAST_RATE = 16 << 10 }; /* bytes a second of a body */

struct client {
    struct link link;
    int fd;
    _Atomic int64_t deadline_ns; /* monotonic; 0: none, we are at work for it */
    _Atomic bool is_in_body;     /* a body is awaited of it */
};

struct clients {
    pthread_mutex_t lock;
    struct link list;
    int64_t timeout_ms;
};

void clients_init(struct clients *clients, int64_t timeout_ms);

/* A connection began or ended; `client` is the caller's storage, in between. The end must be told before its
 * descriptor is closed. */
void clients_add(struct clients *clients, struct client *client, int fd);
void clients_remove(struct clients *clients, struct client *client);

/* The next whole head is awaited from now on. */
void clients_await_head(const struct clients *clients, struct client *client);

/* A body is awaited since `start_ns`, so many bytes of which have come. */
void clients_await_body(const struct clients *clients, struct client *client, int64_t start_ns,
                        uint64_t bytes);

/* Nothing is awaited of it. */
void clients_rest(struct client *client);

/* Cut off those that are late, and those that have left in the middle of a body: libmicrohttpd 0.9.75 reads
 * until less came than it asked for, and so misses, with edge-triggered epoll, an end that came together with
 * the last bytes. Returns how many. Once a second is often enough. */
unsigned clients_reap(struct clients *clients);

#endif
