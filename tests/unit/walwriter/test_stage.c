/* Rows of a body in memory: every way to cut the same body into pieces gives the same rows, bad rows and
 * numbers. */
#include "tests/unit/unit.h"

#include "walwriter/body.h"

enum { ROW_MAX = 100, OUT_MAX = 4 << 20 };

static struct memory memory;

struct outcome {
    enum body_status status;
    char *good, *bad;
    size_t good_bytes, bad_bytes;
    uint64_t rows, bad_rows;
    json_t *faults;
    struct fault fault;
};

static void take(struct stage *stage, struct outcome *out)
{
    memcpy(out->good + out->good_bytes, stage->good.data, stage->checked);
    out->good_bytes += stage->checked;
    if (stage->bad.fill > 0)
        memcpy(out->bad + out->bad_bytes, stage->bad.data, stage->bad.fill);
    out->bad_bytes += stage->bad.fill;
    out->rows += stage->rows;
    out->bad_rows += stage->bad_rows;
    if (stage->faults.list)
        json_array_extend(out->faults, stage->faults.list);
    stage_next(stage);
}

static enum body_status hand_on(struct stage *stage, struct outcome *out)
{
    enum stage_status status = stage_check(stage);
    if (status == STAGE_OK)
        take(stage, out);
    return status == STAGE_OK ? BODY_OK : status == STAGE_BAD ? BODY_BAD_ROW : BODY_NO_MEMORY;
}

/* Feed `text` in pieces of `piece` bytes. */
static struct outcome feed(enum segment_format format, bool is_partial, enum body_encoding encoding,
                           const char *text, size_t bytes, size_t piece)
{
    struct stage stage;
    struct body body;
    struct outcome out = {.good = malloc(OUT_MAX), .bad = malloc(OUT_MAX), .faults = json_array()};
    memory = (struct memory){.limit = 64 << 20};
    assert_int_equal(stage_init(&stage, &memory, format, ROW_MAX, is_partial, 0), STAGE_OK);
    assert_int_equal(body_init(&body, &stage, encoding, 16 << 20), BODY_OK);
    for (size_t at = 0; at < bytes && out.status == BODY_OK;) {
        size_t given = bytes - at < piece ? bytes - at : piece, left = given;
        out.status = body_take(&body, text + at, &left);
        at += given - left;
        if (out.status == BODY_FULL)
            out.status = hand_on(&stage, &out);
    }
    while (out.status == BODY_OK && (out.status = body_finish(&body)) == BODY_FULL)
        out.status = hand_on(&stage, &out);
    if (out.status == BODY_OK)
        out.status = hand_on(&stage, &out);
    out.fault = stage.fault;
    body_fini(&body);
    stage_fini(&stage);
    assert_int_equal(atomic_load(&memory.used), 0);
    return out;
}

static void drop(struct outcome *out)
{
    free(out->good);
    free(out->bad);
    json_decref(out->faults);
}

static void check(enum segment_format format, const char *text, const char *good, const char *bad,
                  const char *lines)
{
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        struct outcome out = feed(format, true, BODY_IDENTITY, text, strlen(text), piece);
        char found[256] = "";
        size_t i;
        json_t *one;
        assert_int_equal(out.status, BODY_OK);
        json_array_foreach (out.faults, i, one)
            snprintf(found + strlen(found), sizeof found - strlen(found), "%lld/%lld ",
                     json_integer_value(json_object_get(one, "row")),
                     json_integer_value(json_object_get(one, "line")));
        assert_string_equal(found, lines);
        assert_int_equal(out.good_bytes, strlen(good));
        assert_memory_equal(out.good, good, out.good_bytes);
        assert_int_equal(out.bad_bytes, strlen(bad));
        assert_memory_equal(out.bad, bad, out.bad_bytes);
        assert_int_equal(out.bad_rows, json_array_size(out.faults));
        drop(&out);
    }
}

#define LONG_ROW \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345\n"

static void pieces_make_no_difference(void **state)
{
    (void)state;
    check(SEGMENT_CSV, "a\nb\n", "a\nb\n", "", "");
    check(SEGMENT_CSV, "\na\r\n\r\n\nb", "a\r\nb\n", "", "");
    check(SEGMENT_CSV, "a\n\"x\ny\"\n" LONG_ROW "b\n", "a\n\"x\ny\"\nb\n", LONG_ROW, "3/4 ");
    check(SEGMENT_CSV, LONG_ROW LONG_ROW "b\nc,\"open\nd", "b\n", LONG_ROW LONG_ROW "c,\"open\nd\n",
          "1/1 2/2 4/4 ");
    check(SEGMENT_JSON, "{}\n\nx\n{\"a\":1}\n[]\n" LONG_ROW "{\"b\":2}\n1", "{}\n{\"a\":1}\n{\"b\":2}\n",
          "x\n[]\n" LONG_ROW "1\n", "2/3 4/5 5/6 7/8 ");
}

