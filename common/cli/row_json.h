/* Rows of a block as JSON lines on stdout, for `cat --json`: an object a row. JSON rows are objects already.
 * CSV rows get the names of their schema's columns, or c1, c2, … where there is none; numbers and booleans
 * are bare where they are what JSON takes, an empty field of a type other than string is null, all else is a
 * string. Errors show in ferror(stdout). One thread. */
#ifndef SPILLWAY_CLI_ROW_JSON_H
#define SPILLWAY_CLI_ROW_JSON_H

#include "common/base/buf.h"
#include "common/segment/format.h"
#include "common/segment/schema.h"

struct row_json {
    enum segment_format format;
    const struct schema *schema; /* NULL: not known */
    struct buf field;            /* of the caller's making: room for the longest field */
};

/* Print the whole rows in `rows`. 0 or -ENOSPC: a field is longer than `field` may hold. */
NODISCARD int row_json_print(struct row_json *json, const char *rows, size_t bytes);

#endif
