/* Asks each member how it is (GET /peer/state), and publishes what follows as views.
 *
 * One thread with one curl multi handle: members are asked side by side, one request each at a time, over
 * connections that are kept. It alone writes views. What it reads from others has locks of its own: the
 * roster, our own state, the credentials. */
#ifndef SPILLWAY_PEERD_POLLER_H
#define SPILLWAY_PEERD_POLLER_H

#include "peerd/credentials.h"
#include "peerd/ring/own.h"
#include "peerd/ring/roster.h"

struct poller;

struct poller_options {
    const struct peer_settings *settings;
    int64_t incarnation; /* ours */
    struct roster *roster;
    struct own *own;
    struct credentials *credentials;
    struct views *views;
    void (*changed)(void *arg); /* called from the thread when a view of another version was published */
    void *arg;
};

/* Begin. A first view, of ourselves alone, is published before it returns. */
NODISCARD int poller_start(struct poller **poller, const struct poller_options *options, struct err *err);
void poller_stop(struct poller *poller); /* at once; NULL is fine */

/* The roster changed: look now. Any thread. */
void poller_nudge(struct poller *poller);

#endif