static void without_partial_the_first_bad_row_ends_it(void **state)
{
    (void)state;
    static const char text[] = "{}\n\n{}\nbad\n{}\nworse\n";
    for (size_t piece = 1; piece < sizeof text; piece++) {
        struct outcome out = feed(SEGMENT_JSON, false, BODY_IDENTITY, text, sizeof text - 1, piece);
        assert_int_equal(out.status, BODY_BAD_ROW);
        assert_int_equal(out.fault.row, 3);
        assert_int_equal(out.fault.line, 4);
        drop(&out);
    }
}

static char *make_rows(unsigned rows, size_t *bytes)
{
    char *text = malloc((size_t)rows * 12);
    *bytes = 0;
    for (unsigned i = 0; i < rows; i++)
        *bytes += (size_t)snprintf(text + *bytes, 12, "%u\n", i);
    return text;
}

static void large_bodies_come_through_in_pieces(void **state)
{
    (void)state;
    size_t bytes;
    char *text = make_rows(400000, &bytes);
    static const size_t pieces[] = {777, 65536, 1 << 20, 3 << 20};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct outcome out = feed(SEGMENT_CSV, false, BODY_IDENTITY, text, bytes, pieces[i]);
        assert_int_equal(out.status, BODY_OK);
        assert_int_equal(out.rows, 400000);
        assert_int_equal(out.good_bytes, bytes);
        assert_memory_equal(out.good, text, bytes);
        drop(&out);
    }
    free(text);
}

/* Two members, as gzip writes them. */
static char *compress_twice(const char *text, size_t bytes, size_t *out_bytes)
{
    size_t room = bytes + 4096;
    char *out = malloc(room);
    *out_bytes = 0;
    for (unsigned half = 0; half < 2; half++) {
        z_stream z = {0};
        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = (const Bytef *)text + (half ? bytes / 2 : 0);
        z.avail_in = (uInt)(half ? bytes - bytes / 2 : bytes / 2);
        z.next_out = (Bytef *)out + *out_bytes;
        z.avail_out = (uInt)(room - *out_bytes);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        *out_bytes += z.total_out;
        deflateEnd(&z);
    }
    return out;
}

static void gzip_is_undone_and_must_be_whole(void **state)
{
    (void)state;
    size_t bytes, coded_bytes;
    char *text = make_rows(300000, &bytes), *coded = compress_twice(text, bytes, &coded_bytes);
    static const size_t pieces[] = {101, 65536, 4 << 20};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct outcome out = feed(SEGMENT_CSV, false, BODY_GZIP, coded, coded_bytes, pieces[i]);
        assert_int_equal(out.status, BODY_OK);
        assert_int_equal(out.good_bytes, bytes);
        assert_memory_equal(out.good, text, bytes);
        drop(&out);
        out = feed(SEGMENT_CSV, false, BODY_GZIP, coded, coded_bytes - 1, pieces[i]);
        assert_int_equal(out.status, BODY_NOT_GZIP);
        drop(&out);
    }
    struct outcome out = feed(SEGMENT_CSV, false, BODY_GZIP, "", 0, 1);
    assert_int_equal(out.status, BODY_NOT_GZIP);
    drop(&out);
    free(coded);
    free(text);
}

static void limits_hold(void **state)
{
    (void)state;
    struct stage stage;
    struct body body;
    size_t room, bytes;
    enum body_encoding encoding;
    memory = (struct memory){.limit = 100000};
    assert_int_equal(stage_init(&stage, &memory, SEGMENT_CSV, ROW_MAX, false, 200000), STAGE_NO_MEMORY);
    stage_fini(&stage);
    assert_int_equal(stage_init(&stage, &memory, SEGMENT_CSV, ROW_MAX, false, 0), STAGE_OK);
    assert_int_equal(body_init(&body, &stage, BODY_IDENTITY, 10), BODY_OK);
    bytes = 11;
    assert_int_equal(body_take(&body, "1\n2\n3\n4\n5\n6", &bytes), BODY_TOO_LARGE);
    char *text = make_rows(100000, &bytes);
    body.max_bytes = 1 << 20;
    assert_int_equal(body_take(&body, text, &bytes), BODY_NO_MEMORY);
    assert_true(atomic_load(&memory.used) <= memory.limit);
    (void)stage_room(&stage, &room);
    assert_int_equal(room, 0);
    stage_fini(&stage);
    free(text);
    assert_int_equal(body_encoding_of(NULL, &encoding), 0);
    assert_int_equal(body_encoding_of("GZip", &encoding), 0);
    assert_int_equal(encoding, BODY_GZIP);
    assert_int_equal(body_encoding_of("gzip, br", &encoding), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_make_no_difference),
        cmocka_unit_test(without_partial_the_first_bad_row_ends_it),
        cmocka_unit_test(large_bodies_come_through_in_pieces),
        cmocka_unit_test(gzip_is_undone_and_must_be_whole),
        cmocka_unit_test(limits_hold),
    };
    return cmocka_run_group_tests_name("walwriter/stage", tests, NULL, NULL);
}
