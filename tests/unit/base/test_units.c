#include "tests/unit/unit.h"

#include "common/base/units.h"

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"0", 0},          {"4096", 4096},       {"512B", 512},         {"1K", 1024},
                {"1.5M", 1572864}, {"20G", 21474836480}, {"2T", 2199023255552}, {"64MiB", 67108864},
                {"1k", 1024}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t bytes = -1;
        assert_int_equal(units_parse_size(good[i].text, &bytes), 0);
        assert_int_equal(bytes, good[i].bytes);
    }
    static const char *const bad[] = {"",    "-1",   "+1",  " 1",  "1 M", "K",  "1X",
                                      "1e3", "0x10", "nan", "inf", "1.",  ".5", "1M1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t bytes;
        assert_int_equal(units_parse_size(bad[i], &bytes), -EINVAL);
    }
    int64_t bytes;
    assert_int_equal(units_parse_size("99999999999T", &bytes), -ERANGE);
}

static void times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0", 0},        {"250ms", 250},  {"30s", 30000},
                {"1.5m", 90000}, {"2h", 7200000}, {"7d", 604800000}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t ms = -1;
        assert_int_equal(units_parse_time(good[i].text, &ms), 0);
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {"30", "s", "-1s", "1w", "", "1 s"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t ms;
        assert_int_equal(units_parse_time(bad[i], &ms), -EINVAL);
    }
}

static void counts(void **state)
{
    (void)state;
    int64_t count;
    assert_int_equal(units_parse_count("12", &count), 0);
    assert_int_equal(count, 12);
    assert_int_equal(units_parse_count("12x", &count), -EINVAL);
    assert_int_equal(units_parse_count("-1", &count), -EINVAL);
    assert_int_equal(units_parse_count("99999999999999999999", &count), -ERANGE);
}

static void formats(void **state)
{
    (void)state;
    char text[UNITS_TEXT_BYTES];
    assert_string_equal(units_format_size(0, text), "0 B");
    assert_string_equal(units_format_size(1023, text), "1023 B");
    assert_string_equal(units_format_size(1536, text), "1.5 KiB");
    assert_string_equal(units_format_size(-1572864, text), "-1.5 MiB");
    assert_string_equal(units_format_size(INT64_MAX, text), "8388608.0 TiB");
    assert_string_equal(units_format_time(0, text), "0 ms");
    assert_string_equal(units_format_time(90000, text), "90.0 s");
    assert_string_equal(units_format_time(180000, text), "3.0 min");
    assert_string_equal(units_format_time(INT64_MAX, text), "106751991167.3 d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(times),
        cmocka_unit_test(counts),
        cmocka_unit_test(formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
