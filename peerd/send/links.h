/* What is known of sending to each peer: how many transfers are under way, and whether it is in trouble, that
 * is, not sent to for now, so that its tables are uploaded from here. What a poll says of it is in the view
 * (view.h); here is what its answers to transfers say. Main thread only. */
#ifndef SPILLWAY_PEERD_LINKS_H
#define SPILLWAY_PEERD_LINKS_H

#include "common/base/clock.h"
#include "peerd/ring/view.h"
#include "peerd/send/answer.h"

struct link {
    char name[PEER_NAME_BYTES];
    unsigned in_flight;
    unsigned failures;         /* in a row */
    struct mono trouble_until; /* past: none */
    enum fate fate;            /* of its last answer that was no success */
    char cause[ANSWER_WHY_BYTES];
    int64_t failed_ms;         /* wall; 0: never */
    uint64_t transfers, bytes; /* delivered since the start */
};

struct links {
    struct link *list;
    size_t count;
};

void links_fini(struct links *links);

/* The one of this name, made when it is new. NULL: out of memory. Valid until the next call. */
struct link *links_get(struct links *links, const char *name);

/* For how long a peer is in trouble after an answer of this kind; 0: not at all. `unhealthy_ms`:
 * --peer-unhealthy. An answer 429 that names a database in failover speaks of that database, not of the peer.
 * Pure. */
int64_t link_trouble_ms(const struct answer *answer, int64_t unhealthy_ms);

/* Take note of an answer. */
void link_note(struct link *link, const struct answer *answer, int64_t unhealthy_ms);

static inline bool link_is_in_trouble(const struct link *link)
{
    return !mono_is_past(link->trouble_until);
}

#endif
