/* The two forms of rows that a segment can hold (house.md §3: the last part of a segment's file name). */
#ifndef SPILLWAY_SEGMENT_FORMAT_H
#define SPILLWAY_SEGMENT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/compiler.h"

enum segment_format {
    SEGMENT_CSV = 0,  /* RFC 4180, no header line, rows end in \n (or \r\n, kept as it is) */
    SEGMENT_JSON = 1, /* one JSON object a line */
};

/* "csv" or "json": as in file names, heads and flags. */
const char *segment_format_name(enum segment_format format);

/* The inverse, for exactly those two texts. False (and *format untouched) for any other. */
NODISCARD bool segment_format_parse(const char *text, size_t text_bytes, enum segment_format *format);

#endif
