#include "common/segment/codec_isal_small.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { LEVEL = 6, RAW_WINDOW_BITS = -15, PIECE_BYTES = 256 << 10 };

/* The part of an empty stored block that follows its three bits: it ends a flush. */
#define FLUSH_END "\x00\x00\xff\xff"
enum { FLUSH_END_BYTES = 4, FLUSH_BYTES = 5 };

struct small {
    struct libdeflate_compressor *compressor;
    z_stream inflate;
    uint8_t back[PIECE_BYTES];
};

struct small *small_new(void)
{
    struct small *small = calloc(1, sizeof(*small));

    if (!small)
        return NULL;
    small->compressor = libdeflate_alloc_compressor(LEVEL);
    if (small->compressor && inflateInit2(&small->inflate, RAW_WINDOW_BITS) == Z_OK)
        return small;
    libdeflate_free_compressor(small->compressor);
    free(small);
    return NULL;
}

void small_free(struct small *small)
{
    if (!small)
        return;
    inflateEnd(&small->inflate);
    libdeflate_free_compressor(small->compressor);
    free(small);
}

/* Of a whole deflate stream, in bits from its start: where the header of its last block is, and its end. */
struct ends {
    uint64_t last_block, end;
};

/* libdeflate gives a stream that is final; where the bit stands that says so, only inflating tells. */
static int find_ends(struct small *small, const uint8_t *raw, size_t raw_bytes, uint8_t *stream, size_t bytes,
                     struct ends *ends)
{
    z_stream *z = &small->inflate;
    size_t compared = 0;

    if (inflateReset(z) != Z_OK)
        return -EIO;
    z->next_in = stream;
    z->avail_in = (uInt)bytes;
    ends->last_block = 0;
    for (;;) {
        z->next_out = small->back;
        z->avail_out = sizeof(small->back);
        int rc = inflate(z, Z_BLOCK);
        size_t got = sizeof(small->back) - z->avail_out;
        if (rc != Z_OK || got > raw_bytes - compared || memcmp(small->back, raw + compared, got) != 0)
            return -EIO;
        compared += got;
        /* zlib.h, inflate(): 128: between two blocks; 64: the block before was the last; 7: bits not used. */
        bool is_between = z->data_type & 128, is_last = z->data_type & 64;
        uint64_t at = (uint64_t)(bytes - z->avail_in) * 8 - (z->data_type & 7);
        if (is_between && is_last) {
            ends->end = at;
            return compared == raw_bytes && (at + 7) / 8 == bytes ? 0 : -EIO;
        }
        if (is_between)
            ends->last_block = at;
    }
}

int small_deflate(struct small *small, const void *raw, size_t raw_bytes, void *out, size_t out_cap,
                  size_t *out_bytes)
{
    uint8_t *stream = out;
    struct ends ends;
    size_t bytes =
        libdeflate_deflate_compress(small->compressor, raw, raw_bytes, stream, out_cap - FLUSH_BYTES);

    if (bytes == 0)
        return -ENOSPC;
    int rc = find_ends(small, raw, raw_bytes, stream, bytes, &ends);
    if (rc)
        return rc;
    stream[ends.last_block / 8] &= (uint8_t) ~(1u << ends.last_block % 8); /* BFINAL */
    /* Its three bits are 0, as those that are left of the last byte; where these are fewer, one more byte. */
    if (bytes * 8 - ends.end < 3)
        stream[bytes++] = 0;
    memcpy(stream + bytes, FLUSH_END, FLUSH_END_BYTES);
    *out_bytes = bytes + FLUSH_END_BYTES;
    return 0;
}
