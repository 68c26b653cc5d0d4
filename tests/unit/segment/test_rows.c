#include "tests/unit/segment/segment_test.h"

#include "common/segment/rows.h"
#include "common/segment/rows_mask.h"

/* --- the reference: one byte at a time, nothing clever ---------------------------------------------- */

struct expected {
    bool in_quotes, may_open;
    size_t row_bytes, end, rows, blank;
    char last;
};

static void reference(struct expected *e, enum segment_format format, const char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        char c = data[i];
        bool is_end = false;
        e->row_bytes++;
        if (format == SEGMENT_JSON) {
            is_end = c == '\n';
        } else if (e->in_quotes) {
            if (c == '"') {
                e->in_quotes = false;
                e->may_open = true;
            }
        } else if (c == '"' && e->may_open) {
            e->in_quotes = true;
        } else {
            is_end = c == '\n';
            e->may_open = c == '\n' || c == ',';
        }
        if (is_end) {
            bool is_blank = e->row_bytes == 1 || (e->row_bytes == 2 && e->last == '\r');
            e->blank += is_blank;
            e->rows += !is_blank;
            e->end = i + 1;
            e->row_bytes = 0;
        }
        e->last = c;
    }
}

static void check_scan(struct rows_scanner *s, struct expected *e, const char *data, size_t bytes)
{
    struct rows_found found;

    e->end = e->rows = e->blank = 0;
    reference(e, s->format, data, bytes);
    assert_int_equal(rows_scan(s, data, bytes, &found), ROWS_OK);
    assert_int_equal(found.end, e->end);
    assert_int_equal(found.rows, e->rows);
    assert_int_equal(found.blank, e->blank);
    assert_int_equal(found.scanned, bytes);
    assert_int_equal(s->row_bytes, e->row_bytes);
    assert_int_equal(rows_end(s), e->row_bytes == 0 ? ROWS_OK : e->in_quotes ? ROWS_OPEN_QUOTE : ROWS_OPEN);
}

/* Bytes from a small alphabet, so that each sequence of special ones is met. */
static void fill_alphabet(char *out, size_t bytes, const char *alphabet)
{
    size_t n = strlen(alphabet);

    for (size_t i = 0; i < bytes; i++)
        out[i] = alphabet[random_below(n)];
}

static void test_equals_reference_on_random_input(void **state UNUSED)
{
    static const char *const alphabets[] = {"\"",
                                            "\"\n",
                                            "\",\n",
                                            "\",\r\na",
                                            "a\n",
                                            "a,\"\"\"\r\n\n",
                                            "\r\n",
                                            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,\n",
                                            "\"aaaaaaaaaaaaaaaaaaaaaaaaaa\n,b"};
    char data[1024];

    for (int round = 0; round < 20000; round++) {
        enum segment_format format = round % 8 == 0 ? SEGMENT_JSON : SEGMENT_CSV;
        struct rows_scanner s;
        struct expected e = {.may_open = true};
        size_t bytes = random_below(sizeof(data)), at = 0;
        fill_alphabet(data, bytes, alphabets[random_below(ARRAY_LEN(alphabets))]);
        rows_init(&s, format, SIZE_MAX / 2);
        while (at < bytes) { /* in pieces of any length */
            size_t piece = 1 + random_below(round % 2 ? 300 : 70);
            if (piece > bytes - at)
                piece = bytes - at;
            check_scan(&s, &e, data + at, piece);
            at += piece;
        }
    }
}

ROWS_AVX2 static uint64_t mask_by_avx2(const char *data)
{
    return rows_mask_avx2(data, '\n');
}

static void test_masks_are_equal(void **state UNUSED)
{
    char data[ROWS_GROUP_BYTES];

    for (int round = 0; round < 20000; round++) {
        uint64_t expected = 0;
        random_fill((uint8_t *)data, sizeof(data));
        for (size_t i = 0; i < sizeof(data); i++) {
            if (random_below(3) == 0)
                data[i] = (char)('\n' + (int)random_below(3) - 1);
            expected |= (uint64_t)(data[i] == '\n') << i;
        }
        assert_true(rows_mask_of(data, '\n') == expected);
        assert_true(rows_mask_portable(data, '\n') == expected);
        if (ROWS_HAS_AVX2())
            assert_true(mask_by_avx2(data) == expected);
    }
}

