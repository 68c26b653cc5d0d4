/* Bodies that come compressed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/adxsim/gunzip.h"

static void two_members(struct buf *packed)
{
    buf_init(packed, 1 << 20);
    gzip_compress("hello ", 6, packed);
    gzip_compress("world", 5, packed);
}

static void test_members_are_joined(void **state)
{
    struct buf packed, plain;

    (void)state;
    two_members(&packed);
    buf_init(&plain, 11);
    assert_int_equal(gunzip(packed.data, packed.len, &plain), 0);
    assert_string_equal(plain.data, "hello world");
    buf_fini(&plain);
    buf_fini(&packed);
}

static void test_ceiling(void **state)
{
    struct buf packed, plain;

    (void)state;
    two_members(&packed);
    buf_init(&plain, 10);
    assert_int_equal(gunzip(packed.data, packed.len, &plain), -E2BIG);
    buf_fini(&plain);
    buf_fini(&packed);
}

/* Cut anywhere but between the members, the body is refused; with a bit flipped, it is refused or the bit was
 * padding. */
static void test_damage_is_refused(void **state)
{
    struct buf packed, plain;
    size_t first;

    (void)state;
    buf_init(&packed, 1 << 20);
    gzip_compress("hello ", 6, &packed);
    first = packed.len;
    buf_fini(&packed);
    two_members(&packed);
    for (size_t len = 0; len < packed.len; len++) {
        buf_init(&plain, 1 << 20);
        assert_int_equal(gunzip(packed.data, len, &plain), len == first ? 0 : -EBADMSG);
        buf_fini(&plain);
    }
    for (size_t at = 10; at < first; at++) {
        packed.data[at] = (char)(packed.data[at] ^ 0x10);
        buf_init(&plain, 1 << 20);
        if (gunzip(packed.data, packed.len, &plain) == 0)
            assert_string_equal(plain.data, "hello world");
        buf_fini(&plain);
        packed.data[at] = (char)(packed.data[at] ^ 0x10);
    }
    buf_puts(&packed, "x");
    buf_init(&plain, 1 << 20);
    assert_int_equal(gunzip(packed.data, packed.len, &plain), -EBADMSG);
    buf_fini(&plain);
    buf_fini(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_are_joined),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_damage_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
