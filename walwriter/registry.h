/* The tables and databases that rows come for: who they are, found by name. A table is here as long as a
 * request for it is under way or rows of it are in a segment that is not sealed.
 *
 * Threads: the functions below, from any. Of the structs, names are constant; members marked (committer)
 * belong to the committer's thread (commit.h), those marked (lock) to the registry's lock. */
#ifndef SPILLWAY_REGISTRY_H
#define SPILLWAY_REGISTRY_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/control/lease.h"
#include "common/spool/origin.h"
#include "walwriter/route.h"

enum { DATABASES_MAX = 2000, REFUSAL_BYTES = 256 };

/* No room: what requests for a database are told meanwhile. */
struct refusal {
    struct mono until; /* past: there is room, as far as we know */
    char reason[REFUSAL_BYTES];
};

struct database {
    char *name;
    struct link link;       /* (lock) */
    size_t tables;          /* (lock) */
    struct refusal refusal; /* (lock) */
    struct lease *lease;    /* (committer) NULL: not yet */
    int64_t refused_bytes;  /* (committer) what there was no room for last */
    struct mono idle_since; /* (lock) when it last lost its last table */
    _Atomic uint64_t rows, bytes, bad_rows, requests, refused;
};

struct slot;
struct job;

struct table {
    struct segment_origin origin;
    struct database *database;
    struct table *next; /* (lock) in its bucket */
    uint64_t hash;
    size_t requests; /* (lock) */
    bool is_used;    /* (lock) has a segment */
    char *storage;   /* db, table, schema as given: its key */
    /* (committer) */
    struct slot *rows, *bad;  /* the segments that are open for it */
    size_t segments;          /* of it, not sealed yet: those two and what waits to be sealed */
    struct job *first, *last; /* what is to be written in this round */
    struct table *next_waiting;
};

struct registry {
    pthread_mutex_t lock;
    const char *instance;
    size_t tables_max;
    struct table **buckets;
    size_t bucket_count, table_count, database_count;
    struct link databases;
};

NODISCARD int registry_init(struct registry *registry, const char *instance, size_t tables_max);

/* All requests are answered, all segments sealed or left: leases are closed, too. */
void registry_fini(struct registry *registry);

/* The table that a request is for; the request holds it until registry_put(). -EINVAL: names or schema that
 * ADX would not take; -ENFILE: too many tables or databases at a time. */
NODISCARD int registry_get(struct registry *registry, const struct route *route, struct table **table,
                           struct err *err);
void registry_put(struct registry *registry, struct table *table);

/* The committer: it has a segment for this table; or none any more (the table may be gone after this). */
void registry_use(struct registry *registry, struct table *table);
void registry_release(struct registry *registry, struct table *table);

/* No room, for so long, and why; ms 0: there is room again. */
void registry_refuse(struct registry *registry, struct database *database, int64_t ms, const char *reason);

/* Is there room? False: `*refusal` tells. */
bool registry_has_room(struct registry *registry, struct database *database, struct refusal *refusal);

/* Call `visit` for each database, under the lock: it does nothing that takes time. */
typedef void registry_visit(void *arg, struct database *database);
void registry_each(struct registry *registry, registry_visit *visit, void *arg);

/* The committer, now and then: databases that nothing came for in a minute are forgotten, their leases
 * closed. */
void registry_sweep(struct registry *registry);

#endif
