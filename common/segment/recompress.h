/* Gather small blocks and deflate them anew in blocks of 256 KiB, for uploads of thin traffic (segment.md
 * "Join"). For each data member in order:
 *
 *     if recompress_wants(m):   recompress_add(); on -ENOBUFS first recompress_flush(), then add again
 *     else:                     recompress_flush(), then join_add(m) as it is: it is large enough
 *     at the end:               recompress_flush()
 *
 * Each flush gives one block (bytes, and the struct join_block that describes it) for the caller to keep and
 * to give to join_add_block(). Rows stay whole and in order, because blocks are only ever appended to one
 * another. One thread at a time for one struct. Memory: about 0.6 MB, and the codec's. */
#ifndef SPILLWAY_SEGMENT_RECOMPRESS_H
#define SPILLWAY_SEGMENT_RECOMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"
#include "common/segment/codec.h"
#include "common/segment/join.h"
#include "common/segment/member.h"

enum {
    RECOMPRESS_BLOCK_BYTES = 256 << 10,
    RECOMPRESS_SMALL_BYTES = 64 << 10, /* blocks of this many raw bytes or more are left alone */
};

struct recompress;

/* codec stays the caller's and must outlive it. NULL: out of memory. */
NODISCARD struct recompress *recompress_new(struct codec *codec);
void recompress_free(struct recompress *r);

/* Whether this member is worth inflating: a data member with raw bytes below RECOMPRESS_SMALL_BYTES. */
bool recompress_wants(const struct member *member);

/* Inflate a member's payload (all payload_bytes) behind what is gathered, and check its CRC32 and ISIZE.
 * 0, -ENOBUFS (no room: flush first), -EBADMSG (it does not inflate to what its trailer says), -EINVAL (not
 * wanted). */
NODISCARD int recompress_add(struct recompress *r, const struct member *member, const void *payload);

/* Forget what is gathered. */
void recompress_clear(struct recompress *r);

/* Deflate what is gathered. *data (in r, until the next call) and *block (offset and source 0: the caller's
 * to set) describe it; block->raw_bytes 0: nothing was gathered. 0, or as codec_deflate(). */
NODISCARD int recompress_flush(struct recompress *r, const void **data, struct join_block *block);

#endif
