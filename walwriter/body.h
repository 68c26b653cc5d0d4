/* The body of a request on its way into a stage: Content-Encoding undone, sizes limited. One thread at a
 * time. */
#ifndef SPILLWAY_BODY_H
#define SPILLWAY_BODY_H

#define ZLIB_CONST
#include <zlib.h>

#include "walwriter/stage.h"

enum body_encoding { BODY_IDENTITY, BODY_GZIP };

enum body_status {
    BODY_OK,
    BODY_FULL,    /* the stage is to be handed on; then go on with the rest */
    BODY_BAD_ROW, /* stage->fault */
    BODY_NO_MEMORY,
    BODY_TOO_LARGE, /* over max_bytes, as it came or inflated */
    BODY_NOT_GZIP,
};

struct body {
    struct stage *stage;
    enum body_encoding encoding;
    uint64_t max_bytes, coded_bytes, raw_bytes;
    z_stream inflater;
    bool has_inflater, is_between; /* is_between: at the end of a gzip member */
    bool has_more;                 /* the inflater has output that did not fit */
};

/* `encoding`: the value of Content-Encoding, or NULL. -EINVAL: one that we do not know (415). */
NODISCARD int body_encoding_of(const char *text, enum body_encoding *encoding);

/* `stage` must outlive it. BODY_OK or BODY_NO_MEMORY; body_fini() after either. */
enum body_status body_init(struct body *body, struct stage *stage, enum body_encoding encoding,
                           uint64_t max_bytes);
void body_fini(struct body *body);

/* The next bytes. `*bytes` becomes how many of them are left: with BODY_FULL, give them again later; with
 * anything else none matter any more. */
NODISCARD enum body_status body_take(struct body *body, const char *data, size_t *bytes);

/* There is no more. BODY_FULL: hand on, and call it again. */
NODISCARD enum body_status body_finish(struct body *body);

#endif
