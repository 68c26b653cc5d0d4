/* Named places where a test can have the process die, as by kill -9: one for each step of the crash table in
 * INTERNALS.md.
 *
 *     SPILLWAY_CRASH_AT=seal:after-rename walwriter ...       dies there
 *     SPILLWAY_CRASH_AT=seal:after-rename#3 walwriter ...     the third time it comes there
 *
 * In every build, so that what is tested is what is shipped; without the variable a point costs one load and
 * one branch. Names are constants `operation:step`, unique. Thread-safe. */
#ifndef SPILLWAY_CRASH_H
#define SPILLWAY_CRASH_H

#include <stddef.h>

/* What the variable said, read before main(); NULL: nothing. */
extern const char *crash_at;

/* Die (SIGKILL) if `name` is the point that was asked for. */
void crash_reached(const char *name);

static inline void crash_point(const char *name)
{
    if (__builtin_expect(crash_at != NULL, 0))
        crash_reached(name);
}

#endif
