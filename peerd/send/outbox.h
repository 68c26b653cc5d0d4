/* The life of a transfer on disk: transfer/<db>/<id>/ (INTERNALS.md has the states and the crash table).
 *
 *     claimed   segments were renamed into it: it may be dissolved
 *     frozen    plan.json (manifest.h): under this id exactly these bytes go to exactly this peer
 *     refused   refused.json beside it, durably: the peer refused it for good, these are its words; what is
 * still in it goes to quarantine done      done.json: the peer has it
 *
 * Rows are counted in the tally (state/peerd.json) once for each transfer: rows_sent, rows_refused, and
 * rows_possibly_twice for what is given up although the peer may have it. One thread has it at a time. */
#ifndef SPILLWAY_PEERD_OUTBOX_H
#define SPILLWAY_PEERD_OUTBOX_H

#include "common/spool/claim.h"
#include "common/spool/tally.h"
#include "peerd/failover/drops.h"
#include "peerd/send/manifest.h"

struct outbox {
    struct claim claim;
    struct tally *tally;
    enum claim_state state;
    bool is_refused;
    bool takes_received;      /* it must move on from here: also what was received before is sent */
    struct manifest manifest; /* when frozen or done */
};

/* Open and read. -ENOENT: no such transfer. -EPROTO: of another version, to be left alone. A plan.json that
 * cannot be understood counts as none (logged). */
NODISCARD int outbox_open(struct outbox *outbox, struct spool *spool, struct tally *tally,
                          const struct spool_place *place, struct err *err);
void outbox_close(struct outbox *outbox);

/* Claimed -> frozen: measure the segments, by headers alone, and write plan.json. One that is damaged,
 * foreign or empty, or was received before, is moved to upload/, whose owner knows what to do. -ENODATA:
 * nothing is left to send, and the directory is gone. `instance`: our name, the first part of the transfer's
 * id. */
NODISCARD int outbox_freeze(struct outbox *outbox, const char *instance, const char *peer, struct err *err);

/* Frozen -> done -> counted -> gone. Also for one that is found done. */
NODISCARD int outbox_finish(struct outbox *outbox);

/* Frozen -> refused: `why` is borrowed, and is what each .why says. Then outbox_put_aside(). */
NODISCARD int outbox_refuse(struct outbox *outbox, const json_t *why);

/* Refused -> segments in quarantine, counted -> gone; from wherever it was interrupted. */
NODISCARD int outbox_put_aside(struct outbox *outbox);

/* Claimed or frozen -> segments in `queue` -> gone. With `possibly_twice` they are counted as such. */
NODISCARD int outbox_dissolve(struct outbox *outbox, enum spool_queue queue, bool possibly_twice);

/* Claimed or frozen, and the peer surely has nothing of it -> its segments given up (drops.h) -> gone. `*sum`
 * is what was given up; on failure the rest is still there, claimed. */
NODISCARD int outbox_give_up(struct outbox *outbox, struct drops *drops, enum drop_fate fate,
                             enum drop_reason reason, const char *peer, struct drops_sum *sum,
                             struct err *err);

/* Read all of its segments, payloads too: are they what they were when they were sealed? Negative errno:
 * cannot be read; 0 no, 1 yes. */
NODISCARD int outbox_is_whole(struct outbox *outbox);

#endif
