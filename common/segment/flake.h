/* Segment ids (adxmon.md, house.md §3): 41 bits milliseconds since 2014-01-01T00:00:00Z, 10 bits host, 13
 * bits sequence. Their order as numbers, and of their 16 hexadecimal digits as text, is the order in time.
 * Pure arithmetic: the caller knows the clock and keeps the last id. Thread-safe. */
#ifndef SPILLWAY_SEGMENT_FLAKE_H
#define SPILLWAY_SEGMENT_FLAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"

enum {
    FLAKE_HOST_MAX = 1023,
    FLAKE_SEQUENCE_MAX = 8191,
    FLAKE_SEQUENCE_NEXT_MAX = 4095, /* of flake_next(); those above are of flake_at() */
    FLAKE_TEXT_BYTES = 16,
};
#define FLAKE_EPOCH_UNIX_MS UINT64_C(1388534400000) /* 2014-01-01T00:00:00Z */
#define FLAKE_MS_MAX ((UINT64_C(1) << 41) - 1)      /* in September 2083 */

struct flake {
    uint64_t unix_ms; /* milliseconds since 1970 */
    uint32_t host;
    uint32_t sequence;
};

/* Put an id together. A time before the epoch counts as the epoch, one after FLAKE_MS_MAX as that; host and
 * sequence are taken modulo their size. */
uint64_t flake_compose(const struct flake *parts);
void flake_decompose(uint64_t id, struct flake *parts);

/* The next id of this host: strictly greater than last, whatever the clock does (also when it goes back, and
 * when the sequence of one millisecond is used up: then it runs ahead of the clock). last 0: none yet. 0 only
 * if there is no greater id (year 2083). */
NODISCARD uint64_t flake_next(uint64_t last, uint64_t now_unix_ms, uint32_t host);

/* An id of a time that has been, for rows that were taken elsewhere; never one that flake_next() gives.
 * `count`, that of such ids so far, tells them apart: any 4096 in a row differ, and four million of one time.
 * Its time is up to a second before unix_ms, and just that for the first 4096. */
uint64_t flake_at(uint64_t unix_ms, uint32_t host, uint64_t count);

/* The time of an id, in milliseconds since 1970. */
uint64_t flake_unix_ms(uint64_t id);

/* Does its time tell anything? Not on the first day of all: a clock that was never set gives such ids. */
bool flake_has_time(uint64_t id);

/* 16 lower-case hexadecimal digits and a terminator. */
void flake_print(uint64_t id, char out[FLAKE_TEXT_BYTES + 1]);

/* Exactly 16 lower-case hexadecimal digits. */
NODISCARD bool flake_parse(const char *text, size_t bytes, uint64_t *id);

#endif
