#include "tests/unit/segment/segment_test.h"

#include <errno.h>

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

#define ROWS_TEXT "a,1\nb,2\nc,\"x\ny\"\n"

/* One data member with three rows. */
static struct image sample_data(void)
{
    struct image image = {0};

    image_append_data(&image, codec, ROWS_TEXT, strlen(ROWS_TEXT), 3);
    return image;
}

static struct image sample_head(void)
{
    struct image image = {0};

    image_append_head(&image, SAMPLE_HEAD);
    return image;
}

static enum member_status parse(const struct image *image)
{
    struct member m;

    return member_parse(image->data, image->bytes, &m);
}

static void test_layout_is_the_contract(void **state UNUSED)
{
    struct image image = sample_data();
    const uint8_t *p = image.data;
    static const uint8_t start[] = {0x1f, 0x8b, 8, 4}, field[] = {0, 0xff, 24, 0, 'S', 'p', 20, 0};

    assert_memory_equal(p, start, 4);
    assert_int_equal(get_u32_le(p + 4), 1700000000);
    assert_memory_equal(p + 8, field, 8);
    assert_int_equal(get_u32_le(p + 16), image.bytes);
    assert_int_equal(get_u32_le(p + 20), codec_crc32(0, p + 36, image.bytes - 44));
    assert_int_equal(get_u32_le(p + 24), 3);
    assert_int_equal(get_u32_le(p + 28), 1); /* kind and zeros */
    assert_int_equal(get_u32_le(p + 32), codec_crc32(0, p, 32));
    assert_memory_equal(p + image.bytes - 10, "\x03\x00", 2);
    assert_int_equal(get_u32_le(p + image.bytes - 8), codec_crc32(0, ROWS_TEXT, strlen(ROWS_TEXT)));
    assert_int_equal(get_u32_le(p + image.bytes - 4), strlen(ROWS_TEXT));
    image_free(&image);

    image = sample_head();
    p = image.data;
    assert_int_equal(p[10] + 256 * p[11], 24 + 4 + strlen(SAMPLE_HEAD));
    assert_memory_equal(p + 36, "Sh", 2);
    assert_int_equal(p[38] + 256 * p[39], strlen(SAMPLE_HEAD));
    assert_memory_equal(p + 40, SAMPLE_HEAD, strlen(SAMPLE_HEAD));
    assert_memory_equal(p + image.bytes - 10, "\x03\0\0\0\0\0\0\0\0\0", 10);
    assert_int_equal(get_u32_le(p + 32), codec_crc32(codec_crc32(0, p, 32), p + 36, 4 + strlen(SAMPLE_HEAD)));
    image_free(&image);
}

static void test_parse_gives_back_what_was_written(void **state UNUSED)
{
    struct image image = sample_data();
    struct member m;
    char raw[100];

    image_append(&image, "more", 4);
    assert_int_equal(member_parse(image.data, image.bytes, &m), MEMBER_OK);
    assert_int_equal(m.member_bytes, image.bytes - 4);
    assert_int_equal(m.payload_offset, 36);
    assert_int_equal(m.payload_bytes, m.member_bytes - 44);
    assert_int_equal(m.rows, 3);
    assert_int_equal(m.kind, MEMBER_METRICS);
    assert_int_equal(m.mtime, 1700000000);
    assert_int_equal(m.isize, strlen(ROWS_TEXT));
    assert_int_equal(m.crc32, codec_crc32(0, ROWS_TEXT, strlen(ROWS_TEXT)));
    assert_false(m.is_head);
    assert_null(m.head_json);
    assert_int_equal(member_check_deep(codec, image.data, &m, SEGMENT_CSV, raw, sizeof(raw)), MEMBER_OK);
    assert_memory_equal(raw, ROWS_TEXT, strlen(ROWS_TEXT));
    image_free(&image);

    image = sample_head();
    assert_int_equal(member_parse(image.data, image.bytes, &m), MEMBER_OK);
    assert_true(m.is_head);
    assert_int_equal(m.rows, 0);
    assert_int_equal(m.head_json_bytes, strlen(SAMPLE_HEAD));
    assert_memory_equal(m.head_json, SAMPLE_HEAD, strlen(SAMPLE_HEAD));
    assert_int_equal(member_check_deep(codec, image.data, &m, SEGMENT_CSV, raw, sizeof(raw)), MEMBER_OK);
    image_free(&image);
}

