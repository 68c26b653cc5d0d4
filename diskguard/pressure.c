#include "diskguard/pressure.h"

const char *pressure_level_name(enum level level)
{
    return level == PRESSURE_OK ? "ok" : level == PRESSURE_HIGH ? "high" : "full";
}

const char *pressure_reason_name(enum reason reason)
{
    static const char *const names[REASON_COUNT] = {"none",       "bytes",  "segments",
                                                    "free-space", "inodes", "failover"};
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

static int64_t smoothed(int64_t rate, int64_t grown, int64_t elapsed_ms)
{
    double now = (double)grown * 1000.0 / (double)elapsed_ms;
    double weight = (double)elapsed_ms / (double)(elapsed_ms + RATE_MS);
    return (int64_t)((double)rate + ((now - (double)rate) * weight));
}

void forecast_sample(struct forecast *forecast, struct databases *databases, int64_t used, int64_t now_ms)
{
    int64_t elapsed_ms = now_ms - forecast->sampled_ms;
    bool has_before = forecast->sampled_ms != 0;
    if (has_before && elapsed_ms < SAMPLE_MS)
        return;
    for (size_t i = 0; i < databases->count; i++) {
        struct database *database = &databases->list[i];
        int64_t used_by_it = database_seen(database) + database_settled(database);
        if (has_before)
            database->rate = smoothed(database->rate, used_by_it - database->sampled_used, elapsed_ms);
        database->sampled_used = used_by_it;
    }
    if (has_before)
        forecast->rate = smoothed(forecast->rate, used - forecast->sampled_used, elapsed_ms);
    forecast->sampled_used = used;
    forecast->sampled_ms = now_ms;
}

int64_t forecast_full_in_ms(const struct forecast *forecast, int64_t room)
{
    enum { SLOW = 64 }; /* bytes a second: that is noise */
    if (room <= 0)
        return 0;
    if (forecast->rate < SLOW)
        return -1;
    double ms = (double)room * 1000.0 / (double)forecast->rate;
    return ms > 1e15 ? -1 : (int64_t)ms;
}
