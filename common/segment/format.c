#include "common/segment/format.h"

#include <string.h>

static const char *const format_names[] = {[SEGMENT_CSV] = "csv", [SEGMENT_JSON] = "json"};

const char *segment_format_name(enum segment_format format)
{
    return format_names[format];
}

bool segment_format_parse(const char *text, size_t text_bytes, enum segment_format *format)
{
    for (size_t i = 0; i < ARRAY_LEN(format_names); i++) {
        if (strlen(format_names[i]) == text_bytes && memcmp(format_names[i], text, text_bytes) == 0) {
            *format = (enum segment_format)i;
            return true;
        }
    }
    return false;
}