/* One byte of a member changed, and head_crc made right again: what does the reader say? */
struct change {
    size_t at;
    uint8_t value;
    enum member_status status;
};

static void check_changes(struct image (*sample)(void), const struct change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct image image = sample();
        image.data[changes[i].at] = changes[i].value;
        if (changes[i].at != 10 && changes[i].at != 11) /* where the header ends */
            fix_head_crc(image.data);
        if (parse(&image) != changes[i].status)
            fail_msg("byte %zu = %u: %s", changes[i].at, changes[i].value, member_status_word(parse(&image)));
        image_free(&image);
    }
}

static void test_clause_1_magic_and_flags(void **state UNUSED)
{
    static const struct change changes[] = {
        {0, 0x1e, MEMBER_BAD_MAGIC},
        {1, 0x8c, MEMBER_BAD_MAGIC},
        {2, 7, MEMBER_BAD_MAGIC},
        {3, 0, MEMBER_BAD_MAGIC},
        {3, 6, MEMBER_BAD_MAGIC},
        {3, 0x0c, MEMBER_BAD_MAGIC},
        {3, 0x14, MEMBER_BAD_MAGIC},
        {3, 5, MEMBER_BAD_MAGIC},
        {8, 2, MEMBER_BAD_MAGIC},
        {9, 3, MEMBER_BAD_MAGIC},
        {4, 0, MEMBER_OK} /* any time will do */,
    };

    check_changes(sample_data, changes, ARRAY_LEN(changes));
}

static void test_clause_1_field(void **state UNUSED)
{
    static const struct change changes[] = {
        {12, 'T', MEMBER_BAD_FIELD}, {13, 'h', MEMBER_BAD_FIELD}, {14, 19, MEMBER_BAD_FIELD},
        {14, 21, MEMBER_BAD_FIELD},  {15, 1, MEMBER_BAD_FIELD},   {28, 4, MEMBER_BAD_FIELD},
        {28, 0, MEMBER_OK},          {28, 3, MEMBER_OK},          {29, 1, MEMBER_BAD_FIELD},
        {30, 1, MEMBER_BAD_FIELD},   {31, 1, MEMBER_BAD_FIELD},   {10, 23, MEMBER_BAD_FIELD},
        {10, 0, MEMBER_BAD_FIELD},
    };

    check_changes(sample_data, changes, ARRAY_LEN(changes));
}

/* Insert bytes behind S p, and make all lengths and CRCs right. */
static void insert_extra(struct image *image, const void *extra, size_t bytes)
{
    struct image out = {0};
    size_t xlen = image->data[10] + 256u * image->data[11] + bytes;

    image_append(&out, image->data, 36);
    image_append(&out, extra, bytes);
    image_append(&out, image->data + 36, image->bytes - 36);
    out.data[10] = (uint8_t)xlen;
    out.data[11] = (uint8_t)(xlen >> 8);
    put_u32_le(out.data + 16, (uint32_t)out.bytes);
    fix_head_crc(out.data);
    image_free(image);
    *image = out;
}

static void check_extra(const void *extra, size_t bytes, enum member_status status)
{
    struct image image = sample_data();

    insert_extra(&image, extra, bytes);
    assert_int_equal(parse(&image), status);
    image_free(&image);
}

