#include "diskguard/pressure.h"

const char *pressure_level_name(enum level level)
{
    return level == PRESSURE_OK ? "ok" : level == PRESSURE_HIGH ? "high" : "full";
}

const char *pressure_reason_name(enum reason reason)
{
    static const char *const names[REASON_COUNT] = {"none",   "bytes",    "segments",   "free-space",
                                                    "inodes", "failover", "unwritable", "unread"};
    return names[reason];
}

int64_t pressure_permille(int64_t part, int64_t whole)
{
    if (whole <= 0)
        return FULL_AT;
    if (part <= 0)
        return 0;
    double permille = (double)part * 1000.0 / (double)whole;
    return permille > 1e6 ? 1000000 : (int64_t)permille;
}

void pressure_refused(struct pressure *pressure, enum reason reason, int64_t now_ms)
{
    pressure->refused = reason;
    pressure->refused_ms = now_ms;
}

static enum level next_level(enum level level, int64_t fill, bool is_refusing)
{
    if (is_refusing || fill >= FULL_AT || (level == PRESSURE_FULL && fill >= FREE_BELOW))
        return PRESSURE_FULL;
    if (fill >= HIGH_AT || (level != PRESSURE_OK && fill >= OK_BELOW))
        return PRESSURE_HIGH;
    return PRESSURE_OK;
}

bool pressure_update(struct pressure *pressure, const int64_t fill[static REASON_COUNT], int64_t now_ms)
{
    enum reason worst = REASON_BYTES;
    for (size_t i = 0; i < REASON_COUNT; i++)
        if (fill[i] > fill[worst])
            worst = (enum reason)i;
    bool is_refusing = pressure->refused_ms && now_ms - pressure->refused_ms < REFUSED_MS;
    enum level level = next_level(pressure->level, fill[worst], is_refusing);
    enum reason reason = level == PRESSURE_OK                   ? REASON_NONE
                         : is_refusing && fill[worst] < FULL_AT ? pressure->refused
                                                                : worst;
    bool is_changed = level != pressure->level || reason != pressure->reason;
    if (level != pressure->level)
        pressure->since_ms = now_ms;
    pressure->level = level;
    pressure->reason = reason;
    return is_changed;
}
