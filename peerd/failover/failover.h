/* Who takes what of a database that is in trouble (failover.md §5), as pure functions of one view of the ring
 * and of the operator's word: whoever has the same view has the same answer, without election or messages.
 *
 *     ring(D)         the present members that do not say that D is out of their reach
 *     failover(D)     on when ring(D) is empty, or an operator says so; off when an operator forbids it
 *     sacrificial(D)  who takes everything of D in failover: first of the present members in rendezvous order
 *                     for the key D, or who the operator named, while present
 *
 * Calling sequence, for each database once a view and for each table then:
 *
 *     struct failover now = failover_look(view, db, mode, at);
 *     struct failover_route route = failover_route(view, &now, db, &segment);
 *
 * Hysteresis is in the inputs: health says down after uploader's breaker has opened and up after its recovery
 * has held; members come and go by presence.h. Nothing here remembers anything. Thread-safe. */
#ifndef SPILLWAY_PEERD_FAILOVER_H
#define SPILLWAY_PEERD_FAILOVER_H

#include "peerd/ring/view.h"

enum failover_cause {
    FAILOVER_HEALTHY,     /* off: somebody reaches it */
    FAILOVER_UNREACHABLE, /* on: no present member reaches it */
    FAILOVER_ORDERED,     /* on: an operator's word */
    FAILOVER_FORBIDDEN,   /* off: nobody reaches it, and an operator forbids failover */
};

/* "healthy", "unreachable", "ordered", "forbidden". */
const char *failover_cause_word(enum failover_cause cause);

struct failover {
    bool is_active;
    enum failover_cause cause;
    size_t present, reaching; /* members; those of them in ring(D) */
    bool is_reached;          /* are we in ring(D)? */
    bool is_recovering;       /* we are not, but our uploader gets through again: what it has stays with it */
    const struct view_member *at; /* sacrificial(D), the view's; NULL when not active */
};

/* `mode` and `at` are the operator's word; `at` "" or NULL: the ring chooses. */
struct failover failover_look(const struct view *view, const char *db, enum override_mode mode,
                              const char *at);

/* What is to be routed. */
struct failover_segment {
    const char *table, *schema; /* schema: the hash as in file names; NULL or "-": none */
    unsigned hops;              /* how often it was sent: 0 when it was written here */
    int64_t held_ms;            /* since it came here */
    bool is_in_upload;          /* it was given to our uploader already */
};

enum failover_way {
    FAILOVER_OWN,    /* our own upload/: we own it, or it came to us and can be uploaded from here */
    FAILOVER_SHARD,  /* `to` owns it, and all is well: the rules of age and size hold (route.h) */
    FAILOVER_DETOUR, /* `to` owns it in ring(D), which we are not in: it goes there whatever its age and size
                      */
    FAILOVER_BUFFER, /* our own upload/: we are the sacrificial instance */
    FAILOVER_DIVERT, /* to the sacrificial instance, `to`; its refusal means the drop policy (drop_policy.h)
                      */
    FAILOVER_REST,   /* it must move on, but not before rest_ms from now */
};

/* "own", "shard", "detour", "buffer", "divert", "rest". */
const char *failover_way_word(enum failover_way way);

struct failover_route {
    enum failover_way way;
    const struct view_member *to; /* the view's; NULL for OWN and BUFFER: us. With REST: where it will go */
    int64_t rest_ms;              /* FAILOVER_REST: how long yet */
    const char *reason;           /* for people, a constant phrase */
};

struct failover_route failover_route(const struct view *view, const struct failover *failover, const char *db,
                                     const struct failover_segment *segment);

/* How long a segment that was sent `hops` times rests before it moves on: nothing, 10 s, doubling to 2 min.
 * So peers whose views differ for a while never play ping-pong, and no segment is stranded by a bound on
 * hops. */
int64_t failover_rest_ms(unsigned hops);

enum { FAILOVER_REST_MS = 10000, FAILOVER_REST_MAX_MS = 120000 };

#endif
