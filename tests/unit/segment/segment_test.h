/* What the tests of the segment library share: cmocka, a random source with a seed that is printed, rows,
 * members. */
#ifndef SPILLWAY_SEGMENT_TEST_H
#define SPILLWAY_SEGMENT_TEST_H

/* cmocka wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/compiler.h"
#include "common/segment/codec.h"
#include "common/segment/member.h"

static uint64_t random_state;

/* SEED=n repeats a run. */
static inline void random_seed(void)
{
    const char *text = getenv("SEED");
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    random_state =
        text ? strtoull(text, NULL, 10) : (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)now.tv_sec;
    printf("# SEED=%llu\n", (unsigned long long)random_state);
    random_state |= 1;
}

static inline uint64_t random_u64(void)
{
    /* xorshift64* (Vigna) */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545F4914F6CDD1D);
}

/* 0 to n - 1 */
static inline size_t random_below(size_t n)
{
    return (size_t)((random_u64() >> 11) % n); /* NOLINT(clang-analyzer-core.DivideZero): n is not 0 */
}

static inline void random_fill(uint8_t *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(random_u64() >> 56);
}

/* Rows of CSV, some with quotes, until bytes are nearly used. Returns the bytes written; *rows how many. */
static inline size_t random_rows(char *out, size_t cap, uint32_t *rows)
{
    size_t used = 0;

    *rows = 0;
    while (cap - used > 100) {
        int n = snprintf(
            out + used, cap - used, "2026-11-22T06:31:%02u.%03uZ,%u,\"{\"\"pod\"\":\"\"p-%u\"\"}\",%u.%u\n",
            (unsigned)random_below(60), (unsigned)random_below(1000), (unsigned)random_below(100000),
            (unsigned)random_below(50), (unsigned)random_below(1000), (unsigned)random_below(100));
        used += (size_t)n;
        ++*rows;
    }
    return used;
}

/* Growing bytes: a file in memory. */
struct image {
    uint8_t *data;
    size_t bytes;
};

static inline void image_append(struct image *image, const void *data, size_t bytes)
{
    image->data = realloc(image->data, image->bytes + bytes + 1);
    assert_non_null(image->data);
    if (bytes > 0)
        memcpy(image->data + image->bytes, data, bytes);
    image->bytes += bytes;
}

static inline void image_free(struct image *image)
{
    free(image->data);
    *image = (struct image){0};
}

static inline void image_append_data(struct image *image, struct codec *codec, const void *raw,
                                     size_t raw_bytes, uint32_t rows)
{
    struct member_block block = {raw, raw_bytes, rows, MEMBER_METRICS, 1700000000};
    size_t cap = member_bound(raw_bytes), used;
    void *out = malloc(cap);

    assert_non_null(out);
    assert_int_equal(member_encode_data(codec, &block, out, cap, &used), 0);
    image_append(image, out, used);
    free(out);
}

static inline void image_append_head(struct image *image, const char *json)
{
    size_t cap = member_head_bytes(strlen(json)), used;
    void *out = malloc(cap);

    assert_non_null(out);
    assert_int_equal(member_encode_head(json, strlen(json), 1700000000, out, cap, &used), 0);
    assert_int_equal(used, cap);
    image_append(image, out, used);
    free(out);
}

/* A data member of about raw_bytes random rows. */
static inline void image_append_rows(struct image *image, struct codec *codec, size_t raw_bytes)
{
    char *raw = malloc(raw_bytes + 200);
    uint32_t rows;

    assert_non_null(raw);
    size_t used = random_rows(raw, raw_bytes + 200, &rows);
    image_append_data(image, codec, raw, used, rows);
    free(raw);
}

static inline void put_u32_le(uint8_t *p, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (8 * i));
}

static inline uint32_t get_u32_le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Make head_crc right again after a change of the header. */
static inline void fix_head_crc(uint8_t *member)
{
    size_t header_bytes = 12u + (size_t)member[10] + 256u * (size_t)member[11];
    uint32_t crc = codec_crc32(0, member, 32);

    put_u32_le(member + 32, codec_crc32(crc, member + 36, header_bytes - 36));
}

#define SAMPLE_HEAD                                                                           \
    "{\"v\":1,\"db\":\"Metrics\",\"table\":\"Up\",\"format\":\"csv\",\"schema\":\"\",\"id\":" \
    "\"2f5b6d4057fe4000\",\"instance\":\"i0\"}"

#endif
