#include "tests/unit/segment/segment_test.h"

#include "common/segment/crcindex.h"
#include "common/segment/scan.h"

enum { MEMBERS_MAX = 64 };

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

/* A file, and where its members are. */
struct file {
    struct image image;
    size_t starts[MEMBERS_MAX + 1]; /* the last: the end */
    size_t members;
};

static void file_mark(struct file *file)
{
    file->starts[++file->members] = file->image.bytes;
}

static struct file make_file(size_t blocks, size_t block_bytes)
{
    struct file file = {0};

    image_append_head(&file.image, SAMPLE_HEAD);
    file_mark(&file);
    for (size_t i = 0; i < blocks; i++) {
        image_append_rows(&file.image, codec, 1 + random_below(block_bytes));
        file_mark(&file);
    }
    return file;
}

static void test_whole_file(void **state UNUSED)
{
    struct file file = make_file(10, 3000);
    struct scan_summary sum;

    for (int depth = SCAN_ENDS; depth <= SCAN_VALID; depth++) {
        assert_int_equal(scan_summarize(file.image.data, file.image.bytes, (enum scan_depth)depth, &sum),
                         SCAN_WHOLE);
        assert_int_equal(sum.heads, 1);
        assert_int_equal(sum.blocks, 10);
        assert_int_equal(sum.valid_bytes, file.image.bytes);
        assert_int_equal(sum.valid_end, file.image.bytes);
        assert_int_equal(sum.damaged_bytes + sum.tail_bytes, 0);
        assert_true(sum.starts_with_head);
        assert_true(sum.rows > 0 && sum.raw_bytes > sum.rows);
    }
    image_free(&file.image);
}

static void test_empty_file_and_empty_segment(void **state UNUSED)
{
    struct scan_summary sum;
    struct file file = make_file(0, 0);

    assert_int_equal(scan_summarize(NULL, 0, SCAN_VALID, &sum), SCAN_WHOLE);
    assert_int_equal(sum.heads + sum.blocks, 0);
    assert_int_equal(scan_summarize(file.image.data, file.image.bytes, SCAN_VALID, &sum), SCAN_WHOLE);
    assert_int_equal(sum.heads, 1);
    assert_int_equal(sum.blocks, 0);
    image_free(&file.image);
}

static void test_concatenated_segments(void **state UNUSED)
{
    struct file a = make_file(3, 500), b = make_file(4, 500);
    struct scan_summary sum;

    image_append(&a.image, b.image.data, b.image.bytes);
    assert_int_equal(scan_summarize(a.image.data, a.image.bytes, SCAN_VALID, &sum), SCAN_WHOLE);
    assert_int_equal(sum.heads, 2);
    assert_int_equal(sum.blocks, 7);
    image_free(&a.image);
    image_free(&b.image);
}

static void test_torn_at_each_byte(void **state UNUSED)
{
    struct file file = make_file(3, 300);
    struct scan_summary sum;

    for (size_t bytes = 0; bytes <= file.image.bytes; bytes++) {
        size_t whole = 0;
        while (whole < file.members && file.starts[whole + 1] <= bytes)
            whole++;
        /* A copy of just these bytes, so that a sanitizer sees any read beyond. */
        uint8_t *copy = malloc(bytes + 1);
        assert_non_null(copy);
        memcpy(copy + 1, file.image.data, bytes);
        enum scan_verdict verdict = scan_summarize(copy + 1, bytes, SCAN_VALID, &sum);
        assert_int_equal(verdict, file.starts[whole] == bytes ? SCAN_WHOLE : SCAN_TORN);
        assert_int_equal(sum.heads + sum.blocks, whole);
        assert_int_equal(sum.valid_end, file.starts[whole]);
        assert_int_equal(sum.tail_bytes, bytes - file.starts[whole]);
        free(copy);
    }
    image_free(&file.image);
}

static void test_zero_filled_tail(void **state UNUSED)
{
    struct file file = make_file(3, 300);
    struct scan_summary sum;
    uint8_t *zeros = calloc(1, 100000);

    /* Blocks that were allocated and never written: after a member, and in the place of its second half. */
    image_append(&file.image, zeros, 100000);
    assert_int_equal(scan_summarize(file.image.data, file.image.bytes, SCAN_VALID, &sum), SCAN_TORN);
    assert_int_equal(sum.valid_end, file.starts[4]);
    assert_int_equal(sum.damage_status, MEMBER_BAD_MAGIC);
    assert_int_equal(sum.damage_offset, file.starts[4]);
    memset(file.image.data + file.starts[4] - 20, 0, 20);
    assert_int_equal(scan_summarize(file.image.data, file.image.bytes, SCAN_VALID, &sum), SCAN_TORN);
    assert_int_equal(sum.valid_end, file.starts[3]);
    free(zeros);
    image_free(&file.image);
}

