/* Is a member there? A state machine with hysteresis (failover.md §2): one that flaps moves nothing.
 *
 *     state        an answer                          a failure
 *     NEW          PRESENT                            AWAY, after `hold` and two failures in a row
 *     PRESENT      PRESENT                            AWAY, when the last answer is `hold` ago and two failed
 *     AWAY         RETURNING                          AWAY
 *     RETURNING    PRESENT, after `hold` of answers   AWAY
 *
 * A member is present from its first answer on when it is new, so that a start-up is not blind for `hold`.
 * Silence counts as far as somebody listened: two requests must have failed, so a process that slept itself
 * does not find everybody away; and answers count as far as they came in a row: a gap of `hold` between two
 * of them begins the row anew. Whatever comes, it ceases to be present at the earliest `hold` after its last
 * answer, and comes back at the earliest `hold` after its last failure: at most one change in `hold`.
 *
 * Pure; the caller brings the time (milliseconds, monotonic, not going back). */
#ifndef SPILLWAY_PEERD_PRESENCE_H
#define SPILLWAY_PEERD_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

enum presence_state { PRESENCE_NEW, PRESENCE_PRESENT, PRESENCE_AWAY, PRESENCE_RETURNING };

struct presence {
    enum presence_state state;
    int64_t answered_ms;  /* the last answer; NEW: when it was first asked */
    int64_t returning_ms; /* RETURNING: when the row of answers began */
    unsigned failures;    /* in a row */
};

void presence_init(struct presence *presence, int64_t now_ms);

/* A request was answered, or was not. */
void presence_answer(struct presence *presence, int64_t now_ms, int64_t hold_ms);
void presence_failure(struct presence *presence, int64_t now_ms, int64_t hold_ms);

/* It is there, but not what it should be (it has another name, say): away at once. */
void presence_expel(struct presence *presence);

static inline bool presence_is_present(const struct presence *presence)
{
    return presence->state == PRESENCE_PRESENT;
}

#endif
