/* What keeps watch over the ring: the threads, and what people were told. Private to membership*.c:
 *
 *     membership.c         starts and stops the threads, hands them what a reload brings
 *     membership_tell.c    what changed, as log lines and events
 *     membership_status.c  status, metrics, and the operations "peers" and "owner"
 *
 * Main thread. */
#ifndef SPILLWAY_PEERD_MEMBERSHIP_H
#define SPILLWAY_PEERD_MEMBERSHIP_H

#include "peerd/peerd.h"
#include "peerd/ring/discovery.h"
#include "peerd/ring/poller.h"

struct membership {
    struct roster roster;
    struct credentials credentials;
    struct own *own;
    struct poller *poller;
    struct discovery *discovery; /* NULL: no --peers-dns */
    struct view *told;           /* the view whose changes people were told last */
};

/* Tell people what changed since they were told last. */
void membership_tell(struct peerd *peerd);

void membership_status(struct peerd *peerd, json_t *out);
void membership_metrics(struct peerd *peerd, struct metrics *out);

#endif
