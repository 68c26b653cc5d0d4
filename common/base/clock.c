#include "common/base/clock.h"

enum { NS_PER_MS = 1000000 };

static const int64_t NEVER_NS = INT64_MAX;

struct mono mono_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (struct mono){(int64_t)now.tv_sec * 1000 * NS_PER_MS + now.tv_nsec};
}

struct mono mono_plus(struct mono from, int64_t delay_ms)
{
    if (delay_ms > (NEVER_NS - from.ns) / NS_PER_MS)
        return (struct mono){NEVER_NS};
    return (struct mono){from.ns + delay_ms * NS_PER_MS};
}

int64_t mono_between_ms(struct mono from, struct mono to)
{
    return (to.ns - from.ns) / NS_PER_MS;
}

struct mono mono_after(int64_t delay_ms)
{
    return mono_plus(mono_now(), delay_ms);
}

bool mono_is_past(struct mono deadline)
{
    return deadline.ns <= mono_now().ns;
}

int64_t mono_left_ms(struct mono deadline)
{
    int64_t left = deadline.ns - mono_now().ns;
    return left <= 0 ? 0 : (left + NS_PER_MS - 1) / NS_PER_MS;
}

int64_t mono_since_ms(struct mono start)
{
    return mono_between_ms(start, mono_now());
}

struct mono mono_earlier(struct mono a, struct mono b)
{
    return a.ns <= b.ns ? a : b;
}

int64_t wall_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS;
}

void wall_format(int64_t wall_ms, char text[static WALL_TEXT_BYTES])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t used = strftime(text, WALL_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + used, WALL_TEXT_BYTES - used, ".%03dZ", (int)(wall_ms % 1000));
}
