#include "tests/unit/segment/segment_test.h"

#include "common/segment/digest.h"

static struct digest_value of_two(uint32_t a, uint32_t a_crc, uint32_t b, uint32_t b_crc)
{
    struct digest digest;
    digest_init(&digest);
    digest_add(&digest, a, a_crc);
    digest_add(&digest, b, b_crc);
    return digest_value(&digest);
}

/* The bytes that the header names, hashed in one go. */
static void test_is_xxh64_of_the_pairs(void **state UNUSED)
{
    static const unsigned char pairs[] = {5, 0, 0, 0, 0x78, 0x56, 0x34, 0x12,
                                          7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    struct digest_value value = of_two(5, 0x12345678, 7, 0xffffffff);
    assert_true(value.bytes == 12);
    assert_true(value.hash == XXH64(pairs, sizeof pairs, 0));
    struct digest empty;
    digest_init(&empty);
    assert_true(digest_value(&empty).bytes == 0);
    assert_true(digest_value(&empty).hash ==
                UINT64_C(0xef46db3751d8e999)); /* XXH64 of nothing, as published */
}

static void test_tells_apart(void **state UNUSED)
{
    struct digest_value a = of_two(46, 1, 50, 2);
    assert_true(digest_is_equal(a, of_two(46, 1, 50, 2)));
    assert_false(digest_is_equal(a, of_two(50, 2, 46, 1))); /* order */
    assert_false(digest_is_equal(a, of_two(46, 1, 50, 3))); /* content */
    assert_false(digest_is_equal(a, of_two(50, 1, 46, 2))); /* borders */
    assert_false(digest_is_equal(a, (struct digest_value){.bytes = a.bytes + 1, .hash = a.hash}));
}

static void test_goes_on_after_a_look(void **state UNUSED)
{
    struct digest digest;
    digest_init(&digest);
    digest_add(&digest, 46, 1);
    struct digest_value one = digest_value(&digest);
    digest_add(&digest, 50, 2);
    assert_true(digest_is_equal(digest_value(&digest), of_two(46, 1, 50, 2)));
    assert_false(digest_is_equal(digest_value(&digest), one));
}

static void test_text(void **state UNUSED)
{
    static const struct digest_value values[] = {
        {0, 0}, {96, 0x00ab}, {UINT64_MAX, UINT64_MAX}, {1234567, UINT64_C(0xfedcba9876543210)}};
    char text[DIGEST_TEXT_BYTES + 1];
    struct digest_value back;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        digest_print(values[i], text);
        assert_true(digest_parse(text, &back));
        assert_true(digest_is_equal(back, values[i]));
    }
    digest_print(values[1], text);
    assert_string_equal(text, "96-00000000000000ab");
}

static void test_refuses(void **state UNUSED)
{
    static const char *const bad[] = {"",
                                      "96",
                                      "96-",
                                      "-00000000000000ab",
                                      "96-00000000000000a",
                                      "96-00000000000000abc",
                                      "96-00000000000000AB",
                                      "096-00000000000000ab",
                                      " 96-00000000000000ab",
                                      "96-00000000000000ab ",
                                      "+96-00000000000000ab",
                                      "18446744073709551616-00000000000000ab",
                                      "99999999999999999999-00000000000000ab",
                                      "100000000000000000000-00000000000000ab",
                                      "96-0x000000000000ab"};
    struct digest_value value = {.bytes = 7, .hash = 7};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (digest_parse(bad[i], &value))
            fail_msg("taken: '%s'", bad[i]);
    assert_true(value.bytes == 7 && value.hash == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_xxh64_of_the_pairs),
        cmocka_unit_test(test_tells_apart),
        cmocka_unit_test(test_goes_on_after_a_look),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
