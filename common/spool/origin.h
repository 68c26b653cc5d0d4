/* Whose rows a segment holds: names checked once and put into the forms that file names and heads want.
 * Thread-safe. */
#ifndef SPILLWAY_SPOOL_ORIGIN_H
#define SPILLWAY_SPOOL_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/segment/head.h"
#include "common/segment/name.h"
#include "common/spool/spool.h"

enum {
    /* The longest file name of a segment that we write. What is put round it fits then, too: in quarantine a
       number and ".why" ("999,X.why"), in active/ ".land" and its like, and the dot and ".new" of a copy. */
    ORIGIN_FILE_MAX = NAME_FILE_MAX_BYTES - 8,
};

struct segment_origin {
    const char *db, *table, *instance; /* the caller's texts */
    char db_folder[SPOOL_NAME_BYTES];  /* db, encoded */
    char *schema;                      /* canonical text, or "" */
    bool has_schema;
    uint64_t schema_hash;
    enum segment_format format;
    uint64_t since_ms; /* the segment is as old as that, in wall time; 0: it begins now */
    const char *extra; /* further members of the head's JSON object ("a":1,"b":2), the caller's; NULL: none */
};

/* Check all of it. `schema` may be NULL or "". db, table and instance must outlive the struct.
 * -EINVAL with a text that names what is wrong and what would be right; nothing to fini then. */
NODISCARD int origin_init(struct segment_origin *origin, const char *db, const char *table,
                          const char *schema, enum segment_format format, const char *instance,
                          struct err *err);
void origin_fini(struct segment_origin *origin);

/* The file name of the segment with this id. Cannot fail after origin_init(). */
void origin_file_name(const struct segment_origin *origin, uint64_t id, char file[static SPOOL_NAME_BYTES]);

/* Write the head's JSON, an object, to `out` (room: MEMBER_HEAD_JSON_MAX). 0, -EINVAL or -ENOMEM. */
NODISCARD int origin_write_head(const struct segment_origin *origin, uint64_t id, char *out,
                                size_t *out_bytes);

/* Write the head member of the segment with this id to `out` (room: ORIGIN_HEAD_MAX bytes). 0 or -EINVAL. */
enum { ORIGIN_HEAD_MAX = MEMBER_HEADER_MAX + MEMBER_TAIL_BYTES };
NODISCARD int origin_encode_head(const struct segment_origin *origin, uint64_t id, uint8_t *out,
                                 size_t *out_bytes);

#endif
