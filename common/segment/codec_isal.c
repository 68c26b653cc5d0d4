/* The codec over ISA-L: level 1, one shot: ten times as fast as zlib -6, for blocks that are 1 to 17 %
 * larger. With CODEC_SMALL libdeflate (codec_isal_small.h). */
#include "common/segment/codec.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/segment/codec_isal_small.h"

enum { LEVEL = 1, LEVEL_BUFFER_BYTES = ISAL_DEF_LVL1_EXTRA_LARGE };

struct codec {
    enum codec_effort effort;
    struct small *small; /* NULL: not needed yet */
    struct isal_zstream deflate;
    struct inflate_state inflate;
    uint8_t level_buffer[LEVEL_BUFFER_BYTES];
};

struct codec *codec_new(void)
{
    /* Zeroed: ISA-L reads some of its state before it writes it. */
    return calloc(1, sizeof(struct codec));
}

void codec_free(struct codec *codec)
{
    if (codec)
        small_free(codec->small);
    free(codec);
}

void codec_set_effort(struct codec *codec, enum codec_effort effort)
{
    codec->effort = effort;
}

const char *codec_name(void)
{
    return "isal";
}

size_t codec_deflate_bound(size_t raw_bytes)
{
    /* Stored blocks of 64 KiB - 1 with 5 bytes each are its worst case; the rest is for headers and flush. */
    return raw_bytes + 5 * (raw_bytes / 65535 + 1) + ISAL_DEF_MAX_HDR_SIZE + 64 + CODEC_END_BYTES;
}

static int deflate_fast(struct codec *codec, const void *raw, size_t raw_bytes, void *out, size_t out_cap,
                        size_t *out_bytes)
{
    struct isal_zstream *z = &codec->deflate;

    isal_deflate_stateless_init(z);
    z->level = LEVEL;
    z->level_buf = codec->level_buffer;
    z->level_buf_size = LEVEL_BUFFER_BYTES;
    z->flush = FULL_FLUSH;
    z->end_of_stream = 0;
    z->next_in = (uint8_t *)(uintptr_t)raw; /* ISA-L lacks a const there; it only reads */
    z->avail_in = (uint32_t)raw_bytes;
    z->next_out = out;
    z->avail_out = (uint32_t)out_cap;
    if (isal_deflate_stateless(z) != COMP_OK || z->avail_in != 0)
        return -EIO;
    *out_bytes = z->total_out;
    return 0;
}

static bool is_small_done(struct codec *codec, const void *raw, size_t raw_bytes, void *out, size_t out_cap,
                          size_t *out_bytes)
{
    if (codec->effort != CODEC_SMALL)
        return false;
    if (!codec->small)
        codec->small = small_new();
    return codec->small && small_deflate(codec->small, raw, raw_bytes, out, out_cap, out_bytes) == 0;
}

int codec_deflate(struct codec *codec, const void *raw, size_t raw_bytes, void *out, size_t out_cap,
                  size_t *out_bytes)
{
    size_t room = out_cap - CODEC_END_BYTES;

    if (raw_bytes > CODEC_RAW_MAX || out_cap < codec_deflate_bound(raw_bytes))
        return -EINVAL;
    *out_bytes = 0;
    if (raw_bytes > 0 && !is_small_done(codec, raw, raw_bytes, out, room, out_bytes)) {
        int rc = deflate_fast(codec, raw, raw_bytes, out, room, out_bytes);
        if (rc)
            return rc;
    }
    memcpy((uint8_t *)out + *out_bytes, CODEC_END, CODEC_END_BYTES);
    *out_bytes += CODEC_END_BYTES;
    return 0;
}

int codec_inflate(struct codec *codec, const void *payload, size_t payload_bytes, void *out, size_t out_cap,
                  size_t *out_bytes)
{
    struct inflate_state *z = &codec->inflate;
    uint8_t nothing = 0;

    *out_bytes = 0;
    if (out_cap > CODEC_RAW_MAX)
        out_cap = CODEC_RAW_MAX;
    if (payload_bytes > UINT32_MAX)
        return -EBADMSG;
    isal_inflate_init(z);
    z->next_in = (uint8_t *)(uintptr_t)payload;
    z->avail_in = (uint32_t)payload_bytes;
    z->next_out = out_cap > 0 ? out : &nothing;
    z->avail_out = (uint32_t)out_cap;
    int rc = isal_inflate_stateless(z);
    if (rc == ISAL_OUT_OVERFLOW)
        return -EOVERFLOW;
    if (rc != ISAL_DECOMP_OK || z->block_state != ISAL_BLOCK_FINISH || z->avail_in != 0)
        return -EBADMSG;
    *out_bytes = z->total_out;
    return 0;
}

uint32_t codec_crc32(uint32_t crc, const void *data, size_t bytes)
{
    return crc32_gzip_refl(crc, data, bytes);
}
