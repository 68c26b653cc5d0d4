/* The stand-in's CSV reader: strict, and exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/compiler.h"
#include "tests/adxsim/csv.h"

/* Records as text: fields in <>, a record to a line; the result at the end if it is not the normal one. */
static void render(const char *data, size_t len, struct buf *out)
{
    struct csv csv;
    enum csv_result rc;

    /* At the end of its own block, so that a sanitizer sees any read past it. */
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len)
        memcpy(copy, data, len);
    csv_init(&csv, copy, len);
    while ((rc = csv_next(&csv)) == CSV_RECORD) {
        for (size_t i = 0; i < csv.nfields; i++) {
            buf_putc(out, '<');
            assert_int_equal(buf_append(out, csv.fields[i].text, csv.fields[i].len), 0);
            buf_putc(out, '>');
        }
        buf_putc(out, '|');
    }
    if (rc != CSV_END)
        buf_puts(out, csv_result_text(rc));
    csv_fini(&csv);
    free(copy);
}

static void check(const char *data, size_t len, const char *wanted)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    render(data, len, &out);
    assert_string_equal(buf_text(&out), wanted);
    buf_fini(&out);
}

static void test_records(void **state)
{
    static const struct {
        const char *csv;
        const char *wanted;
    } cases[] = {
        {"", ""},
        {"\n\r\n\n", ""},
        {"a", "<a>|"},
        {"a\n", "<a>|"},
        {"a\r\n", "<a>|"},
        {"a,b\nc,d", "<a><b>|<c><d>|"},
        {",", "<><>|"},
        {",\n,,\n", "<><>|<><><>|"},
        {"a\n\nb\n", "<a>|<b>|"},
        {"\"\"\n", "<>|"},
        {"\"\"", "<>|"},
        {"\"a\"\r\n\"b\"", "<a>|<b>|"},
        {"\"a,b\",c\n", "<a,b><c>|"},
        {"\"a\nb\r\nc\",d\n", "<a\nb\r\nc><d>|"},
        {"\"a\"\"b\"\n", "<a\"b>|"},
        {"\"\"\"\"\n", "<\">|"},
        {"\"\"\"\"\"\",x\n", "<\"\"><x>|"},
        {"\"a\"\"\",\"\"\"b\"\n", "<a\"><\"b>|"},
        {" a , b \n", "< a >< b >|"},
        {"\xef\xbb\xbf"
         "a,b\n",
         "<a><b>|"},
        {"\xc3\xa9,\xe2\x82\xac\n", "<\xc3\xa9><\xe2\x82\xac>|"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(cases[i].csv, strlen(cases[i].csv), cases[i].wanted);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *csv;
        const char *wanted;
    } cases[] = {
        {"\"a", "the closing quote is missing"},
        {"\"", "the closing quote is missing"},
        {"\"a\"\"", "the closing quote is missing"},
        {"a\n\"b,c\nd,e\n", "<a>|the closing quote is missing"},
        {"a\"b\n", "a quote stands where RFC 4180 allows none"},
        {" \"a\"\n", "a quote stands where RFC 4180 allows none"},
        {"\"a\"b\n", "a quote stands where RFC 4180 allows none"},
        {"\"a\" ,b\n", "a quote stands where RFC 4180 allows none"},
        {"a\rb\n", "a carriage return stands alone, outside quotes"},
        {"a,b\r", "a carriage return stands alone, outside quotes"},
        {"\"a\"\rb\n", "a carriage return stands alone, outside quotes"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(cases[i].csv, strlen(cases[i].csv), cases[i].wanted);
}

static void test_nul_bytes_are_data(void **state)
{
    struct csv csv;

    (void)state;
    csv_init(&csv, "a\0b,c\n", 6);
    assert_int_equal(csv_next(&csv), CSV_RECORD);
    assert_int_equal(csv.nfields, 2);
    assert_int_equal(csv.fields[0].len, 3);
    assert_int_equal(csv_next(&csv), CSV_END);
    csv_fini(&csv);
}

static void test_field_limit(void **state)
{
    struct buf data;
    struct csv csv;

    (void)state;
    buf_init(&data, 1 << 20);
    for (int i = 1; i < CSV_FIELDS_MAX; i++)
        buf_putc(&data, ',');
    buf_putc(&data, '\n');
    csv_init(&csv, data.data, data.len);
    assert_int_equal(csv_next(&csv), CSV_RECORD);
    assert_int_equal(csv.nfields, CSV_FIELDS_MAX);
    csv_fini(&csv);
    data.data[data.len - 1] = ',';
    csv_init(&csv, data.data, data.len);
    assert_int_equal(csv_next(&csv), CSV_TOO_MANY_FIELDS);
    csv_fini(&csv);
    buf_fini(&data);
}

/* Whatever is written is read back, byte for byte; also with many unescaped fields in one record. */
static void test_round_trip(void **state)
{
    static const char alphabet[] = "ab,\"\r\n \xff";
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 500; round++) {
        struct buf text, fields[12];
        size_t nfields = 1 + (size_t)(round % 12);
        struct csv csv;

        buf_init(&text, 1 << 20);
        for (size_t i = 0; i < nfields; i++) {
            buf_init(&fields[i], 1 << 16);
            seed = seed * 1103515245 + 12345;
            for (unsigned n = 1 + (seed >> 16) % 200; n; n--) {
                seed = seed * 1103515245 + 12345;
                buf_putc(&fields[i], alphabet[(seed >> 16) % (sizeof alphabet - 1)]);
            }
            if (i)
                buf_putc(&text, ',');
            csv_write_field(&text, fields[i].data, fields[i].len);
        }
        buf_putc(&text, '\n');
        csv_init(&csv, text.data, text.len);
        assert_int_equal(csv_next(&csv), CSV_RECORD);
        assert_int_equal(csv.nfields, nfields);
        for (size_t i = 0; i < nfields; i++) {
            assert_int_equal(csv.fields[i].len, fields[i].len);
            assert_memory_equal(csv.fields[i].text, fields[i].data, fields[i].len);
            buf_fini(&fields[i]);
        }
        assert_int_equal(csv_next(&csv), CSV_END);
        csv_fini(&csv);
        buf_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_nul_bytes_are_data),
        cmocka_unit_test(test_field_limit),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
