#include "tests/unit/segment/segment_test.h"

#include <errno.h>
#include <zlib.h>

#include "common/segment/join.h"
#include "common/segment/recompress.h"
#include "common/segment/scan.h"

enum { SOURCES = 5 };

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

/* What gunzip makes of a file: appended to out. */
static void gunzip(const struct image *packed, struct image *out)
{
    static uint8_t buffer[100000];
    size_t at = 0;

    while (at < packed->bytes) { /* each member */
        z_stream z = {.next_in = packed->data + at, .avail_in = (uInt)(packed->bytes - at)};
        int rc = Z_OK;
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        while (rc == Z_OK) {
            z.next_out = buffer;
            z.avail_out = sizeof(buffer);
            rc = inflate(&z, Z_NO_FLUSH);
            image_append(out, buffer, sizeof(buffer) - z.avail_out);
        }
        assert_int_equal(rc, Z_STREAM_END);
        at += z.total_in;
        inflateEnd(&z);
    }
}

/* The file that a plan describes, checked: exactly one member, and as long as promised. */
static struct image write_joined(const struct join *join, const struct image *sources)
{
    struct image out = {0};
    uint8_t header[JOIN_HEADER_BYTES], tail[JOIN_TAIL_BYTES];

    join_header(header);
    image_append(&out, header, sizeof(header));
    for (size_t i = 0; i < join->count; i++) {
        const struct join_extent *e = &join->extents[i];
        assert_true(e->bytes > 0 && e->offset + e->bytes <= sources[e->source].bytes);
        image_append(&out, sources[e->source].data + e->offset, e->bytes);
    }
    join_tail(join, tail);
    image_append(&out, tail, sizeof(tail));
    assert_int_equal(out.bytes, join_bytes(join));

    uint8_t *raw = malloc(join->raw_bytes + 1);
    z_stream z = {.next_in = out.data, .avail_in = (uInt)out.bytes, .next_out = raw};
    z.avail_out = (uInt)join->raw_bytes + 1;
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END); /* CRC32 and ISIZE are right */
    assert_int_equal(z.avail_in, 0);                       /* nothing behind the first member */
    assert_int_equal(z.total_out, join->raw_bytes);
    inflateEnd(&z);
    free(raw);
    return out;
}

static void add_all(struct join *join, const struct image *image, uint32_t source)
{
    struct scan scan;
    struct scan_item item;

    scan_init(&scan, image->data, image->bytes, SCAN_ENDS);
    while (scan_next(&scan, &item)) {
        assert_true(item.is_member);
        assert_int_equal(join_add(join, source, &item.member), 0);
    }
    scan_fini(&scan);
}

static void make_sources(struct image *sources, size_t block_bytes)
{
    for (size_t i = 0; i < SOURCES; i++) {
        sources[i] = (struct image){0};
        image_append_head(&sources[i], SAMPLE_HEAD);
        for (size_t n = random_below(20); n > 0; n--)
            image_append_rows(&sources[i], codec, random_below(block_bytes));
    }
}

static void free_sources(struct image *sources)
{
    for (size_t i = 0; i < SOURCES; i++)
        image_free(&sources[i]);
}

static void test_join_equals_gunzip_of_the_parts(void **state UNUSED)
{
    for (int round = 0; round < 30; round++) {
        struct image sources[SOURCES], expected = {0}, got = {0};
        struct join join;
        make_sources(sources, round == 0 ? 300000 : 5000);
        join_init(&join, UINT64_MAX);
        for (uint32_t i = 0; i < SOURCES; i++) {
            add_all(&join, &sources[i], i);
            gunzip(&sources[i], &expected);
        }
        struct image out = write_joined(&join, sources);
        gunzip(&out, &got);
        assert_int_equal(join.raw_bytes, expected.bytes);
        assert_int_equal(got.bytes, expected.bytes);
        if (got.bytes > 0)
            assert_memory_equal(got.data, expected.data, got.bytes);
        image_free(&out);
        image_free(&got);
        image_free(&expected);
        join_fini(&join);
        free_sources(sources);
    }
}

static void test_empty_join(void **state UNUSED)
{
    struct join join;
    struct member head = {.is_head = true, .payload_bytes = 2};

    join_init(&join, UINT64_MAX);
    assert_int_equal(join_add(&join, 0, &head), 0);
    assert_int_equal(join.blocks, 0);
    assert_int_equal(join_bytes(&join), 20);
    struct image none = {0}, out = write_joined(&join, &none);
    image_free(&out);
    join_fini(&join);
}

static void test_raw_limit_and_extent_ceiling(void **state UNUSED)
{
    struct join join;
    struct join_block block = {.bytes = 10, .raw_bytes = 1000, .rows = 1};

    join_init(&join, 2500);
    assert_int_equal(join_add_block(&join, &block), 0);
    assert_int_equal(join_add_block(&join, &block), 0);
    assert_int_equal(join_add_block(&join, &block), -EFBIG);
    assert_int_equal(join.blocks, 2);
    assert_int_equal(join.raw_bytes, 2000);
    block.raw_bytes = 500;
    assert_int_equal(join_add_block(&join, &block), 0);
    assert_int_equal(join.rows, 3);
    join_reset(&join);
    block.raw_bytes = 1000000; /* larger than the limit, but alone */
    assert_int_equal(join_add_block(&join, &block), 0);
    assert_int_equal(join_add_block(&join, &block), -EFBIG);
    join_fini(&join);

    join_init(&join, UINT64_MAX);
    for (size_t i = 0; i < JOIN_EXTENTS_MAX; i++)
        assert_int_equal(join_add_block(&join, &block), 0);
    assert_int_equal(join_add_block(&join, &block), -ENOBUFS);
    assert_int_equal(join.blocks, JOIN_EXTENTS_MAX);
    join_fini(&join);
}

