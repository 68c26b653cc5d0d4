/* The head of a segment: whose rows these are (segment.md "Head member"). JSON text <-> struct.
 * Thread-safe. The reader tolerates keys it does not know; it does not tolerate another version. */
#ifndef SPILLWAY_SEGMENT_HEAD_H
#define SPILLWAY_SEGMENT_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"
#include "common/segment/format.h"
#include "common/segment/member.h"
#include "common/segment/name.h"

enum {
    SEGMENT_HEAD_VERSION = 1,
    SEGMENT_SCHEMA_MAX = 60000, /* bytes of schema text, so that the whole head fits S h */
    SEGMENT_INSTANCE_MAX = 255, /* bytes of an instance's name */
};

/* db and table are valid ADX names (name.h); schema is "" or what schema.h accepts (in canonical form from
 * our writers). In a struct given to segment_head_write() all texts are the caller's; from
 * segment_head_read() they are owned by the struct (segment_head_fini). */
struct segment_head {
    const char *db;
    const char *table;
    enum segment_format format;
    const char *schema;
    uint64_t id;          /* flake id (flake.h); 16 lower-case hexadecimal digits in the JSON */
    const char *instance; /* name of the instance that wrote it; may be "" */
    void *storage;        /* private: owns the texts of a head that was read; NULL otherwise */
};

enum segment_head_status {
    SEGMENT_HEAD_OK = 0,
    SEGMENT_HEAD_NOMEM,
    SEGMENT_HEAD_TOO_LARGE,     /* the text is over MEMBER_HEAD_JSON_MAX */
    SEGMENT_HEAD_NOT_JSON,      /* not one JSON object in UTF-8 */
    SEGMENT_HEAD_OTHER_VERSION, /* "v" is an integer other than 1 */
    SEGMENT_HEAD_BAD_VERSION,   /* no "v", or not an integer */
    SEGMENT_HEAD_BAD_DB,
    SEGMENT_HEAD_BAD_TABLE,
    SEGMENT_HEAD_BAD_FORMAT,
    SEGMENT_HEAD_BAD_SCHEMA,
    SEGMENT_HEAD_BAD_ID,
    SEGMENT_HEAD_BAD_INSTANCE,
};

/* Write the JSON (one line, keys in the order of segment.md, no terminator counted) to out.
 * out_cap: MEMBER_HEAD_JSON_MAX always suffices; *out_bytes is what was written. */
NODISCARD enum segment_head_status segment_head_write(const struct segment_head *head, char *out,
                                                      size_t out_cap, size_t *out_bytes);

/* Parse and validate all of it. On any status but OK there is nothing to fini. */
NODISCARD enum segment_head_status segment_head_read(const char *json, size_t json_bytes,
                                                     struct segment_head *head);

/* Free what segment_head_read() allocated; harmless on a zeroed struct. */
void segment_head_fini(struct segment_head *head);

/* What is wrong, for a message: "table is not a valid ADX name". */
const char *segment_head_status_text(enum segment_head_status status);

#endif
