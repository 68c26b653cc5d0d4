#include "common/segment/join.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

void join_init(struct join *join, uint64_t raw_limit_bytes)
{
    *join = (struct join){.raw_limit = raw_limit_bytes};
}

void join_fini(struct join *join)
{
    free(join->extents);
    *join = (struct join){0};
}

void join_reset(struct join *join)
{
    struct join_extent *extents = join->extents;
    size_t capacity = join->capacity;

    *join = (struct join){.extents = extents, .capacity = capacity, .raw_limit = join->raw_limit};
}

static int reserve_extent(struct join *join)
{
    if (join->count < join->capacity)
        return 0;
    if (join->count >= JOIN_EXTENTS_MAX)
        return -ENOBUFS;
    size_t capacity = join->capacity > 0 ? 2 * join->capacity : 64;
    struct join_extent *extents = realloc(join->extents, capacity * sizeof(*extents));
    if (!extents)
        return -ENOMEM;
    join->extents = extents;
    join->capacity = capacity;
    return 0;
}

int join_add_block(struct join *join, const struct join_block *block)
{
    bool is_over = join->raw_bytes > join->raw_limit || block->raw_bytes > join->raw_limit - join->raw_bytes;

    if (is_over && join->raw_bytes > 0)
        return -EFBIG;
    if (block->bytes > 0) {
        int rc = reserve_extent(join);
        if (rc != 0)
            return rc;
        join->extents[join->count++] = (struct join_extent){.offset = block->offset,
                                                            .bytes = block->bytes,
                                                            .source = block->source,
                                                            .payload_crc = block->payload_crc};
    }
    join->crc32 = (uint32_t)crc32_combine(join->crc32, block->crc32, (z_off_t)block->raw_bytes);
    join->raw_bytes += block->raw_bytes;
    join->extent_bytes += block->bytes;
    join->rows += block->rows;
    join->blocks++;
    return 0;
}

int join_add(struct join *join, uint32_t source, const struct member *member)
{
    struct join_block block = {
        .offset = member->offset + member->payload_offset,
        .source = source,
        .bytes = member->payload_bytes - CODEC_END_BYTES,
        .raw_bytes = member->isize,
        .rows = member->rows,
        .crc32 = member->crc32,
        .payload_crc = member->payload_crc,
    };

    return member->is_head ? 0 : join_add_block(join, &block);
}

uint64_t join_bytes(const struct join *join)
{
    return JOIN_HEADER_BYTES + join->extent_bytes + JOIN_TAIL_BYTES;
}

void join_header(uint8_t out[JOIN_HEADER_BYTES])
{
    static const uint8_t header[JOIN_HEADER_BYTES] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};

    memcpy(out, header, sizeof(header));
}

void join_tail(const struct join *join, uint8_t out[JOIN_TAIL_BYTES])
{
    uint32_t isize = (uint32_t)join->raw_bytes; /* modulo 2^32, RFC 1952 */

    memcpy(out, CODEC_END, CODEC_END_BYTES);
    for (unsigned i = 0; i < 4; i++) {
        out[CODEC_END_BYTES + i] = (uint8_t)(join->crc32 >> (8 * i));
        out[CODEC_END_BYTES + 4 + i] = (uint8_t)(isize >> (8 * i));
    }
}

bool join_is_thin(const struct join *join)
{
    return join->blocks >= 2 && join->raw_bytes / join->blocks < JOIN_THIN_MEAN_BYTES;
}
