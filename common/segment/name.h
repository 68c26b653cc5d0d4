/* Names: which ones ADX takes, how they look in the file system, and the file name of a segment (house.md §3,
 * CONTRACT): <Table>,<schema>,<id>.<format>.gz Folders below a queue are databases, encoded in the same way.
 * Thread-safe. */
#ifndef SPILLWAY_SEGMENT_NAME_H
#define SPILLWAY_SEGMENT_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"
#include "common/segment/format.h"
#include "common/segment/schema.h"

enum {
    NAME_MAX_BYTES = 1024,     /* an ADX database, table or column */
    NAME_FILE_MAX_BYTES = 255, /* one component of a path (NAME_MAX of Linux) */
};

enum name_status {
    NAME_OK = 0,
    NAME_EMPTY,
    NAME_TOO_LONG,      /* over NAME_MAX_BYTES */
    NAME_BAD_BYTE,      /* not a letter, digit, '_', '-', '.' or space */
    NAME_FILE_TOO_LONG, /* the encoded form is over NAME_FILE_MAX_BYTES */
    NAME_BAD_ENCODING,  /* not what name_encode() writes: a bad %XX, lower-case hex, or a byte that needs no
                           %XX */
    NAME_BAD_SUFFIX,    /* does not end in .csv.gz or .json.gz */
    NAME_BAD_SHAPE,     /* not <Table>,<schema>,<id> before the suffix */
    NAME_BAD_SCHEMA,    /* the second part is neither - nor a hash in base 36 */
    NAME_BAD_ID,        /* the third part is not 16 lower-case hexadecimal digits */
};

/* Would ADX take these bytes as the name of a database, table or column? */
NODISCARD enum name_status name_check(const char *name, size_t bytes);

/* Check a name and write it for the file system: bytes outside A-Za-z0-9_- as %XX. Terminated.
 * out_cap: NAME_FILE_MAX_BYTES + 1 always suffices. NAME_OK or why not (NAME_FILE_TOO_LONG too if out_cap is
 * too small). */
NODISCARD enum name_status name_encode(const char *name, char *out, size_t out_cap);

/* The inverse, strict: only what name_encode() writes is taken, so no two file names mean one thing.
 * Terminated. out_cap: NAME_FILE_MAX_BYTES + 1 always suffices. */
NODISCARD enum name_status name_decode(const char *text, size_t bytes, char *out, size_t out_cap);

struct segment_name {
    char table[NAME_FILE_MAX_BYTES + 1]; /* decoded, a valid ADX name */
    bool has_schema;
    uint64_t schema_hash; /* if has_schema; "-" in the file name otherwise */
    uint64_t id;          /* flake.h */
    enum segment_format format;
};

/* Write the file name of a segment, terminated, to out (NAME_FILE_MAX_BYTES + 1 bytes). */
NODISCARD enum name_status segment_name_build(const struct segment_name *name,
                                              char out[NAME_FILE_MAX_BYTES + 1]);

/* Read a file name (one path component, terminated). Only names that segment_name_build() writes are taken.
 */
NODISCARD enum name_status segment_name_parse(const char *file, struct segment_name *name);

/* For a message: "a byte outside letters, digits, '_', '-', '.' and space". */
const char *name_status_text(enum name_status status);

#endif
