/* What the head of a segment says of its way: how often it was sent, and since when it is here. */
#include "tests/unit/unit.h"

#include <fcntl.h>

#include "common/segment/head.h"
#include "peerd/receive/hops.h"

enum { LANDED_S = 1700000000 };

static struct hops hops_in(const char *head)
{
    static uint8_t bytes[MEMBER_HEADER_MAX];
    char path[] = "/tmp/spillway-hops.XXXXXX";
    size_t count;
    assert_int_equal(member_encode_head(head, strlen(head), LANDED_S, bytes, sizeof bytes, &count), 0);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(write(fd, bytes, count) == (ssize_t)count);
    struct hops hops = hops_read(fd), by_name = hops_of(AT_FDCWD, path);
    assert_true(by_name.count == hops.count && by_name.landed_s == hops.landed_s);
    close(fd);
    unlink(path);
    return hops;
}

static void test_heads(void **state UNUSED)
{
    static char schema[20000], long_head[sizeof schema + 100];
    assert_int_equal(hops_in("{}").count, 0);
    assert_int_equal(hops_in("no JSON").count, 0);
    assert_int_equal(hops_in("{\"received\":true}").count, 1);
    assert_int_equal(hops_in("{\"received\":true,\"hops\":3}").count, 3);
    assert_int_equal(hops_in("{\"received\":true,\"hops\":3}").landed_s, LANDED_S);
    assert_int_equal(hops_in("{\"received\":true,\"hops\":99999999999}").count, 1000);
    memset(schema, 'x', sizeof schema - 1);
    snprintf(long_head, sizeof long_head, "{\"schema\":\"%s\",\"received\":true,\"hops\":2}", schema);
    assert_int_equal(hops_in(long_head).count, 2);
}

static void test_what_has_no_head(void **state UNUSED)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(hops_read(fd).count, 0);
    close(fd);
    assert_int_equal(hops_of(AT_FDCWD, "/none").count, 0);
}

/* A clock that is set back keeps nothing from moving on for as long. */
static void test_held(void **state UNUSED)
{
    const struct hops hops = {.count = 1, .landed_s = LANDED_S};
    int64_t landed_ms = (int64_t)LANDED_S * 1000;
    assert_true(hops_held_ms(&hops, landed_ms) == 0);
    assert_true(hops_held_ms(&hops, landed_ms + 10500) == 10500);
    assert_true(hops_held_ms(&hops, landed_ms - 1) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_what_has_no_head),
        cmocka_unit_test(test_held),
    };
    return cmocka_run_group_tests_name("peerd/hops", tests, NULL, NULL);
}
