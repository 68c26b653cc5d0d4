/* What we say of ourselves: asked of our own uploader (the health of each database) and diskguard (disk use)
 * over their control sockets, once a second, by a thread of its own, because they may take their time.
 *
 * What nobody has told yet counts as up. When uploader does not answer, its last words stand: a database that
 * was down is not up because uploader is being restarted. Any thread. */
#ifndef SPILLWAY_PEERD_OWN_H
#define SPILLWAY_PEERD_OWN_H

#include <jansson.h>

#include "common/spool/spool.h"
#include "peerd/ring/peer_state.h"

struct own;

/* Begin, from what is known already (taken, whatever is returned): our name and incarnation, perhaps the last
 * word on some databases. `spool` NULL: nobody is asked. */
NODISCARD int own_start(struct own **own, const struct spool *spool, struct peer_state *take_first,
                        struct err *err);
void own_stop(struct own *own); /* NULL is fine; takes as long as an answer that is awaited, 1 s at most */

/* What we say besides: of each database in `take_words` its failover object, and operators' words. Replaces
 * what was said so before. -ENOMEM. */
NODISCARD int own_say(struct own *own, struct peer_state *take_words);

/* A reference to what holds now; never NULL. */
struct peer_state *own_get(struct own *own);

/* Build from the two programs' answers to "status" (NULL: no answer), and what held before. Pure. NULL: no
 * memory. */
struct peer_state *own_build(const struct peer_state *before, json_t *uploader, json_t *guard);

#endif
