/* The codec over zlib: for machines without ISA-L. */
#include "common/segment/codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* LEVEL: about the ratio of ISA-L's level 1, so that figures of disk use hold for both builds. */
enum { LEVEL = 4, LEVEL_SMALL = 7, RAW_WINDOW_BITS = -15, MEM_LEVEL = 9 };

struct codec {
    enum codec_effort effort;
    int level;
    z_stream deflate;
    z_stream inflate;
};

struct codec *codec_new(void)
{
    struct codec *codec = calloc(1, sizeof(*codec));

    if (!codec)
        return NULL;
    codec->level = LEVEL;
    if (deflateInit2(&codec->deflate, LEVEL, Z_DEFLATED, RAW_WINDOW_BITS, MEM_LEVEL, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        goto out;
    if (inflateInit2(&codec->inflate, RAW_WINDOW_BITS) != Z_OK) {
        deflateEnd(&codec->deflate);
        goto out;
    }
    return codec;
out:
    free(codec);
    return NULL;
}

void codec_free(struct codec *codec)
{
    if (!codec)
        return;
    deflateEnd(&codec->deflate);
    inflateEnd(&codec->inflate);
    free(codec);
}

void codec_set_effort(struct codec *codec, enum codec_effort effort)
{
    codec->effort = effort;
}

const char *codec_name(void)
{
    return "zlib";
}

size_t codec_deflate_bound(size_t raw_bytes)
{
    /* compressBound() holds for the default memory level and less for ours; a full flush adds at most 6
     * bytes. */
    return raw_bytes + (raw_bytes >> 12) + (raw_bytes >> 14) + (raw_bytes >> 25) + 64 + CODEC_END_BYTES;
}

/* Between two blocks nothing is pending, so the new level costs no output. */
static int reset(struct codec *codec)
{
    int level = codec->effort == CODEC_SMALL ? LEVEL_SMALL : LEVEL;

    if (deflateReset(&codec->deflate) != Z_OK)
        return -EIO;
    if (level != codec->level && deflateParams(&codec->deflate, level, Z_DEFAULT_STRATEGY) != Z_OK)
        return -EIO;
    codec->level = level;
    return 0;
}

int codec_deflate(struct codec *codec, const void *raw, size_t raw_bytes, void *out, size_t out_cap,
                  size_t *out_bytes)
{
    z_stream *z = &codec->deflate;

    if (raw_bytes > CODEC_RAW_MAX || out_cap < codec_deflate_bound(raw_bytes))
        return -EINVAL;
    *out_bytes = 0;
    if (raw_bytes > 0) {
        if (reset(codec) != 0)
            return -EIO;
        z->next_in = (Bytef *)(uintptr_t)raw; /* zlib lacks a const there; it only reads */
        z->avail_in = (uInt)raw_bytes;
        z->next_out = out;
        z->avail_out = (uInt)(out_cap - CODEC_END_BYTES);
        /* Room must be left over, else the flush is not known to be complete (zlib.h, deflate()). */
        if (deflate(z, Z_FULL_FLUSH) != Z_OK || z->avail_in != 0 || z->avail_out == 0)
            return -EIO;
        *out_bytes = out_cap - CODEC_END_BYTES - z->avail_out;
    }
    memcpy((uint8_t *)out + *out_bytes, CODEC_END, CODEC_END_BYTES);
    *out_bytes += CODEC_END_BYTES;
    return 0;
}

int codec_inflate(struct codec *codec, const void *payload, size_t payload_bytes, void *out, size_t out_cap,
                  size_t *out_bytes)
{
    z_stream *z = &codec->inflate;
    uint8_t nothing = 0;

    *out_bytes = 0;
    if (out_cap > CODEC_RAW_MAX)
        out_cap = CODEC_RAW_MAX;
    if (payload_bytes > UINT32_MAX || inflateReset(z) != Z_OK)
        return -EBADMSG;
    z->next_in = (Bytef *)(uintptr_t)payload;
    z->avail_in = (uInt)payload_bytes;
    z->next_out = out_cap > 0 ? out : &nothing;
    z->avail_out = (uInt)out_cap;
    int rc = inflate(z, Z_FINISH);
    if (rc == Z_STREAM_END && z->avail_in == 0) {
        *out_bytes = out_cap - z->avail_out;
        return 0;
    }
    /* Z_BUF_ERROR is for both: no room left, and no input left. */
    return rc == Z_BUF_ERROR && z->avail_out == 0 ? -EOVERFLOW : -EBADMSG;
}

uint32_t codec_crc32(uint32_t crc, const void *data, size_t bytes)
{
    return (uint32_t)crc32_z(crc, data, bytes);
}
