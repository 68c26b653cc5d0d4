/* The part that knows which databases are in failover: keeps what operators said, applies the rule to every
 * new view, tells people, peers and diskguard what changed, and owns the ledger of what was given up. Main
 * thread, but for failing_drops(), which any thread may use. */
#ifndef SPILLWAY_PEERD_FAILING_H
#define SPILLWAY_PEERD_FAILING_H

#include "peerd/failover/board.h"
#include "peerd/failover/drop_policy.h"
#include "peerd/peerd.h"

/* Could it run with this configuration? -EINVAL and a text. */
NODISCARD int failing_check(const struct conf *conf, struct err *err);

/* What was known of databases before the last end: into our own first state. -ENOMEM. */
NODISCARD int failing_seed(const struct peerd *peerd, struct peer_state *first);

/* What holds for a database in this view, operators' words included. With --failover observe: as if all were
 * well. */
struct failover failing_look(const struct peerd *peerd, const struct view *view, const char *db);

/* Does what there is of it in upload/, or with our uploader, have to leave this instance? Not for some
 * seconds after a failover ended: we are about to reach it ourselves. */
bool failing_is_leaving(const struct peerd *peerd, const struct view *view, const char *db);

/* For how long yet? 0: not for that. */
int64_t failing_stay_ms(const struct peerd *peerd, const char *db);

/* Is the pressure on our own disk high or full? Not known: no. */
bool failing_is_pressed(const struct view *view);

/* What the drop policy says now of what the sacrificial instance does not take. */
struct drop_decision failing_decide(const struct peerd *peerd, const struct view *view, bool is_full);

/* Every database that anybody spoke of. */
void failing_each(struct peerd *peerd, void (*each)(void *arg, const char *db), void *arg);

struct drops *failing_drops(const struct peerd *peerd);

/* Tell people that segments were given up, or, with a `cause`, that they could not be. */
void failing_tell_drops(struct peerd *peerd, const char *db, const struct drop_decision *drop,
                        const char *peer, const struct drops_sum *sum, const char *cause);

#endif
