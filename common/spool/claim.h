/* The life of a directory that claims segments for one purpose: batch/<db>/<id>/ and transfer/<db>/<id>/. Its
 * name is the key under which what is in it leaves.
 *
 *     claimed   segments were renamed into it (claim_take()); no plan.json: nothing has left, it may be
 *               dissolved
 *     frozen    plan.json is there, durably: what leaves under this key is settled, byte for byte
 *     done      plan.json was renamed to done.json, durably: the commit. A rename needs no room on a full
 * disk. From here on its segments may be unlinked gone
 *
 * What the texts say is the owner's business; it may keep further `*.json` files beside them. Files whose
 * names begin with a dot are temporary. INTERNALS.md has the crash tables; the crash points here are named
 * claim:*. Used by peerd for transfer/, by uploader for batch/. One thread has a claim at a time. */
#ifndef SPILLWAY_SPOOL_CLAIM_H
#define SPILLWAY_SPOOL_CLAIM_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/spool/place.h"

enum claim_state { CLAIM_CLAIMED, CLAIM_FROZEN, CLAIM_DONE };

struct claim {
    struct spool *spool;
    struct spool_place place;
    int fd;
};

/* Move one segment in; the directory is made when it is missing. -ENOENT: the segment is not there any more.
 */
NODISCARD int claim_take(struct spool *spool, const struct spool_place *place, enum spool_queue from,
                         const char *file);

/* Open what is there. -ENOENT: no such directory. */
NODISCARD int claim_open(struct claim *claim, struct spool *spool, const struct spool_place *place);
void claim_close(struct claim *claim);

/* In which state is it? `plan` gets the text of plan.json or done.json, nothing when it is claimed. */
NODISCARD int claim_read(struct claim *claim, enum claim_state *state, struct buf *plan);

/* Write plan.json: it, the segments' names and the directory's own name are durable afterwards. */
NODISCARD int claim_freeze(struct claim *claim, const void *plan, size_t bytes);

/* The commit: plan.json becomes done.json. Repeating it is harmless. */
NODISCARD int claim_set_done(struct claim *claim);

/* Called for each segment (`*.gz`) in the order of names. Not 0 ends it and is returned. */
typedef int claim_visit(void *arg, struct claim *claim, const char *file);
NODISCARD int claim_each(struct claim *claim, claim_visit *visit, void *arg);

/* Unlink the segments, the texts (plan.json or done.json first), temporary files, the directory. Only when it
 * is done, or when no segment is in it any more. */
NODISCARD int claim_remove(struct claim *claim);

/* Frozen -> claimed: what was settled is not any more. Nothing of it may have left. */
NODISCARD int claim_thaw(struct claim *claim);

/* Called for each temporary file (its name begins with a dot). */
NODISCARD int claim_each_temporary(struct claim *claim, claim_visit *visit, void *arg);

/* One segment of a claimed one goes back to `queue`, or, where its name is taken there, to quarantine
 * (logged). */
NODISCARD int claim_give_back(struct claim *claim, const char *file, enum spool_queue queue);

/* Dissolve it: plan.json goes first, so that a crash leaves a claimed one; then the segments go back to
 * `queue`, then as claim_remove(). A segment whose name is taken there goes to quarantine (logged). */
NODISCARD int claim_release(struct claim *claim, enum spool_queue queue);

#endif