static void test_damage_in_the_middle(void **state UNUSED)
{
    struct file file = make_file(5, 1000);
    struct scan_summary sum;

    for (size_t bad = 0; bad < file.members; bad++) {
        for (size_t at = file.starts[bad]; at < file.starts[bad + 1] - 8; at += 1 + random_below(20)) {
            file.image.data[at] ^= 0x55;
            enum scan_verdict verdict = scan_summarize(file.image.data, file.image.bytes, SCAN_VALID, &sum);
            bool is_last = bad == file.members - 1;
            size_t bytes = file.starts[bad + 1] - file.starts[bad];
            assert_int_equal(verdict, is_last ? SCAN_TORN : SCAN_DAMAGED);
            assert_int_equal(sum.heads + sum.blocks, file.members - 1);
            assert_int_equal(sum.damage_offset, file.starts[bad]);
            assert_int_equal(is_last ? sum.tail_bytes : sum.damaged_bytes, bytes);
            assert_int_equal(sum.damaged_ranges, !is_last);
            file.image.data[at] ^= 0x55;
        }
    }
    image_free(&file.image);
}

static void test_rubbish_before_and_between(void **state UNUSED)
{
    struct file a = make_file(2, 200), b = make_file(2, 200);
    struct image image = {0};
    struct scan scan;
    struct scan_item item;

    image_append(&image, "rubbish\x1f\x8b\x08\x04", 11);
    image_append(&image, a.image.data, a.image.bytes);
    image_append(&image, "\x1f\x8b\x08\x04\0", 5);
    image_append(&image, b.image.data, b.image.bytes);
    image_append(&image, "\x1f", 1);
    scan_init(&scan, image.data, image.bytes, SCAN_ENDS);
    for (size_t i = 0, at = 0; i < 9; i++) {
        assert_true(scan_next(&scan, &item));
        assert_int_equal(item.offset, at);
        assert_int_equal(item.is_member, i != 0 && i != 4 && i != 8);
        if (!item.is_member)
            assert_int_equal(item.is_tail, i == 8);
        at += item.bytes;
    }
    assert_false(scan_next(&scan, &item));
    scan_fini(&scan);
    image_free(&image);
    image_free(&a.image);
    image_free(&b.image);
}

/* Rows may hold anything, also the bytes of a member. Damage round it must not bring that to life. */
static void test_member_inside_a_damaged_payload_stays_hidden(void **state UNUSED)
{
    struct image inner = {0}, outer = {0};
    struct scan_summary sum;
    uint8_t noise[1000];

    random_fill(noise, sizeof(noise));
    image_append_data(&inner, codec, noise, sizeof(noise), 1);
    image_append_head(&outer, SAMPLE_HEAD);
    size_t start = outer.bytes;
    image_append_data(&outer, codec, inner.data, inner.bytes, 1); /* incompressible: stored as it is */
    image_append_data(&outer, codec, "a\n", 2, 1);
    assert_non_null(memmem(outer.data + start + 36, outer.bytes - start - 36, "\x1f\x8b\x08\x04", 4));
    outer.data[start + 36 + 2] ^= 1; /* the payload, not the header */
    assert_int_equal(scan_summarize(outer.data, outer.bytes, SCAN_VALID, &sum), SCAN_DAMAGED);
    assert_int_equal(sum.blocks, 1);
    assert_int_equal(sum.rows, 1);
    assert_int_equal(sum.raw_bytes, 2);
    image_free(&inner);
    image_free(&outer);
}

/* ignored: bytes at the end of the member that do not matter. */
static bool is_untouched(const struct file *file, const struct image *original, size_t i, size_t ignored)
{
    size_t from = file->starts[i], bytes = file->starts[i + 1] - from;

    return file->starts[i + 1] <= file->image.bytes &&
           memcmp(file->image.data + from, original->data + from, bytes - ignored) == 0;
}

/* Random flips, zeros and a cut: each untouched member is found, none that was not there is, and each byte is
 * told of once. */
static void check_salvage(struct file *file, const struct image *original)
{
    struct scan scan;
    struct scan_item item;
    size_t at = 0;

    scan_init(&scan, file->image.data, file->image.bytes, SCAN_VALID);
    for (size_t i = 0; scan_next(&scan, &item);) {
        assert_int_equal(item.offset, at);
        assert_true(item.bytes > 0);
        at += item.bytes;
        if (!item.is_member)
            continue;
        while (i < file->members && file->starts[i] < item.offset) {
            assert_false(is_untouched(file, original, i, 0)); /* one was missed */
            i++;
        }
        assert_true(i < file->members && file->starts[i] == item.offset);   /* else it was invented */
        assert_true(is_untouched(file, original, i, MEMBER_TRAILER_BYTES)); /* no CRC covers the trailer */
        i++;
    }
    assert_int_equal(at, file->image.bytes);
    scan_fini(&scan);
}

