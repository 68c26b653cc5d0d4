/* A segment's content to a file elsewhere, checked while it is copied. One thread for one struct. */
#ifndef SPILLWAY_CLI_COPY_H
#define SPILLWAY_CLI_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/segment/join.h"
#include "common/spool/spool.h"

struct copied {
    uint64_t rows, raw_bytes, bytes; /* bytes: of the new file */
    uint64_t skipped_bytes;          /* damaged places that were left out */
    bool is_new;                     /* false: a file with the same content was there already */
};

enum copy_of {
    COPY_COMPLETE,
    COPY_GROWING, /* bytes behind the last valid member are a writer's business and no damage */
    COPY_LANDING, /* what its last commit marker covers */
};

/* Copy the valid members of the open segment `fd` to `file` in `dir`: byte for byte, or `joined` into one
 * gzip member (without the head). The new file appears whole, by one rename that replaces nothing, and
 * is durable when the caller has synced `dir`. Under
 * `.FILE.tmp` meanwhile, which a later copy overwrites. 0; -EEXIST: a file of that name with other content is
 * there; or another negative errno with `err`. */
NODISCARD int copy_segment(int fd, int dir, const char *file, bool joined, enum copy_of of,
                           struct copied *copied, struct err *err);

#endif
