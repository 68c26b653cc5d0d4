/* Is a line one JSON object (RFC 8259) in UTF-8? Strict: no comments, no trailing commas, no control
 * characters in strings, escapes and surrogate pairs whole, UTF-8 without overlong forms and surrogates,
 * numbers as the grammar has them (of any size: ADX reads them, not we). Every line of JSON that comes in is
 * checked, so it is fast: nothing is built, plain text in strings is passed over 16 bytes at a time. Pure;
 * thread-safe. */
#ifndef SPILLWAY_JSON_ROWS_H
#define SPILLWAY_JSON_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/compiler.h"

enum {
    JSON_ROW_WHY_BYTES = 120,
    JSON_ROW_DEPTH_MAX = 2048, /* objects and arrays in each other; the outermost counts */
};

/* One line, its \n included or not. False: `why` says why not, and at which byte (from 1). */
NODISCARD bool json_row_is_good(const char *line, size_t bytes, char why[static JSON_ROW_WHY_BYTES]);

#endif
