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
#include "peerd/delivery.h"
#include "peerd/links.h"

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

/* `sender`: texts must live as long. */
NODISCARD int shipping_new(struct shipping **shipping, struct daemon *daemon, struct tally *tally,
                           const struct shipping_settings *settings, const struct sender_settings *sender,
                           struct err *err);
void shipping_free(struct shipping *shipping);

/* Start-up is recovery: done ones are removed, refused ones put aside, claimed ones go back to sealed/,
 * frozen ones are in doubt and wait to be sent again. Before any worker. */
NODISCARD int shipping_recover(struct shipping *shipping, struct err *err);

/* May one more be sent to this peer? And is it in trouble? */
bool shipping_has_slot(struct shipping *shipping, const char *peer);
bool shipping_is_trouble(struct shipping *shipping, const char *peer);

/* Claim the first `count` segments of the group, in sealed/, and send them to `peer`. Negative errno: not all
 * could be claimed; sealed/ is to be read again. */
NODISCARD int shipping_send(struct shipping *shipping, const char *db_folder, const struct waiting *waiting,
                            const struct waiting_group *group, size_t count, const struct view_member *peer);

/* Returns milliseconds until it wants to be called again, or DAEMON_NEVER. `*diverted`: how many segments
 * went to upload/ since the last call. */
int64_t shipping_step(struct shipping *shipping, const struct view *view, uint64_t *diverted);

/* No more is begun; requests under way may end for a moment, then are broken off. */
void shipping_stop(struct shipping *shipping);
bool shipping_is_idle(const struct shipping *shipping); /* nothing under way */

/* --once: may anything still be tried in this run? And is anything left that was tried? */
bool shipping_has_work(const struct shipping *shipping);
bool shipping_has_left(const struct shipping *shipping);

void shipping_status(struct shipping *shipping, json_t *out);
void shipping_metrics(struct shipping *shipping, struct metrics *out);

#endif
