#include "tests/unit/segment/segment_test.h"

#include <errno.h>
#include <zlib.h>

static struct codec *codec;

static int setup(void **state UNUSED)
{
    codec = codec_new();
    return codec ? 0 : -1;
}

static int teardown(void **state UNUSED)
{
    codec_free(codec);
    return 0;
}

/* Deflate, look at the shape of the result, inflate with us and with zlib. */
static void check_effort(enum codec_effort effort, const uint8_t *raw, size_t bytes)
{
    size_t cap = codec_deflate_bound(bytes), used, left;
    uint8_t *packed = malloc(cap), *back = malloc(bytes + 1);
    z_stream z = {0};

    assert_non_null(packed);
    assert_non_null(back);
    codec_set_effort(codec, effort);
    assert_int_equal(codec_deflate(codec, raw, bytes, packed, cap, &used), 0);
    assert_true(used >= CODEC_END_BYTES && used <= cap);
    assert_memory_equal(packed + used - CODEC_END_BYTES, CODEC_END, CODEC_END_BYTES);

    assert_int_equal(codec_inflate(codec, packed, used, back, bytes, &left), 0);
    assert_int_equal(left, bytes);
    assert_true(bytes == 0 || memcmp(back, raw, bytes) == 0);

    /* Without 03 00 nothing is final, and all bytes are out: a flush. */
    memset(back, 0, bytes + 1);
    assert_int_equal(inflateInit2(&z, -15), Z_OK);
    z.next_in = packed;
    z.avail_in = (uInt)(used - CODEC_END_BYTES);
    z.next_out = back;
    z.avail_out = (uInt)bytes + 1;
    int rc = inflate(&z, Z_SYNC_FLUSH);
    assert_true(rc == Z_OK || (bytes == 0 && rc == Z_BUF_ERROR));
    assert_int_equal(z.total_out, bytes);
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(z.data_type & 7, 0); /* zlib.h: no bits left over */
    assert_true(bytes == 0 || memcmp(back, raw, bytes) == 0);
    inflateEnd(&z);
    free(packed);
    free(back);
}

static void check_round_trip(const uint8_t *raw, size_t bytes)
{
    check_effort(CODEC_SMALL, raw, bytes);
    check_effort(CODEC_FAST, raw, bytes);
}

static void test_round_trip_of_all_sizes(void **state UNUSED)
{
    static const size_t sizes[] = {0,     1,     2,     3,      4,      7,      8,      100,     1000,   4096,
                                   65534, 65535, 65536, 131069, 131070, 131071, 262144, 1000000, 5000000};

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint8_t *raw = calloc(1, sizes[i] + 200);
        uint32_t rows;
        assert_non_null(raw);
        check_round_trip(raw, sizes[i]); /* zeros */
        random_rows((char *)raw, sizes[i] + 200, &rows);
        check_round_trip(raw, sizes[i]);
        random_fill(raw, sizes[i]);
        check_round_trip(raw, sizes[i]);
        free(raw);
    }
}

static void test_round_trip_of_random_sizes(void **state UNUSED)
{
    uint8_t raw[20000];

    for (int round = 0; round < 500; round++) {
        size_t bytes = random_below(round % 2 ? 200 : sizeof(raw));
        random_fill(raw, bytes);
        if (random_below(2)) /* few different bytes */
            for (size_t i = 0; i < bytes; i++)
                raw[i] &= 3;
        check_round_trip(raw, bytes);
    }
}

static void test_largest_block(void **state UNUSED)
{
    uint8_t *raw = malloc(CODEC_RAW_MAX);
    size_t cap = codec_deflate_bound(CODEC_RAW_MAX), used;

    assert_non_null(raw);
    assert_true(member_bound(MEMBER_RAW_MAX) <= MEMBER_BYTES_MAX);
    for (size_t i = 0; i < CODEC_RAW_MAX; i += 8)
        memcpy(raw + i, &(uint64_t){random_u64()}, 8);
    check_round_trip(raw, CODEC_RAW_MAX);
    assert_int_equal(codec_deflate(codec, raw, CODEC_RAW_MAX + 1, raw, cap, &used), -EINVAL);
    free(raw);
}

/* Rows of one another's kind: small is smaller than gzip -6, whatever the codec; both in one stream are read
 * as one. */
