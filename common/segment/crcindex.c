#include "common/segment/crcindex.h"

#include <stdlib.h>
#include <zlib.h>

#include "common/segment/codec.h"

enum { STEP_BYTES = 2048 };

struct crc_index {
    const uint8_t *data;
    uint32_t prefix[]; /* prefix[i]: CRC of data[0, i * STEP_BYTES) */
};

struct crc_index *crc_index_new(const void *data, size_t bytes)
{
    size_t steps = bytes / STEP_BYTES;
    struct crc_index *index = malloc(sizeof(*index) + (steps + 1) * sizeof(index->prefix[0]));

    if (!index)
        return NULL;
    index->data = data;
    index->prefix[0] = 0;
    for (size_t i = 0; i < steps; i++)
        index->prefix[i + 1] = codec_crc32(index->prefix[i], index->data + i * STEP_BYTES, STEP_BYTES);
    return index;
}

void crc_index_free(struct crc_index *index)
{
    free(index);
}

static uint32_t prefix_crc(const struct crc_index *index, size_t end)
{
    size_t step = end / STEP_BYTES;

    return codec_crc32(index->prefix[step], index->data + step * STEP_BYTES, end % STEP_BYTES);
}

uint32_t crc_index_range(const struct crc_index *index, size_t from, size_t to)
{
    /* crc(0,to) = crc32_combine(crc(0,from), crc(from,to), to - from), which is the shifted first XOR the
     * second. */
    uint32_t shifted = (uint32_t)crc32_combine(prefix_crc(index, from), 0, (z_off_t)(to - from));

    return prefix_crc(index, to) ^ shifted;
}
