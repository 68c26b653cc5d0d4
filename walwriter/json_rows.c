#include "walwriter/json_rows.h"

#include <jansson.h>

bool json_row_is_good(const char *line, size_t bytes, char why[static JSON_ROW_WHY_BYTES])
{
    json_error_t error;
    json_t *row = json_loadb(line, bytes, JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
    bool is_good = json_is_object(row);
    if (!row)
        snprintf(why, JSON_ROW_WHY_BYTES, "not JSON: %.80s, at byte %d", error.text, error.position);
    else if (!is_good)
        snprintf(why, JSON_ROW_WHY_BYTES, "not a JSON object");
    json_decref(row);
    return is_good;
}