static void test_small_is_smaller(void **state UNUSED)
{
    enum { BYTES = 256 << 10 };
    uint8_t *raw = malloc(BYTES), *back = malloc(2 * BYTES);
    size_t cap = codec_deflate_bound(BYTES), fast, small, left;
    uint8_t *packed = malloc(2 * cap);
    uLongf gzip = compressBound(BYTES);
    uint8_t *other = malloc(gzip);
    uint32_t rows;

    assert_true(raw && back && packed && other);
    memset(raw, '\n', BYTES);
    random_rows((char *)raw, BYTES, &rows);
    codec_set_effort(codec, CODEC_FAST);
    assert_int_equal(codec_deflate(codec, raw, BYTES, packed, cap, &fast), 0);
    codec_set_effort(codec, CODEC_SMALL);
    assert_int_equal(codec_deflate(codec, raw, BYTES, packed + fast - CODEC_END_BYTES, cap, &small), 0);
    codec_set_effort(codec, CODEC_FAST);
    assert_int_equal(compress2(other, &gzip, raw, BYTES, 6), Z_OK);
    assert_true(small < fast);
    assert_true(small < gzip + 16);
    size_t both = fast - CODEC_END_BYTES + small;
    assert_int_equal(codec_inflate(codec, packed, both, back, 2 * BYTES, &left), 0);
    assert_int_equal(left, 2 * BYTES);
    assert_memory_equal(back, raw, BYTES);
    assert_memory_equal(back + BYTES, raw, BYTES);
    free(raw);
    free(back);
    free(packed);
    free(other);
}

static void test_inflate_refuses(void **state UNUSED)
{
    uint8_t packed[2000], out[5000], raw[1000];
    size_t used, left;

    random_rows((char *)raw, sizeof(raw), &(uint32_t){0});
    assert_true(codec_deflate_bound(sizeof(raw)) <= sizeof(packed));
    assert_int_equal(codec_deflate(codec, raw, sizeof(raw), packed, sizeof(packed), &used), 0);
    assert_int_equal(codec_inflate(codec, packed, used, out, sizeof(raw), &left), 0);
    assert_int_equal(codec_inflate(codec, packed, used, out, sizeof(raw) - 1, &left), -EOVERFLOW);
    assert_int_equal(codec_inflate(codec, packed, used, NULL, 0, &left), -EOVERFLOW);
    assert_int_equal(codec_inflate(codec, packed, used + 1, out, sizeof(out), &left),
                     -EBADMSG); /* more follows */
    for (size_t cut = 0; cut < used; cut++)
        assert_int_equal(codec_inflate(codec, packed, cut, out, sizeof(out), &left), -EBADMSG);
    assert_int_equal(codec_inflate(codec, CODEC_END, CODEC_END_BYTES, NULL, 0, &left), 0);
    assert_int_equal(left, 0);
    assert_int_equal(codec_inflate(codec, "\x07\x00", 2, out, sizeof(out), &left),
                     -EBADMSG); /* block type 3 */
    assert_int_equal(
        codec_deflate(codec, raw, sizeof(raw), packed, codec_deflate_bound(sizeof(raw)) - 1, &used), -EINVAL);
}

static void test_inflate_keeps_inside_its_buffer(void **state UNUSED)
{
    uint8_t packed[4000], out[3000];

    for (int round = 0; round < 3000; round++) {
        uint8_t raw[1500];
        size_t bytes = 1 + random_below(sizeof(raw) - 1), used, left;
        for (size_t i = 0; i < bytes; i++)
            raw[i] = (uint8_t)("abc\n"[random_below(4)]);
        assert_int_equal(codec_deflate(codec, raw, bytes, packed, sizeof(packed), &used), 0);
        packed[random_below(used)] ^= (uint8_t)(1u << random_below(8));
        size_t cap = random_below(bytes + 10);
        memset(out, 0xee, sizeof(out));
        int rc = codec_inflate(codec, packed, used, out, cap, &left);
        assert_true(rc == 0 || rc == -EBADMSG || rc == -EOVERFLOW);
        for (size_t i = cap; i < sizeof(out); i++)
            assert_int_equal(out[i], 0xee);
    }
}

static void test_crc_is_that_of_gzip(void **state UNUSED)
{
    uint8_t data[3000];

    random_fill(data, sizeof(data));
    for (int round = 0; round < 2000; round++) {
        size_t from = random_below(sizeof(data)), bytes = random_below(sizeof(data) - from);
        size_t first = random_below(bytes + 1);
        uint32_t expected = (uint32_t)crc32(0, data + from, (uInt)bytes);
        assert_int_equal(codec_crc32(0, data + from, bytes), expected);
        assert_int_equal(codec_crc32(codec_crc32(0, data + from, first), data + from + first, bytes - first),
                         expected);
    }
    assert_int_equal(codec_crc32(0, "123456789", 9), 0xcbf43926);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_of_all_sizes),
        cmocka_unit_test(test_round_trip_of_random_sizes),
        cmocka_unit_test(test_largest_block),
        cmocka_unit_test(test_small_is_smaller),
        cmocka_unit_test(test_inflate_refuses),
        cmocka_unit_test(test_inflate_keeps_inside_its_buffer),
        cmocka_unit_test(test_crc_is_that_of_gzip),
    };

    random_seed();
    printf("# codec %s\n", codec_name());
    return cmocka_run_group_tests(tests, setup, teardown);
}
