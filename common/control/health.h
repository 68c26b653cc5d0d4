/* What an instance says of a database, as the word that its programs and its peers exchange (failover.md §3,
 * §4). Pure; thread-safe. */
#ifndef SPILLWAY_HEALTH_H
#define SPILLWAY_HEALTH_H

#include <stdbool.h>

/* From HEALTH_UNAUTHORISED on it cannot be reached from there. */
enum health {
    HEALTH_UP,        /* also: nothing was heard of it yet */
    HEALTH_DEGRADED,  /* takes data, but something else of it is away */
    HEALTH_THROTTLED, /* asks for less */
    HEALTH_SUSPECT,   /* fails, not long enough to be sure */
    HEALTH_UNAUTHORISED,
    HEALTH_MISSING,
    HEALTH_DOWN,
    HEALTH_WORDS,
};

/* "up", "degraded", "throttled", "suspect", "unauthorised", "missing", "down". */
const char *health_word(enum health health);
bool health_is_away(enum health health);

/* A word that is none of ours is HEALTH_SUSPECT: one of a later version never takes a database away. */
enum health health_parse(const char *word);

#endif
