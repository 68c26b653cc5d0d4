/* Takes segments out of sealed/, to where route.h says: a rename into upload/, or a claim for a transfer.
 * What waits there is kept as lists by table (common/spool/waiting.h), read again when its directory has
 * changed, and decided on as a whole: the cost grows with the tables and with what is new. Main thread only.
 */
#ifndef SPILLWAY_PEERD_ROUTER_H
#define SPILLWAY_PEERD_ROUTER_H

#include <stdint.h>

#include "common/spool/waiting.h"
#include "peerd/failover/failover.h"
#include "peerd/send/route.h"
#include "peerd/send/shipping.h"

/* What was routed to upload/ since the start. */
struct router_counts {
    uint64_t segments, bytes;
    uint64_t failures; /* moves that failed and will be tried again */
};

struct router_db {
    char folder[SPOOL_NAME_BYTES];
    char db[NAME_FILE_MAX_BYTES + 1]; /* decoded */
    struct waiting queue;
    struct mono held_until;  /* the sacrificial instance had no room: not asked before */
    struct mono relieved_at; /* some were given up then, for the pressure on our own disk, */
    uint64_t relieved_bytes; /* and so much since that pressure was last measured */
};

/* What the router is told about databases in trouble. */
struct router_hooks {
    struct failover (*look)(void *arg, const struct view *view, const char *db);
    /* What waits for the sacrificial instance, which has no room (`is_full`) or cannot be reached. */
    struct drop_decision (*policy)(void *arg, const struct view *view, bool is_full);
    void *arg;
};

struct router {
    const struct spool *spool;
    struct route_settings settings;
    struct router_hooks hooks;
    struct router_counts counts;
    struct router_db *dbs;
    size_t db_count, turn;
    bool must_scan;           /* also directories that look unchanged */
    uint64_t waiting, strays; /* after the last run */
    int64_t due_ms;           /* when something that lingers is due; -1: nothing does */
};

void router_init(struct router *router, const struct spool *spool, const struct route_settings *settings,
                 const struct router_hooks *hooks);

/* The sacrificial instance has no room for this database: it is not asked again before that. */
void router_hold(struct router *router, const char *db, int64_t for_ms);
void router_fini(struct router *router);

/* Look at sealed/, decide, act. What cannot be moved now is left, logged and counted; a segment whose name is
 * taken in upload/ goes to quarantine, for two files of one name cannot both be it. Returns how many are
 * left, or a negative errno when sealed/ cannot be read. */
NODISCARD int64_t router_run(struct router *router, const struct view *view, struct shipping *shipping);

/* What router_run() would do now with one segment of sealed/: from the same decision. */
struct router_answer {
    enum failover_way way;
    const char *reason;       /* why that way: a constant phrase */
    const char *rule;         /* what is done now (route.h): a word, */
    const char *rule_text;    /* and as a phrase */
    char to[PEER_NAME_BYTES]; /* "": us */
    bool is_ours;
    bool is_behind;  /* that is done with older ones of its table, and it is looked at after them */
    int64_t wait_ms; /* it waits for so long, unless something else changes; 0: not known, or it does not */
};

/* `folder`: of the database. -ENOENT: it is not there (any more); another negative errno: sealed/ cannot be
 * read. */
NODISCARD int router_explain(struct router *router, const struct view *view, struct shipping *shipping,
                             const char *folder, const struct segment_name *name,
                             struct router_answer *answer);

#endif
