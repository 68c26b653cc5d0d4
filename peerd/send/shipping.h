/* The transfers that this process has in hand: under way in a worker, or waiting to be tried again. Main
 * thread only; a worker has the one that it was given (delivery.h).
 *
 *     shipping_new() -> shipping_recover()         what was in transfer/ at start is taken on
 *     shipping_send()                              claim segments, and send them
 *     shipping_step()                              take results, try again what waits */
#ifndef SPILLWAY_PEERD_SHIPPING_H
#define SPILLWAY_PEERD_SHIPPING_H

#include <jansson.h>

#include "common/base/backoff.h"
#include "common/control/daemon.h"
#include "common/spool/waiting.h"
#include "peerd/send/delivery.h"
#include "peerd/send/links.h"

struct shipping_settings {
    unsigned transfers, per_peer;
    struct backoff backoff;
    int64_t unhealthy_ms;
    int64_t give_up_ms;
    int64_t patience_ms; /* --max-transfer-age: so long for one that the peer surely has not */
    bool has_dns;        /* members may not be known by name yet */
    bool is_once;        /* what failed is left for the next run */
};

struct shipping;

/* What the main thread is asked and told about a database in failover. Its name as people write it. */
struct shipping_hooks {
    /* The peer has no room for it: what becomes of a transfer? DROP_OLDEST: not of this one. */
    struct drop_decision (*full)(void *arg, const char *db, const char *peer, int64_t retry_after_ms);
    /* So much was given up; or, with `cause`, could not be. */
    void (*given_up)(void *arg, const char *db, const struct drop_decision *drop, const char *peer,
                     const struct drops_sum *sum, const char *cause);
    void *arg;
};

/* `sender`: texts must live as long. */
NODISCARD int shipping_new(struct shipping **shipping, struct daemon *daemon, struct tally *tally,
                           const struct shipping_settings *settings, const struct sender_settings *sender,
                           struct drops *drops, const struct shipping_hooks *hooks, struct err *err);
void shipping_free(struct shipping *shipping);

/* Start-up is recovery: done ones are removed, refused ones put aside, claimed ones go back to sealed/,
 * frozen ones are in doubt and wait to be sent again. Before any worker. */
NODISCARD int shipping_recover(struct shipping *shipping, struct err *err);

/* May one more be sent to this peer? And is it in trouble? */
bool shipping_has_slot(struct shipping *shipping, const char *peer);
bool shipping_is_trouble(struct shipping *shipping, const char *peer);

/* Claim the first `count` segments of the group, in sealed/, and send them to `peer`. `is_failing`: from here
 * they cannot be uploaded, so what the peer does not take goes back to sealed/. Negative errno: not all could
 * be claimed; sealed/ is to be read again. */
NODISCARD int shipping_send(struct shipping *shipping, const char *db_folder, const struct waiting *waiting,
                            const struct waiting_group *group, size_t count, const struct view_member *peer,
                            bool is_failing);

/* Likewise, and give them up. `peer`: who would have had to take them. */
NODISCARD int shipping_drop(struct shipping *shipping, const char *db_folder, const struct waiting *waiting,
                            const struct waiting_group *group, size_t count, const struct view_member *peer,
                            const struct drop_decision *drop);

/* Is anything of this database being given up at this moment? */
bool shipping_is_dropping(const struct shipping *shipping, const char *db_folder);

/* Returns milliseconds until it wants to be called again, or DAEMON_NEVER. `*diverted`: how many segments
 * went to upload/ since the last call. */
int64_t shipping_step(struct shipping *shipping, const struct view *view, uint64_t *diverted);

/* Has anything come back to sealed/ since the last call? */
bool shipping_take_returned(struct shipping *shipping);

/* No more is begun; requests under way may end for a moment, then are broken off. */
void shipping_stop(struct shipping *shipping);
bool shipping_is_idle(const struct shipping *shipping); /* nothing under way */

/* --once: may anything still be tried in this run? And is anything left that was tried? */
bool shipping_has_work(const struct shipping *shipping);
bool shipping_has_left(const struct shipping *shipping);

void shipping_status(struct shipping *shipping, json_t *out);
void shipping_metrics(struct shipping *shipping, struct metrics *out);

#endif
