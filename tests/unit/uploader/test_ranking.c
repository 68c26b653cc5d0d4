/* Storage accounts by what came of them in the last minute: adx.md §2.2. */
#include "tests/unit/unit.h"

#include "uploader/adx/ranking.h"

static struct mono at(int64_t seconds)
{
    return (struct mono){.ns = (1000 + seconds) * 1000000000};
}

static void note(struct ranking *r, const char *account, unsigned good, unsigned bad, int64_t seconds)
{
    while (good-- > 0)
        ranking_note(r, account, true, at(seconds));
    while (bad-- > 0)
        ranking_note(r, account, false, at(seconds));
}

static void assert_rank(const struct ranking *r, const char *account, int64_t seconds, double rank)
{
    double is = ranking_of(r, account, at(seconds));
    if (is < rank - 0.001 || is > rank + 0.001)
        fail_msg("%s at %d s: %f instead of %f", account, (int)seconds, is, rank);
}

static void newer_weighs_more_and_a_minute_forgets(void **state)
{
    (void)state;
    struct ranking r = {0};
    assert_rank(&r, "a", 0, 1);
    note(&r, "a", 1, 3, 0);
    assert_rank(&r, "a", 0, 0.25);
    note(&r, "a", 4, 0, 10);
    assert_rank(&r, "a", 10, (6 * 1.0 + 5 * 0.25) / 11);
    assert_rank(&r, "a", 30, (4 * 1.0 + 3 * 0.25) / 7);
    assert_rank(&r, "a", 60, 1); /* only the second bucket is left */
    assert_rank(&r, "a", 70, 1); /* none */
    note(&r, "a", 0, 1, 1000);   /* the ring went round many times: nothing old is in it */
    assert_rank(&r, "a", 1000, 0);
    assert_rank(&r, "b", 1000, 1);
}

static void accounts_come_in_tiers_shuffled_within(void **state)
{
    (void)state;
    static const char *const names[] = {"bad", "good", "fair", "new", "poor"};
    struct ranking r = {0};
    unsigned first_new = 0;
    note(&r, "bad", 1, 9, 0);
    note(&r, "good", 19, 1, 0);
    note(&r, "fair", 8, 2, 0);
    note(&r, "poor", 4, 6, 0);
    for (uint64_t seed = 0; seed < 200; seed++) {
        size_t order[5];
        ranking_sort(&r, names, order, 5, at(0), seed);
        first_new += order[0] == 3;
        assert_true((order[0] == 3 && order[1] == 1) || (order[0] == 1 && order[1] == 3));
        assert_int_equal(order[2], 2);
        assert_int_equal(order[3], 4);
        assert_int_equal(order[4], 0);
    }
    assert_in_range(first_new, 50, 150);
}

static void too_many_accounts_are_not_noted(void **state)
{
    (void)state;
    struct ranking r = {0};
    for (int i = 0; i < 2 * RANKING_ACCOUNTS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%d", i);
        ranking_note(&r, name, false, at(0));
    }
    assert_int_equal(r.count, RANKING_ACCOUNTS_MAX);
    assert_rank(&r, "a1", 0, 0);
    assert_rank(&r, "a100", 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newer_weighs_more_and_a_minute_forgets),
        cmocka_unit_test(accounts_come_in_tiers_shuffled_within),
        cmocka_unit_test(too_many_accounts_are_not_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
