/* Where the segments of one table that wait in sealed/ go, as a pure function of what is known (failover.md
 * §2):
 *
 *     ours, or nobody else is there           upload/
 *     received by transfer before             upload/: it is not sent on
 *     the oldest is older than max_age_ms     those that are: upload/
 *     more than max_bytes at hand             upload/: it is a batch already
 *     the owner is in trouble                 upload/
 *     younger than linger_ms, and not many    wait for more
 *     no slot free                            wait
 *     else                                    send to the owner
 *
 * Ages are by the segments' ids, which survive each hop, so nothing is young for ever; a segment whose id
 * lies in the future has the age since it was first seen. */
#ifndef SPILLWAY_PEERD_ROUTE_H
#define SPILLWAY_PEERD_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

struct route_settings {
    int64_t max_age_ms; /* --max-transfer-age */
    uint64_t max_bytes; /* --max-transfer-size */
    int64_t linger_ms;  /* --transfer-linger */
    uint32_t files;     /* that make a batch without lingering */
};

struct route_facts {
    bool is_alone;   /* no other member is present */
    bool is_own;     /* we are the owner */
    bool is_settled; /* who is present is known (view.h) */
    bool is_trouble; /* the owner is not to be sent to for now (links.h) */
    bool has_slot;   /* one more may be sent to it now */
    bool is_held;    /* route_move_on(): it said that it has no room, and is not asked before a while */
    unsigned hops;   /* how often it was sent before */
    int64_t age_ms;  /* of the oldest segment at hand */
    int64_t seen_ms; /* since that one was seen first */
    uint64_t bytes;  /* of the segments at hand, files of them at most */
    uint32_t files;  /* how many these are */
};

enum route_way { ROUTE_UPLOAD, ROUTE_SEND, ROUTE_WAIT };

enum route_rule {
    ROUTE_RECEIVED,
    ROUTE_OLD,
    ROUTE_UNSETTLED,
    ROUTE_ALONE,
    ROUTE_OWN,
    ROUTE_LARGE,
    ROUTE_TROUBLE,
    ROUTE_NO_SLOT,
    ROUTE_LINGER,
    ROUTE_OWNER,
    ROUTE_HELD,
    ROUTE_AWAY,
    ROUTE_RULES,
};

struct route {
    enum route_way way;
    enum route_rule rule;
    const char *reason; /* the rule as a constant word: "own", "old", ... */
    const char *text;   /* and as a phrase, for people */
};

struct route route_decide(const struct route_settings *settings, const struct route_facts *facts);

/* The same for what must move on, because it cannot be uploaded from here (failover.h): never to upload/,
 * whatever its age and size. */
struct route route_move_on(const struct route_settings *settings, const struct route_facts *facts);

/* How old is a segment of this id? By its id's time, never less than 0, and never less than it has been
 * known. */
int64_t route_age_ms(uint64_t id, int64_t wall_ms, int64_t seen_ms);

#endif
