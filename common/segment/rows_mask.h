/* Where one byte occurs in a group of 64: bit i of the result is data[i] == byte. Private to rows.c (and its
 * test). SSE2 is part of every x86-64; AVX2 has to be asked for (ROWS_HAS_AVX2(), and ROWS_AVX2 on every
 * function that uses it); other machines take the portable version. All give the same. */
#ifndef SPILLWAY_SEGMENT_ROWS_MASK_H
#define SPILLWAY_SEGMENT_ROWS_MASK_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

enum { ROWS_GROUP_BYTES = 64 };

static inline uint64_t rows_mask_portable(const char *data, char byte)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f), ones = UINT64_C(0x0101010101010101);
    uint64_t mask = 0;

    for (unsigned i = 0; i < ROWS_GROUP_BYTES; i += 8) {
        uint64_t word;
        memcpy(&word, data + i, sizeof(word));
        word = le64toh(word) ^ (ones * (unsigned char)byte);
        /* 1 in each byte that is zero, then gathered into one byte by a multiplication. */
        uint64_t zeros = ~(((word & low) + low) | word | low) >> 7;
        mask |= (zeros * UINT64_C(0x0102040810204080) >> 56) << i;
    }
    return mask;
}

#ifdef __SSE2__
#include <immintrin.h>

#define ROWS_HAS_AVX2() (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt"))
#define ROWS_AVX2 __attribute__((target("avx2,popcnt")))

ROWS_AVX2 static inline uint64_t rows_mask_avx2(const char *data, char byte)
{
    const __m256i want = _mm256_set1_epi8(byte);
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)data);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(data + 32));
    return (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, want)) |
           (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, want)) << 32;
}

static inline uint64_t rows_mask_of(const char *data, char byte)
{
    const __m128i want = _mm_set1_epi8(byte);
    uint64_t mask = 0;

    for (unsigned i = 0; i < ROWS_GROUP_BYTES; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(data + i));
        mask |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, want)) << i;
    }
    return mask;
}
#else
#define ROWS_HAS_AVX2() false
#define ROWS_AVX2
#define rows_mask_avx2 rows_mask_portable

static inline uint64_t rows_mask_of(const char *data, char byte)
{
    return rows_mask_portable(data, byte);
}
#endif

#endif