static void check_text(enum segment_format format, const char *text, uint64_t rows, uint64_t blank,
                       size_t end, enum rows_status at_end)
{
    /* At each offset in a group of 64, behind one long row. */
    for (size_t shift = 1; shift < 130; shift++) {
        char data[512];
        size_t bytes = strlen(text);
        struct rows_scanner s;
        struct rows_found found;
        memset(data, 'x', shift);
        data[shift - 1] = '\n';
        memcpy(data + shift, text, bytes);
        rows_init(&s, format, SIZE_MAX / 2);
        assert_int_equal(rows_scan(&s, data, shift + bytes, &found), ROWS_OK);
        assert_int_equal(found.rows + found.blank, rows + blank + 1);
        assert_int_equal(found.blank, blank + (shift == 1));
        assert_int_equal(found.end, end + shift);
        assert_int_equal(rows_end(&s), at_end);
    }
}

static void test_csv_rows(void **state UNUSED)
{
    check_text(SEGMENT_CSV, "a,b\nc,d\n", 2, 0, 8, ROWS_OK);
    check_text(SEGMENT_CSV, "a,\"b\nc\",d\n", 1, 0, 10, ROWS_OK);
    check_text(SEGMENT_CSV, "\"a\"\"\n\"\"b\",d\r\ne\n", 2, 0, 15, ROWS_OK);
    check_text(SEGMENT_CSV, "\"\",\"\"\n\"\"\"\"\n", 2, 0, 11, ROWS_OK);
    check_text(SEGMENT_CSV, "a\"b\nc\"d\n", 2, 0, 8, ROWS_OK);  /* quotes inside plain fields are plain */
    check_text(SEGMENT_CSV, "\"a\"b\"\nc\n", 2, 0, 8, ROWS_OK); /* and behind a closed part */
    check_text(SEGMENT_CSV, "a,b", 0, 0, 0, ROWS_OPEN);
    check_text(SEGMENT_CSV, "a\nb,\"c\n", 1, 0, 2, ROWS_OPEN_QUOTE);
    check_text(SEGMENT_CSV, "a\nb,\"c\"", 1, 0, 2, ROWS_OPEN);
    check_text(SEGMENT_CSV, ",\n", 1, 0, 2, ROWS_OK);
    check_text(SEGMENT_CSV, "\"\"\n", 1, 0, 3, ROWS_OK); /* one empty field is a row */
    check_text(SEGMENT_JSON, "{\"a\":\"b\"}\n{\"a\n", 2, 0, 14, ROWS_OK);
}

static void test_blank_lines_are_no_rows(void **state UNUSED)
{
    check_text(SEGMENT_CSV, "\n", 0, 1, 1, ROWS_OK);
    check_text(SEGMENT_CSV, "\r\n", 0, 1, 2, ROWS_OK);
    check_text(SEGMENT_CSV, "\r\n\r\n\n\n\r\n", 0, 5, 8, ROWS_OK);
    check_text(SEGMENT_CSV, "a\n\nb\n\r\nc\r\n\r\n", 3, 3, 12, ROWS_OK);
    check_text(SEGMENT_CSV, "x\n\ny\n", 2, 1, 5, ROWS_OK);
    check_text(SEGMENT_CSV, " \n", 1, 0, 2, ROWS_OK);
    check_text(SEGMENT_CSV, "\"\n\n\r\n\"\n", 1, 0, 7, ROWS_OK); /* inside quotes they are content */
    check_text(SEGMENT_CSV, "\r\r\n", 1, 0, 3, ROWS_OK);
    check_text(SEGMENT_JSON, "{}\n\n{}\n\r\n", 2, 2, 9, ROWS_OK);
}

