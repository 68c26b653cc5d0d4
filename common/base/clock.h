/* Two clocks that cannot be mixed up. Deadlines and ages are monotonic (a step of the wall clock neither
 * freezes nor storms them); what people and other machines read is wall time. Thread-safe. */
#ifndef SPILLWAY_CLOCK_H
#define SPILLWAY_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* A point in monotonic time. The zero value is long past. */
struct mono {
    int64_t ns;
};

struct mono mono_now(void);

/* The moment `delay_ms` from now (delay_ms >= 0; huge values mean never). */
struct mono mono_after(int64_t delay_ms);

bool mono_is_past(struct mono deadline);

/* Milliseconds until `deadline`, rounded up; 0 when it is past. */
int64_t mono_left_ms(struct mono deadline);

/* Milliseconds since `start`. */
int64_t mono_since_ms(struct mono start);

/* For code that is given the time: the moment `delay_ms` after `from` (saturating, as above), and the
 * milliseconds from `from` to `to`, negative when `to` is earlier. */
struct mono mono_plus(struct mono from, int64_t delay_ms);
int64_t mono_between_ms(struct mono from, struct mono to);

/* The earlier of the two. */
struct mono mono_earlier(struct mono a, struct mono b);

/* Milliseconds since 1970-01-01T00:00:00Z. */
int64_t wall_now_ms(void);

enum { WALL_TEXT_BYTES = 32 };

/* ISO 8601 in UTC with milliseconds, as in 2026-11-22T06:00:00.123Z. */
void wall_format(int64_t wall_ms, char text[static WALL_TEXT_BYTES]);

#endif
