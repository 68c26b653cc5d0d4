#include "common/base/backoff.h"

enum { RETRY_AFTER_SPREAD = 5 }; /* all who were asked for the same time do not come back in step */

static int64_t between(int64_t least, int64_t most, int64_t retry_after_ms, uint32_t random)
{
    int64_t span = most > least ? most - least : 0;
    double part = (double)random / (double)UINT32_MAX;
    int64_t delay = least + (int64_t)((double)span * part);

    if (retry_after_ms > BACKOFF_RETRY_AFTER_MAX_MS)
        retry_after_ms = BACKOFF_RETRY_AFTER_MAX_MS;
    if (delay >= retry_after_ms)
        return delay;
    return retry_after_ms + (int64_t)((double)retry_after_ms / RETRY_AFTER_SPREAD * part);
}

int64_t backoff_delay_ms(const struct backoff *backoff, unsigned failures, int64_t retry_after_ms,
                         uint32_t random)
{
    int64_t ceiling = backoff->min_ms;

    for (unsigned i = 0; i < failures && ceiling < backoff->max_ms; i++)
        ceiling *= 2;
    if (ceiling > backoff->max_ms)
        ceiling = backoff->max_ms;
    return between(backoff->min_ms, ceiling, retry_after_ms, random);
}

int64_t backoff_slow_ms(const struct backoff *backoff, int64_t retry_after_ms, uint32_t random)
{
    return between(backoff->max_ms / 2, backoff->max_ms, retry_after_ms, random);
}
