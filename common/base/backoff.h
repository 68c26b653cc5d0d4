/* How long to wait before the next attempt: capped exponential with full jitter, and what the server asked
 * for. Pure. */
#ifndef SPILLWAY_BACKOFF_H
#define SPILLWAY_BACKOFF_H

#include <stdint.h>

enum { BACKOFF_RETRY_AFTER_MAX_MS = 3600 * 1000 }; /* a server that asks for more is asked again after this */

struct backoff {
    int64_t min_ms, max_ms; /* --retry-min, --retry-max */
};

/* Milliseconds to wait after the `failures`-th failure in a row (1 or more). The ceiling is min * 2^failures,
 * at most max; the delay is anywhere between min and the ceiling, by `random` (any 32 bits).
 * `retry_after_ms`: what the server asked for, 0 when it did not; the delay is never shorter, and at most a
 * fifth longer: whoever else was asked the same is not to come back at the same moment. */
int64_t backoff_delay_ms(const struct backoff *backoff, unsigned failures, int64_t retry_after_ms,
                         uint32_t random);

/* For trouble that somebody must mend (no rights, no such database): between half of max and max at once. */
int64_t backoff_slow_ms(const struct backoff *backoff, int64_t retry_after_ms, uint32_t random);

#endif
