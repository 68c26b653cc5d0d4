/* Cutting: however the bytes come in, the same rows go out, in blocks of the right size. sink and refusals
 * are stand-ins here (wrapped): what they are given is noted. */
#include "tests/unit/unit.h"

#include "common/base/buf.h"
#include "walwriter/intake.h"
#include "walwriter/json_rows.h"
#include "walwriter/lines.h"

static struct {
    struct buf rows, refused;
    uint64_t row_count, blocks, largest, bad, bad_line;
    bool is_open;
    int fail_with; /* what sink_give returns */
} noted;

int __wrap_sink_give(struct sink *sink, const void *raw, size_t bytes, uint64_t rows, struct err *err);
int __wrap_sink_give(struct sink *sink, const void *raw, size_t bytes, uint64_t rows, struct err *err)
{
    if (noted.fail_with)
        return err_set(err, noted.fail_with, "as asked");
    noted.blocks++;
    noted.row_count += rows;
    noted.largest = bytes > noted.largest ? bytes : noted.largest;
    /* The press is real: the next block goes to another buffer. */
    press_give(sink->press, &(struct member_block){.raw = raw, .raw_bytes = bytes, .rows = (uint32_t)rows});
    press_wait(sink->press, true);
    assert_non_null(press_take(sink->press));
    press_drop(sink->press);
    return buf_put(&noted.rows, raw, bytes);
}

int __wrap_sink_settle(struct sink *sink, struct err *err);
int __wrap_sink_settle(struct sink *sink, struct err *err)
{
    (void)sink, (void)err;
    return 0;
}

int __wrap_refusals_begin(struct refusals *r, uint64_t line, const char *reason, struct err *err);
int __wrap_refusals_begin(struct refusals *r, uint64_t line, const char *reason, struct err *err)
{
    (void)r, (void)err;
    assert_false(noted.is_open);
    assert_true(*reason);
    noted.is_open = true;
    noted.bad++;
    noted.bad_line = line;
    return 0;
}

int __wrap_refusals_bytes(struct refusals *r, const char *data, size_t bytes, struct err *err);
int __wrap_refusals_bytes(struct refusals *r, const char *data, size_t bytes, struct err *err)
{
    (void)r, (void)err;
    assert_true(noted.is_open);
    return buf_put(&noted.refused, data, bytes);
}

int __wrap_refusals_end(struct refusals *r, struct err *err);
int __wrap_refusals_end(struct refusals *r, struct err *err)
{
    (void)r, (void)err;
    assert_true(noted.is_open);
    noted.is_open = false;
    return 0;
}

int __wrap_refusals_flush(struct refusals *r, struct err *err);
int __wrap_refusals_flush(struct refusals *r, struct err *err)
{
    (void)r, (void)err;
    return 0;
}

static int setup(void **state)
{
    (void)state;
    memset(&noted, 0, sizeof noted);
    buf_init(&noted.rows, 64 << 20);
    buf_init(&noted.refused, 64 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&noted.rows);
    buf_fini(&noted.refused);
    return 0;
}

/* Feed `text` in pieces of `piece` bytes. */
static int feed(const struct settings *settings, const char *text, size_t bytes, size_t piece)
{
    struct intake in;
    struct refusals refusals = {0};
    struct err err;
    struct sink sink = {0};
    assert_int_equal(
        press_new(&sink.press, settings->block_bytes, intake_block_max(settings), COMPRESSION_AUTO), 0);
    intake_init(&in, settings, &sink, &refusals);
    int rc = 0;
    for (size_t at = 0, n; rc == 0 && at < bytes; at += n) {
        size_t room;
        char *to = intake_room(&in, &room);
        n = bytes - at < piece ? bytes - at : piece;
        n = n < room ? n : room;
        memcpy(to, text + at, n);
        rc = intake_take(&in, n, &err);
    }
    if (rc == 0)
        rc = intake_finish(&in, &err);
    press_free(sink.press);
    return rc;
}

static struct settings settings_of(enum segment_format format, size_t block, size_t row_max)
{
    return (struct settings){
        .origin.format = format, .block_bytes = block, .row_max_bytes = row_max, .flush_interval_ms = 1000};
}

/* Feed it in every size of piece that matters; each must give the same. */
static void check(const struct settings *settings, const char *text, const char *rows, const char *refused,
                  uint64_t bad_line)
{
    static const size_t pieces[] = {1, 2, 3, 7, 63, 64, 65, 1000, 1 << 20};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        teardown(NULL);
        setup(NULL);
        assert_int_equal(feed(settings, text, strlen(text), pieces[i]), 0);
        assert_string_equal(noted.rows.data ? noted.rows.data : "", rows);
        assert_string_equal(noted.refused.data ? noted.refused.data : "", refused);
        assert_int_equal(noted.bad_line, bad_line);
        assert_false(noted.is_open);
    }
}

