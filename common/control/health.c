#include "common/control/health.h"

static const char *const words[HEALTH_WORDS] = {
    [HEALTH_UP] = "up",           [HEALTH_DEGRADED] = "degraded",         [HEALTH_THROTTLED] = "throttled",
    [HEALTH_SUSPECT] = "suspect", [HEALTH_UNAUTHORISED] = "unauthorised", [HEALTH_MISSING] = "missing",
    [HEALTH_DOWN] = "down",
};

const char *health_word(enum health health)
{
    return words[health];
}

bool health_is_away(enum health health)
{
    return health >= HEALTH_UNAUTHORISED;
}

enum health health_parse(const char *word)
{
    for (size_t i = 0; i < HEALTH_WORDS; i++)
        if (strcmp(words[i], word) == 0)
            return (enum health)i;
    return HEALTH_SUSPECT;
}
