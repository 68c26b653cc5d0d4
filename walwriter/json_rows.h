/* Is a line a JSON object in UTF-8? Pure; thread-safe. */
#ifndef SPILLWAY_JSON_ROWS_H
#define SPILLWAY_JSON_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/compiler.h"

enum { JSON_ROW_WHY_BYTES = 120 };

/* One line, its \n included or not. False: `why` says why not. */
NODISCARD bool json_row_is_good(const char *line, size_t bytes, char why[static JSON_ROW_WHY_BYTES]);

#endif
