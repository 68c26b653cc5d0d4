/* What operators said about databases (failover.md §5): in failover, never in failover, or nothing any more;
 * each for a time. Kept in state/failover.json (board_file.h), durable before it holds, and told to the other
 * members in /peer/state, so that a word said at one instance holds for the ring, and for those who come
 * later:
 *
 *     "overrides":{D:{"mode":"on|off|clear","at":"n2","by":"n0","set":ms,"until":ms}}
 *
 * The latest word wins, by `set`; of two with the same `set` the one whose `by` is larger (strcmp), so all
 * members end with the same one whatever they heard first. `set` is the wall clock of the instance where it
 * was said, or more: always later than every word on D that was known there, so a clock that is behind never
 * makes a new word lose against one that its operator could see. "clear" is a word too, and is kept as long
 * as what it cleared could come back from a member that was away.
 *
 * Words end by the wall clock (`until`), whoever reads them; none is believed for longer than
 * OVERRIDE_TTL_MAX_MS from now. Main thread only. */
#ifndef SPILLWAY_PEERD_OVERRIDES_H
#define SPILLWAY_PEERD_OVERRIDES_H

#include <jansson.h>

#include "peerd/failover/failover.h"

#define OVERRIDE_TTL_MAX_MS (INT64_C(90) * 24 * 3600 * 1000)

enum { OVERRIDES_MAX = 1000 };

struct overrides {
    struct override list[OVERRIDES_MAX]; /* by db, in strcmp's order */
    size_t count;
};

/* "on", "off", "clear". */
const char *override_mode_word(enum override_mode mode);

/* An operator's word, said here. `word` has db, mode, at, by and until_ms; set_ms follows from `wall_ms` and
 * what is known. -EINVAL: not a word that can be (err says why); -ENOSPC: too many. */
NODISCARD int overrides_say(struct overrides *overrides, const struct override *word, int64_t wall_ms,
                            struct err *err);

/* A word that another member told. True when it is news, and holds now. */
bool overrides_hear(struct overrides *overrides, const struct override *word, int64_t wall_ms);

/* Take in all that a member tells. True when any of it is news. */
bool overrides_hear_all(struct overrides *overrides, const struct peer_state *state, int64_t wall_ms);

/* Forget what has ended. True when there was any. */
bool overrides_expire(struct overrides *overrides, int64_t wall_ms);

/* The word on a database that holds at `wall_ms`; NULL: none, the rule decides. */
const struct override *overrides_find(const struct overrides *overrides, const char *db, int64_t wall_ms);

/* As JSON, the object above: a new one, NULL without memory; and back. What is not understood is passed
 * over: a word that a later version knows is not ours to follow. `each` is called for every word. */
json_t *overrides_json(const struct override *list, size_t count);
void overrides_read(const json_t *object, void (*each)(void *arg, const struct override *word), void *arg);

#endif