static void rows_go_out_as_they_came(void **state)
{
    (void)state;
    struct settings s = settings_of(SEGMENT_CSV, 64, 64);
    check(&s, "", "", "", 0);
    check(&s, "a", "a\n", "", 0);
    check(&s, "a\n\n\r\nb\r\n\n", "a\nb\r\n", "", 0);
    check(&s, "\n\r", "", "", 0);
    check(&s, "a,\"x\n\ny\"\nb", "a,\"x\n\ny\"\nb\n", "", 0);
}

static void an_open_quote_is_refused(void **state)
{
    (void)state;
    struct settings s = settings_of(SEGMENT_CSV, 4096, 4096);
    check(&s, "a\nb,\"c\nd\n", "a\n", "b,\"c\nd\n", 2);
    check(&s, "a,\"\n\"\nb\n\"", "a,\"\n\"\nb\n", "\"", 4);
}

static void a_long_row_is_refused_and_its_neighbours_are_not(void **state)
{
    (void)state;
    char row[2000], text[4000], refused[2100];
    struct settings s = settings_of(SEGMENT_CSV, 256, 100);
    memset(row, 'x', sizeof row - 1);
    row[sizeof row - 1] = '\0';
    snprintf(refused, sizeof refused, "%s\n", row);
    snprintf(text, sizeof text, "a\n\nb\n%s\nc\nd", row);
    check(&s, text, "a\nb\nc\nd\n", refused, 4);
    /* As long as is allowed, and one more. */
    row[99] = '\0';
    snprintf(text, sizeof text, "a\n%s\nb\n", row);
    check(&s, text, text, "", 0);
    row[99] = 'x';
    row[100] = '\0';
    snprintf(refused, sizeof refused, "%s\n", row);
    snprintf(text, sizeof text, "a\n%s\nb\n", row);
    check(&s, text, "a\nb\n", refused, 2);
    /* At the very end, with and without its \n. */
    snprintf(text, sizeof text, "a\n%s\n", row);
    check(&s, text, "a\n", refused, 2);
}

static void json_lines_are_checked_one_by_one(void **state)
{
    (void)state;
    struct settings s = settings_of(SEGMENT_JSON, 4096, 4096);
    check(&s, "{\"a\":1}\n\n[1]\n {} \nx\n{\"b\":\"\\u0000\"}", "{\"a\":1}\n {} \n{\"b\":\"\\u0000\"}\n",
          "[1]\nx\n", 5);
    check(&s, "{\"a\":1} {}\n", "", "{\"a\":1} {}\n", 1);
    check(&s, "{\"a\":\"\xff\"}\n{}\n", "{}\n", "{\"a\":\"\xff\"}\n", 1);
}

static void blocks_have_the_size_they_should(void **state)
{
    (void)state;
    enum { ROWS = 20000 };
    struct buf text;
    struct settings s = settings_of(SEGMENT_CSV, 4096, 16384);
    buf_init(&text, 1 << 24);
    for (unsigned i = 0; i < ROWS; i++)
        assert_int_equal(buf_printf(&text, "%u,%.*s\n", i, (int)(i * 7 % 150),
                                    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
                                    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
                                    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyy"),
                         0);
    assert_int_equal(feed(&s, text.data, text.len, 1 << 20), 0);
    assert_int_equal(noted.row_count, ROWS);
    assert_true(noted.largest <= 4096);
    assert_int_equal(noted.rows.len, text.len);
    assert_memory_equal(noted.rows.data, text.data, text.len);
    /* Full: less than a row is missing in each. */
    assert_true(noted.blocks <= text.len / (4096 - 160) + 1);
    buf_fini(&text);
}

static void what_the_sink_refuses_ends_it(void **state)
{
    (void)state;
    struct settings s = settings_of(SEGMENT_CSV, 64, 64);
    noted.fail_with = -EDQUOT;
    assert_int_equal(feed(&s, "a\nb\n", 4, 4), -EDQUOT);
}

static void lines_are_counted(void **state)
{
    (void)state;
    static char text[20000];
    for (size_t bytes = 0; bytes < 200; bytes++) {
        memset(text, 'x', sizeof text);
        assert_int_equal(lines_count(text, bytes), 0);
        memset(text, '\n', sizeof text);
        assert_int_equal(lines_count(text, bytes), bytes);
    }
    assert_int_equal(lines_count(text, sizeof text), sizeof text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(rows_go_out_as_they_came),
        TEST(an_open_quote_is_refused),
        TEST(a_long_row_is_refused_and_its_neighbours_are_not),
        TEST(json_lines_are_checked_one_by_one),
        TEST(blocks_have_the_size_they_should),
        TEST(what_the_sink_refuses_ends_it),
        TEST(lines_are_counted),
    };
    return cmocka_run_group_tests_name("walwriter/intake", tests, NULL, NULL);
}
