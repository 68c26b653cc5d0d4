/* Kusto's scalar types, and how ingested text becomes a value of one. What does not fit its type becomes
 * null, as in ADX; a string is never null. Pure, thread-safe. */
#ifndef ADXSIM_COERCE_H
#define ADXSIM_COERCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/adxsim/buf.h"

enum kusto_type {
    TYPE_BOOL,
    TYPE_DATETIME,
    TYPE_DECIMAL,
    TYPE_DYNAMIC,
    TYPE_GUID,
    TYPE_INT,
    TYPE_LONG,
    TYPE_REAL,
    TYPE_STRING,
    TYPE_TIMESPAN,
    TYPES
};

/* Kusto's name (or an alias of it: date, boolean, double, time, uuid, uniqueid) to the type. 0 or -EINVAL. */
NODISCARD int type_parse(const char *name, enum kusto_type *type);
const char *type_name(enum kusto_type type);
const char *type_net_name(enum kusto_type type); /* what DataType says in a V1 answer */

enum value_kind { VALUE_NULL, VALUE_INTEGER, VALUE_REAL, VALUE_TEXT };

struct value {
    enum value_kind kind;
    int64_t integer;
    double real;
    const char *text; /* not terminated; points into the input, into fixed or into the scratch buffer */
    size_t len;
    char fixed[48];
};

/* bool, int, long: INTEGER. real: REAL, but NaN is the text "NaN" (SQLite has none). datetime: ISO text in
 * UTC, with at most 7 digits of fraction (more are cut off). guid: lower case. timespan: [-][d.]hh:mm:ss[.f].
 * dynamic: JSON text as given; what is not JSON, as a JSON string. string: as given. Empty text is null for
 * all but string. The value lives as long as the input, scratch and *value are untouched. */
void coerce_text(enum kusto_type type, const char *text, size_t len, struct value *value,
                 struct buf *scratch);

/* The pieces, for their tests. Each returns the length of what it wrote, 0 when the text is not one. */
size_t coerce_datetime(const char *text, size_t len, char out[static 48]);
size_t coerce_timespan(const char *text, size_t len, char out[static 48]);

#endif
