#include "common/segment/recompress.h"

#include <errno.h>
#include <stdlib.h>

struct recompress {
    struct codec *codec;
    size_t raw_bytes; /* gathered in raw */
    uint32_t rows;
    size_t out_cap;
    uint8_t *out;
    uint8_t raw[RECOMPRESS_BLOCK_BYTES];
};

struct recompress *recompress_new(struct codec *codec)
{
    size_t out_cap = codec_deflate_bound(RECOMPRESS_BLOCK_BYTES);
    struct recompress *r = malloc(sizeof(*r) + out_cap);

    if (!r)
        return NULL;
    r->codec = codec;
    r->raw_bytes = 0;
    r->rows = 0;
    r->out_cap = out_cap;
    r->out = (uint8_t *)(r + 1);
    return r;
}

void recompress_free(struct recompress *r)
{
    free(r);
}

bool recompress_wants(const struct member *member)
{
    return !member->is_head && member->isize < RECOMPRESS_SMALL_BYTES;
}

int recompress_add(struct recompress *r, const struct member *member, const void *payload)
{
    uint8_t *raw = r->raw + r->raw_bytes;
    size_t raw_bytes;

    if (!recompress_wants(member))
        return -EINVAL;
    if (member->isize > sizeof(r->raw) - r->raw_bytes)
        return -ENOBUFS;
    if (codec_inflate(r->codec, payload, member->payload_bytes, raw, member->isize, &raw_bytes) != 0 ||
        raw_bytes != member->isize || codec_crc32(0, raw, raw_bytes) != member->crc32)
        return -EBADMSG;
    if (member->rows > raw_bytes) /* no row is shorter than its \n; and the sum cannot overflow */
        return -EBADMSG;
    r->raw_bytes += raw_bytes;
    r->rows += member->rows;
    return 0;
}

void recompress_clear(struct recompress *r)
{
    r->raw_bytes = 0;
    r->rows = 0;
}

int recompress_flush(struct recompress *r, const void **data, struct join_block *block)
{
    size_t bytes;

    *data = r->out;
    *block = (struct join_block){.raw_bytes = (uint32_t)r->raw_bytes, .rows = r->rows};
    if (r->raw_bytes == 0)
        return 0;
    int rc = codec_deflate(r->codec, r->raw, r->raw_bytes, r->out, r->out_cap, &bytes);
    if (rc != 0)
        return rc;
    block->bytes = (uint32_t)(bytes - CODEC_END_BYTES);
    block->crc32 = codec_crc32(0, r->raw, r->raw_bytes);
    r->raw_bytes = 0;
    r->rows = 0;
    return 0;
}
