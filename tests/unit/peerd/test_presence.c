/* presence.h: its table, and what holds however a member flaps. */
#include "tests/unit/unit.h"

#include "peerd/ring/presence.h"

enum { HOLD = 5000 };

static struct presence p;

static void answers(int64_t from_ms, int64_t to_ms, int64_t every_ms)
{
    for (int64_t t = from_ms; t <= to_ms; t += every_ms)
        presence_answer(&p, t, HOLD);
}

static void failures(int64_t from_ms, int64_t to_ms, int64_t every_ms)
{
    for (int64_t t = from_ms; t <= to_ms; t += every_ms)
        presence_failure(&p, t, HOLD);
}

static void new_is_present_at_its_first_answer(void **state)
{
    (void)state;
    presence_init(&p, 0);
    assert_false(presence_is_present(&p));
    failures(1000, 3000, 1000);
    assert_int_equal(p.state, PRESENCE_NEW);
    presence_answer(&p, 3500, HOLD);
    assert_true(presence_is_present(&p));
}

static void new_that_never_answers_is_away(void **state)
{
    (void)state;
    presence_init(&p, 0);
    failures(1000, 4999, 1000);
    assert_int_equal(p.state, PRESENCE_NEW);
    presence_failure(&p, HOLD, HOLD);
    assert_int_equal(p.state, PRESENCE_AWAY);
}

static void away_after_hold_without_an_answer(void **state)
{
    (void)state;
    presence_init(&p, 0);
    answers(0, 10000, 1000);
    failures(11000, 14000, 1000);
    assert_true(presence_is_present(&p));
    presence_failure(&p, 15000, HOLD);
    assert_int_equal(p.state, PRESENCE_AWAY);
}

static void back_after_hold_of_answers(void **state)
{
    (void)state;
    presence_init(&p, 0);
    failures(1000, 6000, 1000);
    answers(7000, 11000, 1000);
    assert_int_equal(p.state, PRESENCE_RETURNING);
    presence_answer(&p, 12000, HOLD);
    assert_true(presence_is_present(&p));
}

static void one_failure_on_the_way_back_begins_anew(void **state)
{
    (void)state;
    presence_init(&p, 0);
    failures(1000, 6000, 1000);
    answers(7000, 11000, 1000);
    presence_failure(&p, 11500, HOLD);
    answers(12000, 16000, 1000);
    assert_false(presence_is_present(&p));
    presence_answer(&p, 17000, HOLD);
    assert_true(presence_is_present(&p));
}

static void who_slept_does_not_find_everybody_away(void **state)
{
    (void)state;
    presence_init(&p, 0);
    answers(0, 10000, 1000);
    presence_failure(&p, 70000, HOLD); /* the request that was under way when we were stopped */
    assert_true(presence_is_present(&p));
    presence_answer(&p, 70500, HOLD);
    assert_true(presence_is_present(&p));
}

static void answers_far_apart_are_no_row(void **state)
{
    (void)state;
    presence_init(&p, 0);
    failures(1000, 6000, 1000);
    presence_answer(&p, 7000, HOLD);
    presence_answer(&p, 60000, HOLD);
    assert_false(presence_is_present(&p));
    answers(61000, 65000, 1000);
    assert_true(presence_is_present(&p));
}

static void expelled_is_away_at_once_and_comes_back_as_others(void **state)
{
    (void)state;
    presence_init(&p, 0);
    answers(0, 10000, 1000);
    presence_expel(&p);
    assert_false(presence_is_present(&p));
    answers(11000, 15000, 1000);
    assert_false(presence_is_present(&p));
    presence_answer(&p, 16000, HOLD);
    assert_true(presence_is_present(&p));
}

/* --- any history ------------------------------------------------------------------------------------ */

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

struct history {
    int64_t now, last_answer, last_failure, last_change;
    unsigned changes;
};

/* What must be so whenever presence changes after the first time. */
static void check_change(struct history *h, bool was_present)
{
    if (presence_is_present(&p) == was_present)
        return;
    if (was_present)
        assert_true(h->now - h->last_answer >= HOLD);
    else if (h->changes > 0)
        assert_true(h->now - h->last_failure >= HOLD);
    if (h->changes > 0)
        assert_true(h->now - h->last_change >= HOLD);
    h->last_change = h->now;
    h->changes++;
}

static void event(struct history *h, bool is_answer)
{
    bool was_present = presence_is_present(&p);
    if (is_answer)
        presence_answer(&p, h->now, HOLD);
    else
        presence_failure(&p, h->now, HOLD);
    check_change(h, was_present);
    if (is_answer)
        h->last_answer = h->now;
    else
        h->last_failure = h->now;
}

static void flapping_moves_it_at_most_once_in_hold(void **state)
{
    (void)state;
    for (unsigned run = 0; run < 300; run++) {
        seed = run;
        struct history h = {0};
        uint32_t bias = 1 + rnd(99), gap = 1 + rnd(3000);
        presence_init(&p, 0);
        for (unsigned i = 0; i < 500; i++) {
            h.now += 1 + rnd(gap);
            event(&h, rnd(100) < bias);
        }
        assert_true(h.changes <= (unsigned)(h.now / HOLD) + 1);
    }
}

/* However often it fails: with an answer in less than `hold` it stays; however often it answers: with a
 * failure in less than `hold` it stays away. */
static void flapping_faster_than_hold_moves_nothing(void **state)
{
    (void)state;
    for (unsigned run = 0; run < 200; run++) {
        int64_t now = 6000;
        bool is_present = run % 2;
        seed = run;
        presence_init(&p, 0);
        if (is_present)
            presence_answer(&p, now, HOLD);
        else
            failures(1000, now, 1000);
        for (unsigned i = 0; i < 2000; i++) {
            int64_t end = now + HOLD - 1;
            while ((now += 1 + rnd(1500)) < end) {
                if (rnd(2))
                    presence_answer(&p, now, HOLD);
                else
                    presence_failure(&p, now, HOLD);
                assert_int_equal(presence_is_present(&p), is_present);
            }
            now = end;
            if (is_present)
                presence_answer(&p, now, HOLD);
            else
                presence_failure(&p, now, HOLD);
            assert_int_equal(presence_is_present(&p), is_present);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_is_present_at_its_first_answer),
        cmocka_unit_test(new_that_never_answers_is_away),
        cmocka_unit_test(away_after_hold_without_an_answer),
        cmocka_unit_test(back_after_hold_of_answers),
        cmocka_unit_test(one_failure_on_the_way_back_begins_anew),
        cmocka_unit_test(who_slept_does_not_find_everybody_away),
        cmocka_unit_test(answers_far_apart_are_no_row),
        cmocka_unit_test(expelled_is_away_at_once_and_comes_back_as_others),
        cmocka_unit_test(flapping_moves_it_at_most_once_in_hold),
        cmocka_unit_test(flapping_faster_than_hold_moves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