static void test_thin(void **state UNUSED)
{
    struct join join;
    struct join_block block = {.bytes = 10, .raw_bytes = JOIN_THIN_MEAN_BYTES - 1, .rows = 1};

    join_init(&join, UINT64_MAX);
    assert_false(join_is_thin(&join));
    assert_int_equal(join_add_block(&join, &block), 0);
    assert_false(join_is_thin(&join)); /* one block: nothing to win */
    assert_int_equal(join_add_block(&join, &block), 0);
    assert_true(join_is_thin(&join));
    block.raw_bytes += 2;
    assert_int_equal(join_add_block(&join, &block), 0);
    assert_int_equal(join_add_block(&join, &block), 0);
    assert_false(join_is_thin(&join));
    join_fini(&join);
}

/* Put what is gathered into the image of new blocks, and into the plan. */
static void flush(struct recompress *r, struct join *join, struct image *blocks)
{
    const void *data;
    struct join_block block;

    assert_int_equal(recompress_flush(r, &data, &block), 0);
    if (block.raw_bytes == 0)
        return;
    assert_true(block.raw_bytes <= RECOMPRESS_BLOCK_BYTES);
    block.source = SOURCES;
    block.offset = blocks->bytes;
    image_append(blocks, data, block.bytes);
    assert_int_equal(join_add_block(join, &block), 0);
}

static void recompress_all(struct recompress *r, struct join *join, const struct image *image,
                           uint32_t source, struct image *blocks)
{
    struct scan scan;
    struct scan_item item;

    scan_init(&scan, image->data, image->bytes, SCAN_ENDS);
    while (scan_next(&scan, &item)) {
        const uint8_t *payload = image->data + item.offset + item.member.payload_offset;
        if (recompress_wants(&item.member)) {
            int rc = recompress_add(r, &item.member, payload);
            if (rc == -ENOBUFS) {
                flush(r, join, blocks);
                rc = recompress_add(r, &item.member, payload);
            }
            assert_int_equal(rc, 0);
        } else if (!item.member.is_head) {
            flush(r, join, blocks);
            assert_int_equal(join_add(join, source, &item.member), 0);
        }
    }
    scan_fini(&scan);
}

static void test_recompress_keeps_all_rows_in_order(void **state UNUSED)
{
    struct recompress *r = recompress_new(codec);

    assert_non_null(r);
    for (int round = 0; round < 20; round++) {
        struct image sources[SOURCES + 1] = {0}, expected = {0}, got = {0};
        struct join join, plain;
        make_sources(sources, round % 3 == 0 ? 200000 : 3000);
        join_init(&join, UINT64_MAX);
        join_init(&plain, UINT64_MAX);
        for (uint32_t i = 0; i < SOURCES; i++) {
            recompress_all(r, &join, &sources[i], i, &sources[SOURCES]);
            add_all(&plain, &sources[i], i);
            gunzip(&sources[i], &expected);
        }
        flush(r, &join, &sources[SOURCES]);
        struct image out = write_joined(&join, sources);
        gunzip(&out, &got);
        assert_int_equal(got.bytes, expected.bytes);
        if (got.bytes > 0)
            assert_memory_equal(got.data, expected.data, got.bytes);
        assert_int_equal(join.rows, plain.rows);
        assert_int_equal(join.crc32, plain.crc32);
        if (round % 3 != 0 && plain.blocks > 20)
            assert_true(join_bytes(&join) < join_bytes(&plain));
        image_free(&out);
        image_free(&got);
        image_free(&expected);
        join_fini(&join);
        join_fini(&plain);
        free_sources(sources);
        image_free(&sources[SOURCES]);
    }
    recompress_free(r);
}

static void test_recompress_refuses_what_is_damaged(void **state UNUSED)
{
    struct recompress *r = recompress_new(codec);
    struct image image = {0};
    struct member m;
    const void *data;
    struct join_block block;

    assert_non_null(r);
    image_append_data(&image, codec, "a\nb\n", 4, 2);
    assert_int_equal(member_parse(image.data, image.bytes, &m), MEMBER_OK);
    struct member wrong = m;
    wrong.crc32 ^= 1;
    assert_int_equal(recompress_add(r, &wrong, image.data + 36), -EBADMSG);
    wrong = m;
    wrong.isize++;
    assert_int_equal(recompress_add(r, &wrong, image.data + 36), -EBADMSG);
    wrong.isize -= 2;
    assert_int_equal(recompress_add(r, &wrong, image.data + 36), -EBADMSG);
    wrong = m;
    wrong.rows = 5;
    assert_int_equal(recompress_add(r, &wrong, image.data + 36), -EBADMSG);
    wrong = m;
    wrong.isize = RECOMPRESS_SMALL_BYTES;
    assert_int_equal(recompress_add(r, &wrong, image.data + 36), -EINVAL);
    assert_int_equal(recompress_add(r, &m, image.data + 36), 0);
    assert_int_equal(recompress_flush(r, &data, &block), 0);
    assert_int_equal(block.rows, 2);
    assert_int_equal(block.raw_bytes, 4);
    assert_int_equal(block.crc32, m.crc32);
    assert_int_equal(recompress_flush(r, &data, &block), 0);
    assert_int_equal(block.raw_bytes, 0);
    recompress_free(r);
    image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join_equals_gunzip_of_the_parts),
        cmocka_unit_test(test_empty_join),
        cmocka_unit_test(test_raw_limit_and_extent_ceiling),
        cmocka_unit_test(test_thin),
        cmocka_unit_test(test_recompress_keeps_all_rows_in_order),
        cmocka_unit_test(test_recompress_refuses_what_is_damaged),
    };

    random_seed();
    return cmocka_run_group_tests(tests, setup, teardown);
}
