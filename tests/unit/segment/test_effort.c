#include "tests/unit/segment/segment_test.h"

#include "common/segment/effort.h"

#define MS INT64_C(1000000)

/* A block that is begun at *now and takes so long; was it small? */
static bool press(struct effort *effort, int64_t *now_ns, int64_t fast_ns, int64_t small_ns)
{
    bool is_small = effort_choose(effort, (struct mono){*now_ns}) == CODEC_SMALL;
    *now_ns += is_small ? small_ns : fast_ns;
    effort_spend(effort, is_small ? small_ns : fast_ns);
    return is_small;
}

/* Blocks that arrive every `every_ns`, for ten seconds: how many of a hundred are small, and the busy share.
 */
static unsigned small_percent(struct effort *effort, int64_t every_ns, double *busy)
{
    int64_t now = 0, worked = 0;
    unsigned count = 0, small = 0;
    for (int64_t due = 0; now < 10000 * MS; due += every_ns, count++) {
        now = now > due ? now : due;
        int64_t began = now;
        small += press(effort, &now, MS / 3, 2 * MS);
        worked += now - began;
    }
    *busy = (double)worked / (double)now;
    return small * 100 / count;
}

static void test_a_slow_input_is_small(void **state UNUSED)
{
    struct effort effort;
    double busy;
    effort_init(&effort, COMPRESSION_AUTO, (struct mono){0});
    assert_int_equal(small_percent(&effort, 20 * MS, &busy), 100);
    assert_true(busy < 0.15);
}

static void test_a_faster_one_costs_a_quarter(void **state UNUSED)
{
    struct effort effort;
    double busy;
    effort_init(&effort, COMPRESSION_AUTO, (struct mono){0});
    unsigned small = small_percent(&effort, 4 * MS, &busy);
    assert_in_range(small, 30, 50); /* 0.41 x 2 ms + 0.59 x 0.33 ms = 1 ms of 4 */
    assert_true(busy > 0.2 && busy < 0.3);
}

static void test_one_without_a_pause_is_fast(void **state UNUSED)
{
    struct effort effort;
    double busy;
    effort_init(&effort, COMPRESSION_AUTO, (struct mono){0});
    assert_int_equal(small_percent(&effort, 0, &busy), 0); /* but for the first few */
}

static void test_the_first_blocks_are_small(void **state UNUSED)
{
    struct effort effort;
    int64_t now = 7000 * MS;
    effort_init(&effort, COMPRESSION_AUTO, (struct mono){now});
    assert_true(press(&effort, &now, MS / 3, 2 * MS));
    assert_true(press(&effort, &now, MS / 3, 2 * MS));
}

/* A day of full work is forgotten as soon as a second of it; a day of rest is worth no more than a moment. */
static void test_the_past_is_forgotten(void **state UNUSED)
{
    struct effort effort;
    int64_t now = 0;
    unsigned small = 0;
    effort_init(&effort, COMPRESSION_AUTO, (struct mono){0});
    for (int i = 0; i < 100000; i++)
        (void)press(&effort, &now, MS / 3, 2 * MS);
    assert_false(press(&effort, &now, MS / 3, 2 * MS));
    now += 300 * MS;
    assert_true(press(&effort, &now, MS / 3, 2 * MS));
    now += 86400000 * MS;
    for (int i = 0; i < 1000; i++)
        small += press(&effort, &now, MS / 3, 2 * MS);
    assert_in_range(small, 1, 50);
}

static void test_a_word_is_a_word(void **state UNUSED)
{
    struct effort effort;
    double busy;
    effort_init(&effort, COMPRESSION_FAST, (struct mono){0});
    assert_int_equal(small_percent(&effort, 20 * MS, &busy), 0);
    effort_init(&effort, COMPRESSION_SMALL, (struct mono){0});
    assert_int_equal(small_percent(&effort, 0, &busy), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_input_is_small),
        cmocka_unit_test(test_a_faster_one_costs_a_quarter),
        cmocka_unit_test(test_one_without_a_pause_is_fast),
        cmocka_unit_test(test_the_first_blocks_are_small),
        cmocka_unit_test(test_the_past_is_forgotten),
        cmocka_unit_test(test_a_word_is_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