static void test_drop_blank(void **state UNUSED)
{
    char text[] = "\n\r\na,\"\n\n\"\n\n\nb\r\n\r\n\rc\n";
    size_t left = rows_drop_blank(SEGMENT_CSV, text, strlen(text));

    assert_int_equal(left, strlen("a,\"\n\n\"\nb\r\n\rc\n"));
    assert_memory_equal(text, "a,\"\n\n\"\nb\r\n\rc\n", left);
    for (int round = 0; round < 3000; round++) {
        char data[300];
        uint64_t rows, rows_left;
        struct rows_scanner s;
        struct rows_found found;
        fill_alphabet(data, sizeof(data), round % 2 ? "\"\n\ra,\n" : "\n\ra");
        rows_init(&s, SEGMENT_CSV, SIZE_MAX / 2);
        assert_int_equal(rows_scan(&s, data, sizeof(data), &found), ROWS_OK);
        if (found.end == 0)
            continue;
        assert_true(rows_count(SEGMENT_CSV, data, found.end, &rows));
        left = rows_drop_blank(SEGMENT_CSV, data, found.end);
        rows_init(&s, SEGMENT_CSV, SIZE_MAX / 2);
        assert_int_equal(rows_scan(&s, data, left, &found), ROWS_OK);
        assert_int_equal(found.blank, 0);
        assert_true(rows_count(SEGMENT_CSV, data, left, &rows_left));
        assert_int_equal(rows_left, rows);
    }
}

/* A row of row_bytes behind `before` rows of 10 bytes; row_max 100. */
static void check_too_long(size_t before, size_t row_bytes, size_t piece)
{
    char data[2000];
    size_t bytes = 0, start = before * 10, at = 0, end = 0;
    struct rows_scanner s;
    struct rows_found found;
    enum rows_status status = ROWS_OK;

    for (; bytes < start; bytes += 10)
        memcpy(data + bytes, "012345678\n", 10);
    memset(data + bytes, 'x', row_bytes - 1);
    bytes += row_bytes;
    data[bytes - 1] = '\n';
    memcpy(data + bytes, "next\n", 5);
    bytes += 5;

    rows_init(&s, SEGMENT_CSV, 100);
    while (at < bytes && status == ROWS_OK) {
        size_t n = piece < bytes - at ? piece : bytes - at;
        status = rows_scan(&s, data + at, n, &found);
        if (found.end > 0)
            end = at + found.end;
        at += found.scanned;
    }
    if (row_bytes <= 100) {
        assert_int_equal(status, ROWS_OK);
        assert_int_equal(end, bytes);
        return;
    }
    assert_int_equal(status, ROWS_TOO_LONG);
    assert_int_equal(end, start);
    assert_int_equal(at - s.row_bytes, start);
    size_t skipped = rows_skip(&s, data + at, bytes - at);
    assert_int_equal(at + skipped, start + row_bytes);
    assert_int_equal(s.row_bytes, 0);
    at += skipped;
    assert_int_equal(rows_scan(&s, data + at, bytes - at, &found), ROWS_OK);
    assert_int_equal(found.end, 5);
    assert_int_equal(found.rows, 1);
}

static void test_too_long(void **state UNUSED)
{
    static const size_t pieces[] = {1, 7, 63, 64, 65, 100, 128, 2000};
    static const size_t lengths[] = {64, 99, 100, 101, 127, 128, 129, 164, 200, 500};

    for (size_t before = 0; before < 14; before++)
        for (size_t l = 0; l < ARRAY_LEN(lengths); l++)
            for (size_t p = 0; p < ARRAY_LEN(pieces); p++)
                check_too_long(before, lengths[l], pieces[p]);
}

static void test_skip_inside_quotes(void **state UNUSED)
{
    char data[400];
    struct rows_scanner s;
    struct rows_found found;

    memset(data, 'x', sizeof(data));
    memcpy(data, "ok\n\"", 4);
    data[50] = data[200] = '\n'; /* content */
    data[300] = '"';
    data[310] = '\n';
    memcpy(data + 390, "\n", 1);
    rows_init(&s, SEGMENT_CSV, 100);
    assert_int_equal(rows_scan(&s, data, sizeof(data), &found), ROWS_TOO_LONG);
    assert_int_equal(found.end, 3);
    assert_int_equal(rows_skip(&s, data + found.scanned, sizeof(data) - found.scanned), 311 - found.scanned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_reference_on_random_input),
        cmocka_unit_test(test_masks_are_equal),
        cmocka_unit_test(test_csv_rows),
        cmocka_unit_test(test_blank_lines_are_no_rows),
        cmocka_unit_test(test_drop_blank),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_skip_inside_quotes),
    };

    random_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
