/* Walk over the members of a segment that is known to be whole, by their headers and trailers: payloads are
 * not read, so the cost depends on the number of blocks and not on their bytes. One pread for each block of
 * usual size. One thread at a time. */
#ifndef SPILLWAY_SPOOL_WALK_H
#define SPILLWAY_SPOOL_WALK_H

#include <stdint.h>

#include "common/base/compiler.h"
#include "common/segment/member.h"

enum { WALK_WINDOW_BYTES = 8192 };

struct walk {
    int fd; /* the caller's */
    uint64_t size, offset;
    /* private: a window on the file, and room for the header of a member with a very long head */
    uint64_t window_at;
    size_t window_bytes;
    uint8_t window[WALK_WINDOW_BYTES];
    uint8_t header[MEMBER_HEADER_MAX];
};

/* From `offset` on, which is where a member starts. 0 or negative errno of fstat. */
NODISCARD int walk_init(struct walk *walk, int fd, uint64_t offset);

/* 1: `*member` (its offset set, its head_json valid until the next call); 0: the end; -EBADMSG: what follows
 * is not a member (clauses 1 to 3), or a negative errno of reading. */
NODISCARD int walk_next(struct walk *walk, struct member *member);

/* What a file holds. -ENOENT and so on when it cannot be opened; at a damaged place the sums so far are
 * given. */
struct walk_sums {
    uint64_t bytes, raw_bytes, rows, blocks;
};
NODISCARD int walk_measure(struct walk *scratch, int dir, const char *file, struct walk_sums *sums);

#endif
