/* Deflate, inflate and CRC-32 behind one interface. codec_isal.c (ISA-L, level 1, and libdeflate, level 6)
 * and codec_zlib.c implement it; exactly one of them is linked (Makefile: CODEC). What one writes the other
 * reads.
 *
 * Thread-safety: a struct codec belongs to one thread at a time; there are no globals. codec_crc32(),
 * codec_name() and codec_deflate_bound() may be called from anywhere. */
#ifndef SPILLWAY_SEGMENT_CODEC_H
#define SPILLWAY_SEGMENT_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"

/* The end that codec_deflate() puts after the flushed blocks, and that a join takes off again: an empty final
 * block (fixed Huffman, end of block). Alone it is the empty stream. */
#define CODEC_END "\x03\x00"
enum { CODEC_END_BYTES = 2 };

/* The most that codec_deflate() and codec_inflate() take or give in one call (segment.md: 64 MiB raw a
 * block). */
enum { CODEC_RAW_MAX = 64 << 20 };

struct codec;

/* What deflating is to be good at. Both are read the same. */
enum codec_effort {
    CODEC_FAST,  /* the rate */
    CODEC_SMALL, /* the size: below that of gzip -6 */
};

/* All memory that deflating and inflating need (about 1 MB, and about as much with the first CODEC_SMALL),
 * allocated once. NULL: out of memory. CODEC_FAST. */
NODISCARD struct codec *codec_new(void);

/* Free; NULL is allowed. */
void codec_free(struct codec *codec);

/* For the calls of codec_deflate() that follow. CODEC_SMALL is a wish: a block for which there is no memory
 * then is fast. */
void codec_set_effort(struct codec *codec, enum codec_effort effort);

/* "isal" or "zlib". */
const char *codec_name(void);

/* An upper bound of what codec_deflate() writes for raw_bytes (at most CODEC_RAW_MAX), whatever they are. */
size_t codec_deflate_bound(size_t raw_bytes);

/* Deflate one block: blocks without BFINAL that refer to nothing outside this call, ended by a full flush (so
 * byte-aligned), then CODEC_END. out_cap must be at least codec_deflate_bound(raw_bytes).
 * 0, or -EINVAL (raw_bytes over CODEC_RAW_MAX, or out_cap under the bound), -EIO (the library refused: a bug
 * there). */
NODISCARD int codec_deflate(struct codec *codec, const void *raw, size_t raw_bytes, void *out, size_t out_cap,
                            size_t *out_bytes);

/* Inflate a whole raw deflate stream that ends exactly at payload_bytes. At most out_cap bytes are written;
 * out_cap 0 is allowed. 0, -EBADMSG (not deflate, it ends early, or bytes follow its end), -EOVERFLOW (it
 * gives more than out_cap bytes). */
NODISCARD int codec_inflate(struct codec *codec, const void *payload, size_t payload_bytes, void *out,
                            size_t out_cap, size_t *out_bytes);

/* CRC-32 as in gzip (RFC 1952), continued from crc (0 at first): equal to zlib's crc32(), but fast. */
uint32_t codec_crc32(uint32_t crc, const void *data, size_t bytes);

#endif