static void test_salvage_property(void **state UNUSED)
{
    for (int round = 0; round < 400; round++) {
        struct file file = make_file(1 + random_below(20), 1 + random_below(3000));
        struct image original = {0};
        image_append(&original, file.image.data, file.image.bytes);
        for (size_t n = random_below(8); n > 0; n--) {
            size_t from = random_below(file.image.bytes),
                   bytes = 1 + random_below(random_below(3) ? 4 : 2000);
            for (size_t i = from; i < from + bytes && i < file.image.bytes; i++)
                file.image.data[i] =
                    (uint8_t)(bytes <= 4 ? file.image.data[i] ^ (1u << random_below(8)) : 0u);
        }
        if (random_below(2))
            file.image.bytes -= random_below(file.image.bytes);
        check_salvage(&file, &original);
        image_free(&original);
        image_free(&file.image);
    }
}

/* Flips in the trailer (CRC32, ISIZE) are not covered by any CRC of the format: only --deep finds them. But a
 * length there never goes over the ceiling, and the member's place is not doubted. */
static void test_trailer_flips(void **state UNUSED)
{
    struct file file = make_file(3, 500);
    struct scan_summary sum;

    for (size_t at = file.starts[3] - 8; at < file.starts[3]; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            file.image.data[at] ^= (uint8_t)(1u << bit);
            (void)scan_summarize(file.image.data, file.image.bytes, SCAN_VALID, &sum);
            assert_true(sum.heads + sum.blocks >= file.members - 1);
            assert_int_equal(sum.valid_end, file.image.bytes);
            assert_true(sum.raw_bytes <= (uint64_t)3 * MEMBER_RAW_MAX);
            file.image.data[at] ^= (uint8_t)(1u << bit);
        }
    }
    image_free(&file.image);
}

/* Headers with right head_crc, each promising a payload to the end of the file: quadratic for a naive reader
 * (46,000 x 1 MiB and 4 times that twice as large). */
static double time_adversary(size_t bytes)
{
    struct image image = {.data = calloc(1, bytes + 1), .bytes = bytes};
    struct scan_summary sum;
    struct timespec from, to;

    assert_non_null(image.data);
    for (size_t at = 1; at + 46 < bytes - 10; at += 46) { /* behind a byte of rubbish: they are searched */
        uint8_t *p = image.data + at;
        memcpy(p, "\x1f\x8b\x08\x04\0\0\0\0\0\xff\x18\0Sp\x14", 16);
        put_u32_le(p + 16, (uint32_t)(bytes - at));
        fix_head_crc(p);
        memcpy(p + 36, "\x03", 1);
    }
    memcpy(image.data + bytes - 10, "\x03\0\0\0\0\0\1\0\0\0", 10);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    enum scan_verdict verdict = scan_summarize(image.data, image.bytes, SCAN_VALID, &sum);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    assert_int_equal(verdict, SCAN_TORN);
    assert_int_equal(sum.blocks, 0);
    image_free(&image);
    return (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
}

static void test_time_is_linear_for_an_adversary(void **state UNUSED)
{
    double small = time_adversary(8 << 20), large = time_adversary(32 << 20);

    printf("# adversary: 8 MiB %.3f s, 32 MiB %.3f s\n", small, large);
    assert_true(large < 8 * small + 0.5); /* linear: 4; quadratic: 16 */
}

static void test_crc_index(void **state UNUSED)
{
    static uint8_t data[50000];
    struct crc_index *index;

    random_fill(data, sizeof(data));
    index = crc_index_new(data, sizeof(data));
    assert_non_null(index);
    for (int round = 0; round < 5000; round++) {
        size_t from = random_below(sizeof(data) + 1), to = from + random_below(sizeof(data) - from + 1);
        assert_int_equal(crc_index_range(index, from, to), codec_crc32(0, data + from, to - from));
    }
    crc_index_free(index);
    index = crc_index_new(data, 0);
    assert_int_equal(crc_index_range(index, 0, 0), 0);
    crc_index_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_file),
        cmocka_unit_test(test_empty_file_and_empty_segment),
        cmocka_unit_test(test_concatenated_segments),
        cmocka_unit_test(test_torn_at_each_byte),
        cmocka_unit_test(test_zero_filled_tail),
        cmocka_unit_test(test_damage_in_the_middle),
        cmocka_unit_test(test_rubbish_before_and_between),
        cmocka_unit_test(test_member_inside_a_damaged_payload_stays_hidden),
        cmocka_unit_test(test_salvage_property),
        cmocka_unit_test(test_trailer_flips),
        cmocka_unit_test(test_time_is_linear_for_an_adversary),
        cmocka_unit_test(test_crc_index),
    };

    random_seed();
    return cmocka_run_group_tests(tests, setup, teardown);
}
