#include "peerd/health.h"

static const char *const words[HEALTH_KINDS] = {
    [HEALTH_UP] = "up",
    [HEALTH_SUSPECT] = "suspect",
    [HEALTH_DEGRADED] = "degraded",
    [HEALTH_THROTTLED] = "throttled",
    [HEALTH_DOWN] = "down",
    [HEALTH_UNAUTHORISED] = "unauthorised",
    [HEALTH_MISSING] = "missing",
};

const char *health_word(enum health health)
{
    return words[health];
}

bool health_parse(const char *word, enum health *health)
{
    for (size_t i = 0; i < HEALTH_KINDS; i++) {
        if (strcmp(words[i], word) == 0) {
            *health = (enum health)i;
            return true;
        }
    }
    *health = HEALTH_SUSPECT;
    return false;
}

bool health_is_reachable(enum health health)
{
    return health < HEALTH_DOWN;
}
