/* Ingested text to typed values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/compiler.h"
#include "tests/adxsim/coerce.h"

static const char *shown(const struct value *v, char text[static 600])
{
    switch (v->kind) {
    case VALUE_NULL:
        return "null";
    case VALUE_INTEGER:
        (void)snprintf(text, 600, "%lld", (long long)v->integer);
        break;
    case VALUE_REAL:
        (void)snprintf(text, 600, "%.17g", v->real);
        break;
    case VALUE_TEXT:
        (void)snprintf(text, 600, "'%.*s'", (int)v->len, v->text);
        break;
    }
    return text;
}

static const struct {
    enum kusto_type type;
    const char *text;
    const char *wanted;
} cases[] = {
    {TYPE_STRING, "", "''"},
    {TYPE_STRING, " x ", "' x '"},
    {TYPE_LONG, "", "null"},
    {TYPE_LONG, "0", "0"},
    {TYPE_LONG, "-0", "0"},
    {TYPE_LONG, "+7", "7"},
    {TYPE_LONG, "007", "7"},
    {TYPE_LONG, "9223372036854775807", "9223372036854775807"},
    {TYPE_LONG, "9223372036854775808", "null"},
    {TYPE_LONG, "-9223372036854775808", "-9223372036854775808"},
    {TYPE_LONG, "-9223372036854775809", "null"},
    {TYPE_LONG, "99999999999999999999999", "null"},
    {TYPE_LONG, "1.0", "null"},
    {TYPE_LONG, "1e3", "null"},
    {TYPE_LONG, " 1", "null"},
    {TYPE_LONG, "-", "null"},
    {TYPE_LONG, "12a", "null"},
    {TYPE_INT, "2147483647", "2147483647"},
    {TYPE_INT, "2147483648", "null"},
    {TYPE_INT, "-2147483648", "-2147483648"},
    {TYPE_INT, "-2147483649", "null"},
    {TYPE_BOOL, "true", "1"},
    {TYPE_BOOL, "FALSE", "0"},
    {TYPE_BOOL, "1", "1"},
    {TYPE_BOOL, "0", "0"},
    {TYPE_BOOL, "2", "null"},
    {TYPE_BOOL, "yes", "null"},
    {TYPE_REAL, "1.5", "1.5"},
    {TYPE_REAL, "-.5", "-0.5"},
    {TYPE_REAL, "5.", "5"},
    {TYPE_REAL, "1e3", "1000"},
    {TYPE_REAL, "1E-2", "0.01"},
    {TYPE_REAL, "0.1", "0.10000000000000001"},
    {TYPE_REAL, "NaN", "'NaN'"},
    {TYPE_REAL, "inf", "inf"},
    {TYPE_REAL, "-Infinity", "-inf"},
    {TYPE_REAL, "1e", "null"},
    {TYPE_REAL, "0x10", "null"},
    {TYPE_REAL, ".", "null"},
    {TYPE_REAL, "1,5", "null"},
    {TYPE_REAL, "1 ", "null"},
    {TYPE_DECIMAL, "0.10", "'0.10'"},
    {TYPE_DECIMAL, "12345678901234567890123456789012.34", "'12345678901234567890123456789012.34'"},
    {TYPE_DECIMAL, "123456789012345678901234567890123.45", "null"},
    {TYPE_DECIMAL, "x", "null"},
    {TYPE_GUID, "74BE27DE-1E4E-49D9-B579-FE0B331D3642", "'74be27de-1e4e-49d9-b579-fe0b331d3642'"},
    {TYPE_GUID, "74be27de1e4e49d9b579fe0b331d3642", "'74be27de-1e4e-49d9-b579-fe0b331d3642'"},
    {TYPE_GUID, "{74be27de-1e4e-49d9-b579-fe0b331d3642}", "'74be27de-1e4e-49d9-b579-fe0b331d3642'"},
    {TYPE_GUID, "74be27de-1e4e-49d9-b579-fe0b331d364", "null"},
    {TYPE_GUID, "74be27de-1e4e-49d9-b579-fe0b331d364g", "null"},
    {TYPE_GUID, "74be27de01e4e049d90b5790fe0b331d3642", "null"},
    {TYPE_DATETIME, "2024-02-29", "'2024-02-29T00:00:00Z'"},
    {TYPE_DATETIME, "2023-02-29", "null"},
    {TYPE_DATETIME, "1900-02-29", "null"},
    {TYPE_DATETIME, "2024-01-02T03:04:05Z", "'2024-01-02T03:04:05Z'"},
    {TYPE_DATETIME, "2024-01-02 03:04", "'2024-01-02T03:04:00Z'"},
    {TYPE_DATETIME, "2024-01-02T03:04:05.1200", "'2024-01-02T03:04:05.1200Z'"},
    {TYPE_DATETIME, "2024-01-02T03:04:05.123456789Z", "'2024-01-02T03:04:05.1234567Z'"},
    {TYPE_DATETIME, "2024-01-01T00:30:00+01:00", "'2023-12-31T23:30:00Z'"},
    {TYPE_DATETIME, "2023-12-31T23:30:00.5-01:00", "'2024-01-01T00:30:00.5Z'"},
    {TYPE_DATETIME, "2024-03-01T00:00:00+00:01", "'2024-02-29T23:59:00Z'"},
    {TYPE_DATETIME, "0001-01-01T00:00:00+01:00", "null"},
    {TYPE_DATETIME, "9999-12-31T23:59:59-01:00", "null"},
    {TYPE_DATETIME, "0000-01-01", "null"},
    {TYPE_DATETIME, "2024-13-01", "null"},
    {TYPE_DATETIME, "2024-01-00", "null"},
    {TYPE_DATETIME, "2024-01-01T24:00:00Z", "null"},
    {TYPE_DATETIME, "2024-01-01T00:60:00Z", "null"},
    {TYPE_DATETIME, "2024-01-01T00:00:60Z", "null"},
    {TYPE_DATETIME, "2024-01-01T00:00:00.Z", "null"},
    {TYPE_DATETIME, "2024-01-01T00:00:00Zx", "null"},
    {TYPE_DATETIME, "2024-01-01T", "null"},
    {TYPE_DATETIME, "1704067200", "null"},
    {TYPE_TIMESPAN, "01:02:03", "'01:02:03'"},
    {TYPE_TIMESPAN, "1:2", "'01:02:00'"},
    {TYPE_TIMESPAN, "-1.02:03:04.5", "'-1.02:03:04.5'"},
    {TYPE_TIMESPAN, "24:00:00", "null"},
    {TYPE_TIMESPAN, "01:60:00", "null"},
    {TYPE_TIMESPAN, "1d", "null"},
    {TYPE_TIMESPAN, "5", "null"},
    {TYPE_DYNAMIC, "", "null"},
    {TYPE_DYNAMIC, "{\"a\": 1}", "'{\"a\": 1}'"},
    {TYPE_DYNAMIC, "[1,2", "'\"[1,2\"'"},
    {TYPE_DYNAMIC, "12345678901234567890", "'12345678901234567890'"},
    {TYPE_DYNAMIC, "\"s\"", "'\"s\"'"},
    {TYPE_DYNAMIC, "plain", "'\"plain\"'"},
    {TYPE_DYNAMIC, "\xff", "null"},
};

static void test_values(void **state)
{
    struct buf scratch;

    (void)state;
    buf_init(&scratch, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct value v;
        char text[600];
        size_t len = strlen(cases[i].text);
        char *copy = malloc(len ? len : 1); /* not terminated, as in a body */

        assert_non_null(copy);
        memcpy(copy, cases[i].text, len);
        coerce_text(cases[i].type, copy, len, &v, &scratch);
        if (strcmp(shown(&v, text), cases[i].wanted) != 0)
            fail_msg("%s '%s': %s instead of %s", type_name(cases[i].type), cases[i].text, shown(&v, text),
                     cases[i].wanted);
        free(copy);
    }
    buf_fini(&scratch);
}

static void test_nothing_is_null_except_for_strings(void **state)
{
    struct value v;
    struct buf scratch;

    (void)state;
    buf_init(&scratch, 16);
    for (unsigned t = 0; t < TYPES; t++) {
        coerce_text((enum kusto_type)t, NULL, 0, &v, &scratch);
        assert_int_equal(v.kind, t == TYPE_STRING ? VALUE_TEXT : VALUE_NULL);
    }
}

static void test_type_names(void **state)
{
    enum kusto_type type;

    (void)state;
    for (unsigned t = 0; t < TYPES; t++) {
        assert_int_equal(type_parse(type_name((enum kusto_type)t), &type), 0);
        assert_int_equal(type, t);
    }
    assert_int_equal(type_parse("double", &type), 0);
    assert_int_equal(type, TYPE_REAL);
    assert_int_equal(type_parse("uniqueid", &type), 0);
    assert_int_equal(type, TYPE_GUID);
    assert_true(type_parse("String", &type) < 0);
    assert_true(type_parse("", &type) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_nothing_is_null_except_for_strings),
        cmocka_unit_test(test_type_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
