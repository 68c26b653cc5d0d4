/* CRC-32 of any range of a piece of memory in constant time, after one pass over it: prefix CRCs at
 * checkpoints, and the algebra of CRC (crc(a,b) from crc(0,a) and crc(0,b), as crc32_combine). scan.h uses it
 * when content was made (or has happened) to hold many headers that promise large payloads: without it such
 * content costs quadratic time. Immutable after crc_index_new(): thread-safe. */
#ifndef SPILLWAY_SEGMENT_CRCINDEX_H
#define SPILLWAY_SEGMENT_CRCINDEX_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"

struct crc_index;

/* Reads all of data, which must outlive the index. Memory: bytes / 512. NULL: out of memory. */
NODISCARD struct crc_index *crc_index_new(const void *data, size_t bytes);
void crc_index_free(struct crc_index *index);

/* CRC-32 of data[from, to), from <= to <= bytes. */
uint32_t crc_index_range(const struct crc_index *index, size_t from, size_t to);

#endif
