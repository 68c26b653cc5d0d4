#include "peerd/ring/presence.h"

enum { FAILURES_MIN = 2 };

void presence_init(struct presence *presence, int64_t now_ms)
{
    *presence = (struct presence){.state = PRESENCE_NEW, .answered_ms = now_ms};
}

static void answer_to_away(struct presence *presence, int64_t now_ms)
{
    presence->state = PRESENCE_RETURNING;
    presence->returning_ms = now_ms;
}

static void answer_to_returning(struct presence *presence, int64_t now_ms, int64_t hold_ms)
{
    if (now_ms - presence->answered_ms > hold_ms)
        presence->returning_ms = now_ms;
    else if (now_ms - presence->returning_ms >= hold_ms)
        presence->state = PRESENCE_PRESENT;
}

void presence_answer(struct presence *presence, int64_t now_ms, int64_t hold_ms)
{
    switch (presence->state) {
    case PRESENCE_NEW:
    case PRESENCE_PRESENT:
        presence->state = PRESENCE_PRESENT;
        break;
    case PRESENCE_AWAY:
        answer_to_away(presence, now_ms);
        break;
    case PRESENCE_RETURNING:
        answer_to_returning(presence, now_ms, hold_ms);
        break;
    }
    presence->answered_ms = now_ms;
    presence->failures = 0;
}

void presence_failure(struct presence *presence, int64_t now_ms, int64_t hold_ms)
{
    presence->failures += presence->failures < FAILURES_MIN;
    bool is_long = presence->failures >= FAILURES_MIN && now_ms - presence->answered_ms >= hold_ms;
    if (presence->state == PRESENCE_RETURNING || is_long)
        presence->state = PRESENCE_AWAY;
}

void presence_expel(struct presence *presence)
{
    presence->state = PRESENCE_AWAY;
}
