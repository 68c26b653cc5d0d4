/* Base64, strictly. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/adxsim/base64.h"

static const struct {
    const char *plain;
    const char *encoded;
} pairs[] = {{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
             {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xfb\xff", "+/8="}};

static void test_both_ways(void **state)
{
    struct buf buf;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        buf_init(&buf, 100);
        base64_encode(pairs[i].plain, strlen(pairs[i].plain), &buf);
        assert_string_equal(buf_text(&buf), pairs[i].encoded);
        buf_clear(&buf);
        assert_int_equal(base64_decode(pairs[i].encoded, strlen(pairs[i].encoded), &buf), 0);
        assert_string_equal(buf_text(&buf), pairs[i].plain);
        buf_fini(&buf);
    }
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {"Zg",   "Zg=",  "Zm8",  "Zg==Zg==", "Z===", "====", "Zm9v ",
                                      "-_8=", "Zh==", "Zm9=", "Zm9v\n",   "=m9v", "Z=9v"};
    struct buf buf;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        buf_init(&buf, 100);
        assert_int_equal(base64_decode(bad[i], strlen(bad[i]), &buf), -EBADMSG);
        buf_fini(&buf);
    }
}

static void test_ceiling(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 2);
    assert_int_equal(base64_decode("Zm9v", 4, &buf), -E2BIG);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_ceiling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
