/* Plan one gzip member out of the blocks of many segments, without inflating them (segment.md "Join").
 *
 *     join_init(&join);
 *     for each data member, in order:  join_add(&join, source, &member)
 *     then the bytes to send are, exactly join_bytes(&join) of them:
 *         join_header(), each join.extents[i] copied from its source, join_tail()
 *
 * Nothing is checked here: who copies an extent compares its payload_crc as the bytes pass, or knows them to
 * be whole.
 *
 * Pure: no I/O, and the same plan always gives the same bytes (MTIME is 0), so a retry is byte for byte the
 * same. To send a batch in parts, start a new struct join when join_add() says -EFBIG or -ENOBUFS. One thread
 * at a time for one struct join. */
#ifndef SPILLWAY_SEGMENT_JOIN_H
#define SPILLWAY_SEGMENT_JOIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"
#include "common/segment/member.h"

enum {
    JOIN_HEADER_BYTES = 10,
    JOIN_TAIL_BYTES = MEMBER_TAIL_BYTES, /* 03 00, CRC32, ISIZE */
    JOIN_EXTENTS_MAX = 128 << 10,        /* 3 MiB of plan; more blocks go into another part */
    JOIN_THIN_MEAN_BYTES = 16 << 10,     /* segment.md: below this mean raw block, recompress.h */
};

/* A run of bytes to copy: a payload without its last two bytes. Never empty. */
struct join_extent {
    uint64_t offset; /* in the source */
    uint32_t bytes;
    uint32_t source;      /* the caller's number of the source */
    uint32_t payload_crc; /* of these bytes and CODEC_END: what to compare with while they are copied */
};

struct join {
    struct join_extent *extents; /* heap, grown by join_add() */
    size_t count;
    size_t capacity; /* private */
    uint64_t raw_limit;
    uint64_t raw_bytes; /* what the member inflates to (ADX wants to know it) */
    uint64_t rows;
    uint64_t blocks;       /* data members, also those without bytes */
    uint64_t extent_bytes; /* sum of the extents */
    uint32_t crc32;        /* of the rows of all blocks in order */
};

/* raw_limit_bytes: join_add() refuses a block that would make raw_bytes larger than this (but a first block
 * is always taken). UINT64_MAX: none. */
void join_init(struct join *join, uint64_t raw_limit_bytes);

/* Free the extents. */
void join_fini(struct join *join);

/* Forget all blocks, keep memory and limit. */
void join_reset(struct join *join);

/* Append a valid data member that lies at member->offset of the caller's source; a head member is passed over
 * (0). -EFBIG: it would go over the raw limit; -ENOBUFS: JOIN_EXTENTS_MAX; -ENOMEM. On an error the plan is
 * as before. */
NODISCARD int join_add(struct join *join, uint32_t source, const struct member *member);

/* The same for a block that lies elsewhere (recompress.h): bytes of deflate, ended by a full flush, without
 * 03 00. */
struct join_block {
    uint64_t offset;
    uint32_t source;
    uint32_t bytes;
    uint32_t raw_bytes;
    uint32_t rows;
    uint32_t crc32;       /* of the raw bytes */
    uint32_t payload_crc; /* as in join_extent; of no meaning for a block that is in memory */
};
NODISCARD int join_add_block(struct join *join, const struct join_block *block);

/* Length of the whole gzip member. */
uint64_t join_bytes(const struct join *join);

/* The plain 10-byte header, and what follows the last extent. */
void join_header(uint8_t out[JOIN_HEADER_BYTES]);
void join_tail(const struct join *join, uint8_t out[JOIN_TAIL_BYTES]);

/* Whether the blocks are so small that they should be deflated anew: two blocks or more, and a mean below
 * JOIN_THIN_MEAN_BYTES. */
bool join_is_thin(const struct join *join);

#endif
