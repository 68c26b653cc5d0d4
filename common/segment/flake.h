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

/* 16 lower-case hexadecimal digits and a terminator. */
void flake_print(uint64_t id, char out[FLAKE_TEXT_BYTES + 1]);

/* Exactly 16 lower-case hexadecimal digits. */
NODISCARD bool flake_parse(const char *text, size_t bytes, uint64_t *id);

#endif
