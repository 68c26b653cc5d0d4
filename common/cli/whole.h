/* Is a segment's file such that it may go through the pipeline (again)? One thread for one struct. */
#ifndef SPILLWAY_CLI_WHOLE_H
#define SPILLWAY_CLI_WHOLE_H

#include "common/base/buf.h"
#include "common/segment/codec.h"
#include "common/segment/name.h"

enum { WHOLE_FAULT_BYTES = 256 };

struct whole {
    struct codec *codec;
    struct buf rows;
    /* of the file looked at last: */
    uint64_t row_count, raw_bytes, blocks;
    char fault[WHOLE_FAULT_BYTES]; /* why it may not; "" when it may */
};

/* 0 or -ENOMEM. */
NODISCARD int whole_init(struct whole *whole);
void whole_fini(struct whole *whole);

/* Look at the open file `fd`, which should be the segment `name` of the database with this folder name: valid
 * members from the first byte to the last, a head first that says the same names, at least one row; and,
 * unless `as_it_is`, blocks that inflate to the whole rows they promise. 0: `fault` says what was found.
 * Negative errno: it cannot be read. */
NODISCARD int whole_check(struct whole *whole, int fd, const struct segment_name *name, const char *db_folder,
                          bool as_it_is);

#endif
