/* When a batch is due and what is in it; how long to wait after a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/backoff.h"
#include "common/spool/waiting_plan.h"

static const struct batch_limits limits = {.raw_bytes = 100, .blocks = 50, .files = 4, .age_ms = 1000};

static struct waiting_segment segment(uint64_t raw_bytes, uint32_t blocks)
{
    return (struct waiting_segment){.raw_bytes = raw_bytes, .blocks = blocks, .is_measured = true};
}

static void a_batch_is_due_when_it_is_full_or_old(void **state)
{
    (void)state;
    size_t unmeasured;
    struct waiting_segment s[6];
    for (size_t i = 0; i < 6; i++)
        s[i] = segment(30, 1);
    assert_int_equal(batch_choose(s, 0, &limits, true, &unmeasured), 0);
    assert_int_equal(batch_choose(s, 3, &limits, false, &unmeasured), 0);
    assert_int_equal(unmeasured, 3);
    assert_int_equal(batch_choose(s, 3, &limits, true, &unmeasured), 3);
    assert_int_equal(batch_choose(s, 6, &limits, false, &unmeasured), 4);
    s[0] = segment(100, 1); /* full by itself */
    assert_int_equal(batch_choose(s, 6, &limits, false, &unmeasured), 1);
    s[0] = segment(99, 1);
    assert_int_equal(batch_choose(s, 6, &limits, false, &unmeasured), 2);
    for (size_t i = 0; i < 6; i++)
        s[i] = segment(1, 1); /* small ones: the number of files ends it */
    assert_int_equal(batch_choose(s, 6, &limits, false, &unmeasured), 4);
    assert_int_equal(batch_choose(s, 3, &limits, false, &unmeasured), 0);
    s[1] = segment(1, 50); /* the number of blocks, too; but a first one is always taken */
    assert_int_equal(batch_choose(s, 6, &limits, false, &unmeasured), 1);
    s[0] = segment(1, 5000);
    assert_int_equal(batch_choose(s, 6, &limits, false, &unmeasured), 1);
}

static void what_is_not_measured_is_asked_for(void **state)
{
    (void)state;
    size_t unmeasured;
    struct waiting_segment s[3] = {segment(30, 1), {0}, segment(30, 1)};
    assert_int_equal(batch_choose(s, 3, &limits, true, &unmeasured), 0);
    assert_int_equal(unmeasured, 1);
    s[0] = segment(200, 1); /* then the second does not matter */
    assert_int_equal(batch_choose(s, 3, &limits, true, &unmeasured), 1);
}

static void delays_grow_and_are_capped(void **state)
{
    (void)state;
    const struct backoff backoff = {.min_ms = 100, .max_ms = 10000};
    for (unsigned n = 1; n < 100; n++) {
        int64_t ceiling = n < 7 ? 100LL << n : 10000;
        assert_int_equal(backoff_delay_ms(&backoff, n, 0, 0), 100);
        assert_int_equal(backoff_delay_ms(&backoff, n, 0, UINT32_MAX), ceiling < 10000 ? ceiling : 10000);
        int64_t middle = backoff_delay_ms(&backoff, n, 0, UINT32_MAX / 2);
        assert_true(middle > 100 && middle < 10000);
    }
    assert_int_equal(backoff_delay_ms(&backoff, 1, 60000, 0), 60000);
    assert_int_equal(backoff_delay_ms(&backoff, 1, 60000, UINT32_MAX), 72000); /* not all in step */
    assert_int_equal(backoff_delay_ms(&backoff, 1, INT64_MAX, 0), BACKOFF_RETRY_AFTER_MAX_MS);
    assert_int_equal(backoff_slow_ms(&backoff, 0, 0), 5000);
    assert_int_equal(backoff_slow_ms(&backoff, 0, UINT32_MAX), 10000);
    const struct backoff flat = {.min_ms = 50, .max_ms = 50};
    assert_int_equal(backoff_delay_ms(&flat, 9, 0, UINT32_MAX), 50);
    const struct backoff huge = {.min_ms = 86400000, .max_ms = 86400000};
    assert_int_equal(backoff_delay_ms(&huge, UINT32_MAX, 0, 7), 86400000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_due_when_it_is_full_or_old),
        cmocka_unit_test(what_is_not_measured_is_asked_for),
        cmocka_unit_test(delays_grow_and_are_capped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
