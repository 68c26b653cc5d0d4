/* peerd's state, and the parts that it is made of. The main thread runs the hooks of each part in the order
 * of the table in peerd.c; a part's own threads see only what its header says.
 *
 *     failing.c     which databases are in failover (failing.h)
 *     membership.c  who is in the ring: polls, DNS, our own state; publishes views (view.h)
 *     routing.c     sealed/ to where it belongs
 *     receiving.c   what peers send, to upload/
 *
 * A new part: a struct peerd_part in a file of its own, its state in struct peerd, a line in peerd.c's table.
 */
#ifndef SPILLWAY_PEERD_PEERD_H
#define SPILLWAY_PEERD_PEERD_H

#include "common/control/client.h"
#include "common/control/daemon.h"
#include "common/spool/ballast.h"
#include "peerd/credentials.h"
#include "peerd/ring/view.h"
#include "peerd/settings.h"

struct peerd {
    struct daemon *daemon;
    struct ballast ballast;
    struct peer_settings settings;
    struct views views;              /* of the ring; any thread takes its own reference */
    struct credentials *credentials; /* how peers know us, and we them; set by membership.c */
    struct failing *failing;         /* failing.c */
    struct membership *membership;   /* membership.c */
    struct routing *routing;         /* routing.c */
    struct receiving *receiving;     /* receiving.c; NULL: without --listen */
};

/* Each hook may be NULL. All run in the main thread. */
struct peerd_part {
    /* Set up; on failure a negative errno (-EINVAL: wrong configuration) and `err`. fini runs either way. */
    int (*init)(struct peerd *peerd, struct err *err);
    /* Do what is due; milliseconds until it wants to be called again, or DAEMON_NEVER. */
    int64_t (*step)(struct peerd *peerd);
    /* Take on no more work; is what was begun done? */
    void (*stop)(struct peerd *peerd);
    bool (*is_drained)(const struct peerd *peerd);
    /* --once: has it done all that can be done now? The process ends when every part has, with EXIT_AGAIN if
     * any part has something left. */
    bool (*is_done)(const struct peerd *peerd, bool *has_left);
    /* SIGHUP: read again what may change. `conf` is the configuration as it is now, valid during the call. */
    void (*reload)(struct peerd *peerd, const struct conf *conf);
    void (*status)(struct peerd *peerd, json_t *out);
    void (*metrics)(struct peerd *peerd, struct metrics *out);
    void (*fini)(struct peerd *peerd);
};

extern const struct peerd_part failing_part, membership_part, routing_part, receiving_part;

/* Operations of the control socket; each is in the file of its part. */
ctl_handler membership_op_peers, membership_op_owner, failing_op_failover, explain_op;

extern const struct daemon_module peerd_module;

#endif
