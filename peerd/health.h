/* What an instance says of a database, as a word that peers exchange (failover.md §3, §4). Pure; thread-safe.
 */
#ifndef SPILLWAY_PEERD_HEALTH_H
#define SPILLWAY_PEERD_HEALTH_H

#include <stdbool.h>

#include "common/base/compiler.h"

enum health {
    HEALTH_UP,
    HEALTH_SUSPECT,      /* attempts fail, not yet for long enough to be sure */
    HEALTH_DEGRADED,     /* what the ingest mode needs is there, something else is not */
    HEALTH_THROTTLED,    /* it answers 429: slow, not away */
    HEALTH_DOWN,         /* from here on: D cannot be reached from there */
    HEALTH_UNAUTHORISED, /* 401, 403 */
    HEALTH_MISSING,      /* there is no such database */
    HEALTH_KINDS,
};

/* "up", "suspect", "degraded", "throttled", "down", "unauthorised", "missing". */
const char *health_word(enum health health);

/* False when it is no word of ours; `*health` is then HEALTH_SUSPECT: a word that a later version knows never
 * takes a database away. */
NODISCARD bool health_parse(const char *word, enum health *health);

/* Can rows go from there to the database, as far as its word goes? */
bool health_is_reachable(enum health health);

#endif
