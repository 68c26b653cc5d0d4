/* Numbers as people write them: sizes (K/M/G/T, powers of 1024), times (ms/s/m/h/d), counts. Pure;
 * thread-safe. */
#ifndef SPILLWAY_UNITS_H
#define SPILLWAY_UNITS_H

#include <stdint.h>

#include "common/base/compiler.h"

/* Parse "20G", "1.5M", "4096" to bytes, 0 to INT64_MAX. -EINVAL: not a size; -ERANGE: too large. */
NODISCARD int units_parse_size(const char *text, int64_t *bytes);

/* Parse "250ms", "30s", "1.5m", "2h", "7d" to milliseconds. A bare number is refused (-EINVAL), except 0. */
NODISCARD int units_parse_time(const char *text, int64_t *ms);

/* Parse a plain decimal count, 0 to INT64_MAX. */
NODISCARD int units_parse_count(const char *text, int64_t *count);

enum { UNITS_TEXT_BYTES = 32 };

/* "0 B", "512 B", "1.5 MiB", "20 GiB"; negative values keep their sign. Returns `text`. */
const char *units_format_size(int64_t bytes, char text[static UNITS_TEXT_BYTES]);

/* "250 ms", "30 s", "1.5 min", "2.0 h", "3.1 d". Returns `text`. */
const char *units_format_time(int64_t ms, char text[static UNITS_TEXT_BYTES]);

#endif