static void test_clause_1_other_subfields(void **state UNUSED)
{
    struct image image;
    struct member m;

    check_extra("XY\x03\0abc", 7, MEMBER_OK); /* unknown: tolerated */
    check_extra("XY\0\0ZZ\0\0", 8, MEMBER_OK);
    check_extra("XY\x04\0abc", 7, MEMBER_BAD_EXTRA);
    check_extra("XY\xff\xff", 4, MEMBER_BAD_EXTRA);
    check_extra("X", 1, MEMBER_BAD_EXTRA);
    check_extra("XY\x01", 3, MEMBER_BAD_EXTRA);
    check_extra("Sh\0\0", 4, MEMBER_BAD_SHAPE); /* a head with rows */
    check_extra("Sh\0\0Sh\0\0", 8, MEMBER_BAD_EXTRA);

    /* An unknown subfield before and behind S h of a head; head_crc covers both. */
    image = sample_head();
    insert_extra(&image, "XY\x02\0hi", 6);
    assert_int_equal(member_parse(image.data, image.bytes, &m), MEMBER_OK);
    assert_true(m.is_head);
    assert_memory_equal(m.head_json, SAMPLE_HEAD, strlen(SAMPLE_HEAD));
    image.data[40] ^= 1;
    assert_int_equal(parse(&image), MEMBER_BAD_HEAD_CRC);
    image_free(&image);
}

static void test_clause_2_head_crc(void **state UNUSED)
{
    struct image image = sample_head();

    for (size_t at = 0; at < image.bytes - 10; at++) {
        image.data[at] ^= 0x40;
        enum member_status status = parse(&image);
        assert_int_not_equal(status, MEMBER_OK);
        if ((at >= 4 && at < 8) || (at >= 20 && at < 28) || (at >= 32 && at < 36) || at >= 40)
            assert_int_equal(status, MEMBER_BAD_HEAD_CRC);
        image.data[at] ^= 0x40;
    }
    assert_int_equal(parse(&image), MEMBER_OK);
    image_free(&image);
}

