/* Finds the members of the ring in DNS (--peers-dns NAME), by a thread of its own because it blocks:
 *
 *     SRV records of _spillway._tcp.NAME, else of NAME itself: each is a member, at its target and port
 *     else the addresses of NAME, A or AAAA: each is a member, at the port of --listen
 *
 * Priorities and weights of SRV records mean nothing here: all members count. Where a target has several
 * addresses one is used, A before AAAA. Names of members are what they answer with (members.h).
 *
 * A look-up is one whole: when any question of it fails, or nobody at all is found, what was found before
 * stands. It is repeated after --peers-dns-interval, sooner when the answer may be kept for less (1 s at
 * least), and when it failed. */
#ifndef SPILLWAY_PEERD_DISCOVERY_H
#define SPILLWAY_PEERD_DISCOVERY_H

#include "peerd/ring/roster.h"
#include "peerd/settings.h"

struct discovery;

/* What people are told of it. */
struct discovery_status {
    uint64_t lookups, failures;
    size_t members;               /* found by the last one that succeeded */
    int64_t succeeded_ms;         /* wall; 0: never */
    char words[VIEW_WORDS_BYTES]; /* why the last one failed; "": it did not */
};

/* Begin; each answer goes into `roster`, and `changed` is called, from the thread. The strings of `settings`
 * must outlive it. -EINVAL: --peers-dns is no name. */
NODISCARD int discovery_start(struct discovery **discovery, const struct peer_settings *settings,
                              struct roster *roster, void (*changed)(void *arg), void *arg, struct err *err);

/* Ends it; a question under way may take some seconds, which are not waited for. NULL is fine. */
void discovery_stop(struct discovery *discovery);

/* Look up now. Any thread. */
void discovery_hurry(struct discovery *discovery);

void discovery_status(struct discovery *discovery, struct discovery_status *status);

#endif
