/* The slow half of codec_isal.c: libdeflate, level 6. Blocks are a tenth to a fifth smaller than ISA-L's, and
 * smaller than those of zlib -6, for five times ISA-L's time, which is still less than zlib's. */
#ifndef SPILLWAY_SEGMENT_CODEC_ISAL_SMALL_H
#define SPILLWAY_SEGMENT_CODEC_ISAL_SMALL_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"

struct small;

/* About 1 MB. NULL: out of memory. */
NODISCARD struct small *small_new(void);
void small_free(struct small *small);

/* As codec_deflate(), but for CODEC_END, which is not written. What was written has been inflated again and
 * compared. -ENOSPC: it does not fit into out_cap; -EIO: it is not what it should be (a bug in a library).
 * After either the block can be deflated in another way. */
NODISCARD int small_deflate(struct small *small, const void *raw, size_t raw_bytes, void *out, size_t out_cap,
                            size_t *out_bytes);

#endif
