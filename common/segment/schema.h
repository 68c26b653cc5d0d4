/* Schemas as texts 'Col:type,Col:type,...' (segment.md "Names"): parse, print, hash. Thread-safe.
 * Column names: as ADX has them, letters, digits, '_', '-', '.' and space, 1 to 1024 bytes, case-sensitive,
 * no two alike, not blank at either end. Types: the ten ADX scalar types, by their own names (no aliases). */
#ifndef SPILLWAY_SEGMENT_SCHEMA_H
#define SPILLWAY_SEGMENT_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"

enum {
    SCHEMA_TEXT_MAX = 60000, /* bytes of a schema's text: it must fit a segment's head */
    SCHEMA_COLUMNS_MAX = 4096,
    SCHEMA_NAME_MAX = 1024,      /* bytes of a column's name */
    SCHEMA_HASH_TEXT_BYTES = 14, /* base 36 of 64 bits: 13 digits and the terminator */
    SCHEMA_ERROR_BYTES = 256,
};

enum schema_type {
    SCHEMA_BOOL,
    SCHEMA_DATETIME,
    SCHEMA_DECIMAL,
    SCHEMA_DYNAMIC,
    SCHEMA_GUID,
    SCHEMA_INT,
    SCHEMA_LONG,
    SCHEMA_REAL,
    SCHEMA_STRING,
    SCHEMA_TIMESPAN,
    SCHEMA_TYPES, /* how many there are */
};

struct schema_column {
    const char *name; /* terminated; owned by the schema */
    enum schema_type type;
};

struct schema {
    struct schema_column *columns;
    size_t count;  /* at least 1 after schema_parse() */
    char *storage; /* private: the names */
};

/* Parse a terminated text. Blanks (space, tab) round a column's name, ':' and type, and a comma and a newline
 * at the very end, are forgiven. 0, -EINVAL, -E2BIG (over a limit), -ENOMEM; then error (SCHEMA_ERROR_BYTES,
 * may be NULL) names the column and what would be accepted, and there is nothing to fini. */
NODISCARD int schema_parse(const char *text, struct schema *schema, char *error);

void schema_fini(struct schema *schema);

/* Print in canonical form (no blanks), terminated. *out_bytes without the terminator.
 * 0, -ENOBUFS: out_cap (SCHEMA_TEXT_MAX + 1 always suffices) is too small. */
NODISCARD int schema_print(const struct schema *schema, char *out, size_t out_cap, size_t *out_bytes);

/* xxHash64, seed 0, over name and type of each column in order (adxmon.md; the same value as ADX-Mon's). */
uint64_t schema_hash(const struct schema *schema);

/* A hash as in file names: base 36, digits 0-9a-z, no leading zeros ("0" for 0), terminated. */
void schema_hash_text(uint64_t hash, char out[SCHEMA_HASH_TEXT_BYTES]);

/* "bool", "datetime", ... */
const char *schema_type_name(enum schema_type type);

#endif
