/* Levels and their hysteresis, the forecast, and min-free. */
#include "tests/unit/unit.h"

#include "common/base/compiler.h"
#include "diskguard/forecast.h"
#include "diskguard/limits.h"
#include "diskguard/pressure.h"

static bool update(struct pressure *pressure, int64_t bytes, int64_t free_space, int64_t now_ms)
{
    const int64_t fill[REASON_COUNT] = {[REASON_BYTES] = bytes, [REASON_FREE_SPACE] = free_space};
    return pressure_update(pressure, fill, now_ms);
}

static void levels_have_hysteresis(void **state)
{
    (void)state;
    static const struct {
        int64_t fill;
        enum level level;
    } steps[] = {
        {0, PRESSURE_OK},     {849, PRESSURE_OK},    {850, PRESSURE_HIGH}, {801, PRESSURE_HIGH},
        {799, PRESSURE_OK},   {1000, PRESSURE_FULL}, {971, PRESSURE_FULL}, {969, PRESSURE_HIGH},
        {900, PRESSURE_HIGH}, {100, PRESSURE_OK},
    };
    struct pressure pressure = {0};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        enum level before = pressure.level;
        bool is_changed = update(&pressure, steps[i].fill, 0, 1);
        assert_int_equal(pressure.level, steps[i].level);
        assert_int_equal(is_changed, before != pressure.level);
        assert_int_equal(pressure.reason, pressure.level == PRESSURE_OK ? REASON_NONE : REASON_BYTES);
    }
}

static void the_reason_is_what_there_is_least_of(void **state)
{
    (void)state;
    struct pressure pressure = {0};
    assert_true(update(&pressure, 860, 990, 1));
    assert_int_equal(pressure.reason, REASON_FREE_SPACE);
    assert_true(update(&pressure, 900, 0, 1)); /* another reason is news */
    assert_int_equal(pressure.reason, REASON_BYTES);
}

static void a_refusal_is_full_for_a_while(void **state)
{
    (void)state;
    struct pressure pressure = {0};
    pressure_refused(&pressure, REASON_INODES, 1000);
    assert_true(update(&pressure, 10, 0, 1000));
    assert_int_equal(pressure.level, PRESSURE_FULL);
    assert_int_equal(pressure.reason, REASON_INODES);
    assert_false(update(&pressure, 10, 0, 1000 + REFUSED_MS - 1));
    assert_true(update(&pressure, 10, 0, 1000 + REFUSED_MS));
    assert_int_equal(pressure.level, PRESSURE_OK);
}

static void the_forecast_follows_the_rate(void **state)
{
    (void)state;
    struct databases databases;
    struct forecast forecast = {0};
    assert_int_equal(databases_init(&databases), 0);
    int64_t now_ms = 1, used = 0;
    assert_true(forecast_full_in_ms(forecast.bytes_rate, 1000) == -1);
    for (; now_ms < 120000; now_ms += 500, used += 500000)
        forecast_sample(&forecast, &databases, (struct amount){used, used / 500000}, now_ms);
    assert_true(forecast.bytes_rate >= 990000 && forecast.bytes_rate <= 1000000);
    assert_true(forecast.files_rate > 1.9 && forecast.files_rate <= 2);
    assert_in_range(forecast_files_full_in_ms(2, 120), 60000, 60000);
    assert_true(forecast_earlier(-1, 5) == 5 && forecast_earlier(5, -1) == 5 && forecast_earlier(7, 5) == 5);
    assert_in_range(forecast_full_in_ms(forecast.bytes_rate, 60000000), 60000, 60700);
    assert_true(forecast_full_in_ms(forecast.bytes_rate, 0) == 0);
    for (; now_ms < 300000; now_ms += 500)
        forecast_sample(&forecast, &databases, (struct amount){used, used / 500000}, now_ms);
    assert_true(forecast_full_in_ms(forecast.bytes_rate, 60000000) == -1);
    databases_fini(&databases);
}

static void min_free_is_a_size_or_a_share(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        int64_t bytes, permyriad;
    } cases[] = {
        {"5%", 0, -1, 500},
        {"0.5%", 0, -1, 50},
        {"12.34%", 0, -1, 1234},
        {"0%", 0, -1, 0},
        {"99.99%", 0, -1, 9999},
        {"1G", 0, 1 << 30, 0},
        {"0", 0, 0, 0},
        {"100%", -EINVAL, 0, 0},
        {"%", -EINVAL, 0, 0},
        {"-1%", -EINVAL, 0, 0},
        {"5 %", -EINVAL, 0, 0},
        {"1.%", -EINVAL, 0, 0},
        {".5%", -EINVAL, 0, 0},
        {"1.2.3%", -EINVAL, 0, 0},
        {"1.234%", -EINVAL, 0, 0},
        {"-1", -EINVAL, 0, 0},
        {"lots", -EINVAL, 0, 0},
        {"", -EINVAL, 0, 0},
        {"99999%", -EINVAL, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct part min_free;
        struct err err;
        if (min_free_parse(cases[i].text, &min_free, &err) != cases[i].rc)
            fail_msg("min-free = %s", cases[i].text);
        if (cases[i].rc == 0 &&
            (min_free.bytes != cases[i].bytes || min_free.permyriad != cases[i].permyriad))
            fail_msg("min-free = %s means %lld, %lld", cases[i].text, (long long)min_free.bytes,
                     (long long)min_free.permyriad);
    }
}

static void failover_share_is_a_size_or_a_share(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        int64_t of_1000;
    } cases[] = {
        {"90%", 0, 900},    {"0.9", 0, 900},      {"1.0", 0, 1000},    {"100%", 0, 1000},
        {"250", 0, 250},    {"0.5%", 0, 5},       {"1K", 0, 1024},     {"0", -EINVAL, 0},
        {"0%", -EINVAL, 0}, {"101%", -EINVAL, 0}, {"1.1", -EINVAL, 0}, {"-5%", -EINVAL, 0},
        {"", -EINVAL, 0},   {"most", -EINVAL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct part share;
        struct err err;
        if (failover_share_parse(cases[i].text, &share, &err) != cases[i].rc)
            fail_msg("failover-share = %s", cases[i].text);
        if (cases[i].rc == 0 && part_of(&share, 1000) != cases[i].of_1000)
            fail_msg("failover-share = %s means %lld of 1000", cases[i].text,
                     (long long)part_of(&share, 1000));
        if (cases[i].rc && !strstr(err.text, "failover-share"))
            fail_msg("failover-share = %s: \"%s\"", cases[i].text, err.text);
    }
}

static void permille_has_no_surprises(void **state)
{
    (void)state;
    assert_true(pressure_permille(0, 0) == FULL_AT);
    assert_true(pressure_permille(5, -1) == FULL_AT);
    assert_true(pressure_permille(-5, 100) == 0);
    assert_true(pressure_permille(1, 2) == 500);
    assert_true(pressure_permille(INT64_MAX, 1) == 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_have_hysteresis),
        cmocka_unit_test(the_reason_is_what_there_is_least_of),
        cmocka_unit_test(a_refusal_is_full_for_a_while),
        cmocka_unit_test(the_forecast_follows_the_rate),
        cmocka_unit_test(min_free_is_a_size_or_a_share),
        cmocka_unit_test(failover_share_is_a_size_or_a_share),
        cmocka_unit_test(permille_has_no_surprises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