static void check_length(uint32_t member_bytes, enum member_status status)
{
    struct image image = sample_data();

    put_u32_le(image.data + 16, member_bytes);
    fix_head_crc(image.data);
    image_append(&image, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_int_equal(parse(&image), status);
    image_free(&image);
}

static void test_clause_3_member_bytes(void **state UNUSED)
{
    struct image image = sample_data();
    uint32_t bytes = (uint32_t)image.bytes;

    for (size_t cut = 0; cut < image.bytes; cut++) {
        image.bytes = cut;
        assert_int_equal(parse(&image), cut < 36 ? MEMBER_SHORT : MEMBER_TORN);
    }
    image.bytes = bytes;
    image_free(&image);
    check_length(bytes, MEMBER_OK);
    check_length(0, MEMBER_BAD_SHAPE);
    check_length(35, MEMBER_BAD_SHAPE);
    check_length(45, MEMBER_BAD_SHAPE); /* no room for 03 00 */
    check_length(bytes - 1, MEMBER_BAD_SHAPE);
    check_length(bytes + 1, MEMBER_BAD_SHAPE);
    check_length(bytes + 17, MEMBER_TORN);
    check_length(MEMBER_BYTES_MAX, MEMBER_TORN);
    check_length(MEMBER_BYTES_MAX + 1u, MEMBER_TOO_LARGE);
    check_length(UINT32_MAX, MEMBER_TOO_LARGE);
}

static void test_clause_3_trailer(void **state UNUSED)
{
    struct image image = sample_data();
    uint8_t *isize = image.data + image.bytes - 4, *end = image.data + image.bytes - 10;
    uint32_t payload_bytes = (uint32_t)image.bytes - 44;

    put_u32_le(isize, MEMBER_RAW_MAX + 1u);
    assert_int_equal(parse(&image), MEMBER_TOO_LARGE);
    put_u32_le(isize, MEMBER_RAW_MAX); /* more than that much deflate can give */
    assert_int_equal(parse(&image), MEMBER_BAD_SHAPE);
    put_u32_le(isize, 1032 * payload_bytes + 1);
    assert_int_equal(parse(&image), MEMBER_BAD_SHAPE);
    put_u32_le(isize, 1032 * payload_bytes);
    assert_int_equal(parse(&image), MEMBER_OK); /* only --deep can know */
    end[0] = 2;
    put_u32_le(image.data + 20, codec_crc32(0, image.data + 36, payload_bytes));
    fix_head_crc(image.data);
    assert_int_equal(parse(&image), MEMBER_BAD_SHAPE);
    image_free(&image);

    image = sample_head();
    image.data[image.bytes - 8] = 1;
    assert_int_equal(parse(&image), MEMBER_BAD_SHAPE);
    image.data[image.bytes - 8] = 0;
    image.data[image.bytes - 4] = 1;
    assert_int_equal(parse(&image), MEMBER_BAD_SHAPE);
    image.data[image.bytes - 4] = 0;
    image.data[24] = 1; /* rows of a head */
    fix_head_crc(image.data);
    assert_int_equal(parse(&image), MEMBER_BAD_SHAPE);
    image_free(&image);
}

static void test_clause_4_payload_crc(void **state UNUSED)
{
    struct image image = sample_data();

    for (size_t at = 36; at < image.bytes - 10; at++) {
        image.data[at] ^= 1;
        assert_int_equal(parse(&image), MEMBER_BAD_PAYLOAD_CRC);
        image.data[at] ^= 1;
    }
    image.data[20] ^= 1;
    fix_head_crc(image.data);
    assert_int_equal(parse(&image), MEMBER_BAD_PAYLOAD_CRC);
    image_free(&image);
}

static enum member_status deep(const struct image *image, enum segment_format format)
{
    struct member m;
    char raw[200];

    assert_int_equal(member_parse(image->data, image->bytes, &m), MEMBER_OK);
    assert_true(m.isize <= sizeof(raw));
    return member_check_deep(codec, image->data, &m, format, raw, sizeof(raw));
}

static void check_deep_rows(const char *text, uint32_t rows, enum segment_format format,
                            enum member_status status)
{
    struct image image = {0};

    image_append_data(&image, codec, text, strlen(text), rows);
    assert_int_equal(deep(&image, format), status);
    image_free(&image);
}

static void test_deep(void **state UNUSED)
{
    struct image image = sample_data();
    uint8_t *trailer = image.data + image.bytes - 8;

    trailer[0] ^= 1;
    assert_int_equal(deep(&image, SEGMENT_CSV), MEMBER_BAD_CRC);
    trailer[0] ^= 1;
    trailer[4]++;
    assert_int_equal(deep(&image, SEGMENT_CSV), MEMBER_BAD_DEFLATE);
    trailer[4] = (uint8_t)(trailer[4] - 2);
    assert_int_equal(deep(&image, SEGMENT_CSV), MEMBER_BAD_DEFLATE);
    trailer[4]++;
    assert_int_equal(deep(&image, SEGMENT_CSV), MEMBER_OK);
    image.data[37] ^= 0xff; /* not deflate any more, under right CRCs */
    put_u32_le(image.data + 20, codec_crc32(0, image.data + 36, image.bytes - 44));
    fix_head_crc(image.data);
    assert_int_not_equal(deep(&image, SEGMENT_CSV), MEMBER_OK);
    image_free(&image);

    check_deep_rows(ROWS_TEXT, 3, SEGMENT_CSV, MEMBER_OK);
    check_deep_rows(ROWS_TEXT, 4, SEGMENT_CSV, MEMBER_BAD_ROWS);
    check_deep_rows(ROWS_TEXT, 2, SEGMENT_CSV, MEMBER_BAD_ROWS);
    check_deep_rows(ROWS_TEXT, 4, SEGMENT_JSON, MEMBER_OK); /* no quotes there */
    check_deep_rows("a\nb", 1, SEGMENT_CSV, MEMBER_PARTIAL_ROW);
    check_deep_rows("a\n\"b\n", 1, SEGMENT_CSV, MEMBER_PARTIAL_ROW);
    check_deep_rows("a\n\n\r\nb\n", 2, SEGMENT_CSV, MEMBER_OK); /* blank lines are no rows */
    check_deep_rows("", 0, SEGMENT_CSV, MEMBER_OK);
}

static void test_header_only_asks_for_what_it_needs(void **state UNUSED)
{
    struct image image = sample_head();
    size_t header_bytes = image.bytes - 10, need;
    struct member m;

    for (size_t bytes = 0; bytes <= header_bytes; bytes++) {
        enum member_status status = member_parse_header(image.data, bytes, &m, &need);
        assert_int_equal(status, bytes < header_bytes ? MEMBER_SHORT : MEMBER_OK);
        assert_int_equal(need, bytes < 36 ? 36 : header_bytes);
    }
    assert_int_equal(member_parse_tail(image.data + image.bytes - 10, &m), MEMBER_OK);
    assert_int_equal(m.isize, 0);
    assert_int_equal(member_parse_header("\x1f\x8b\x08\x05", 4, &m, &need),
                     MEMBER_BAD_MAGIC); /* known early */
    image_free(&image);

    image = sample_data();
    image.data[40] ^= 1;
    assert_int_equal(member_parse_ends(image.data, image.bytes, &m), MEMBER_OK); /* does not look there */
    image_free(&image);
}

static void test_limits_of_encoding(void **state UNUSED)
{
    static char json[MEMBER_HEAD_JSON_MAX + 1], out[2 * MEMBER_HEADER_MAX];
    struct member_block block = {.raw = json, .raw_bytes = (size_t)MEMBER_RAW_MAX + 1};
    struct member m;
    size_t used;

    memset(json, ' ', sizeof(json));
    assert_int_equal(member_encode_head(json, sizeof(json), 0, out, sizeof(out), &used), -E2BIG);
    assert_int_equal(
        member_encode_head(json, sizeof(json) - 1, 0, out, member_head_bytes(sizeof(json) - 1) - 1, &used),
        -EINVAL);
    assert_int_equal(member_encode_head(json, sizeof(json) - 1, 0, out, sizeof(out), &used), 0);
    assert_int_equal(used, MEMBER_HEADER_MAX + MEMBER_TAIL_BYTES);
    assert_int_equal(member_parse(out, used, &m), MEMBER_OK);
    assert_int_equal(m.head_json_bytes, MEMBER_HEAD_JSON_MAX);
    assert_int_equal(member_encode_data(codec, &block, out, sizeof(out), &used), -EINVAL);
    block.raw_bytes = 100;
    assert_int_equal(member_encode_data(codec, &block, out, member_bound(100) - 1, &used), -EINVAL);
}

static void test_every_status_has_words(void **state UNUSED)
{
    for (int i = MEMBER_OK; i <= MEMBER_PARTIAL_ROW; i++) {
        assert_true(strlen(member_status_word((enum member_status)i)) > 0);
        assert_true(strlen(member_status_text((enum member_status)i)) > 0);
    }
    assert_string_equal(member_kind_name(MEMBER_LOGS), "logs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout_is_the_contract),
        cmocka_unit_test(test_parse_gives_back_what_was_written),
        cmocka_unit_test(test_clause_1_magic_and_flags),
        cmocka_unit_test(test_clause_1_field),
        cmocka_unit_test(test_clause_1_other_subfields),
        cmocka_unit_test(test_clause_2_head_crc),
        cmocka_unit_test(test_clause_3_member_bytes),
        cmocka_unit_test(test_clause_3_trailer),
        cmocka_unit_test(test_clause_4_payload_crc),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_header_only_asks_for_what_it_needs),
        cmocka_unit_test(test_limits_of_encoding),
        cmocka_unit_test(test_every_status_has_words),
    };

    random_seed();
    return cmocka_run_group_tests(tests, setup, teardown);
}
