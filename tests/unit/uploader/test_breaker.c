#include "tests/unit/unit.h"

#include "uploader/breaker.h"

static const struct breaker_options usual = {.failures = 5,
                                             .time_ms = 30000,
                                             .successes = 3,
                                             .hold_ms = 10000,
                                             .probe_ms = 15000,
                                             .idle_ms = 30000,
                                             .backoff = {.min_ms = 1000, .max_ms = 60000}};

/* A breaker, the time, and chance that a seed repeats. */
struct bench {
    struct breaker_options o;
    struct breaker b;
    struct mono now;
    uint64_t seed;
};

static uint32_t any(struct bench *t)
{
    t->seed = t->seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(t->seed >> 32);
}

static void bench_init(struct bench *t, uint64_t seed)
{
    *t = (struct bench){.o = usual, .now = {(int64_t)1 << 40}, .seed = seed};
    breaker_init(&t->b, &t->o, t->now, any(t));
}

static void pass(struct bench *t, int64_t ms)
{
    t->now = mono_plus(t->now, ms);
    breaker_tick(&t->b, t->now);
}

static void hear_of(struct bench *t, enum breaker_source source, enum verdict verdict, struct mono begun)
{
    struct breaker_event event = {.source = source, .verdict = verdict, .begun = begun};
    breaker_note(&t->b, &t->o, &event, t->now, any(t));
}

static void hear(struct bench *t, enum breaker_source source, enum verdict verdict)
{
    hear_of(t, source, verdict, t->now);
}

static bool is_away(const struct bench *t)
{
    return health_is_away(breaker_health(&t->b));
}

static void open_it(struct bench *t, enum verdict verdict)
{
    for (int i = 0; i < 5; i++) {
        pass(t, 7500);
        hear(t, BREAKER_BATCH, verdict);
    }
    assert_int_equal(t->b.state, BREAKER_OPEN);
}

/* --- the way round ---------------------------------------------------------------------------------- */

static void it_opens_by_count_and_time(void **state)
{
    (void)state;
    struct bench t;
    bench_init(&t, 1);
    assert_int_equal(breaker_health(&t.b), HEALTH_UP); /* none has an opinion yet */
    for (int i = 0; i < 20; i++) {                     /* often enough, not long enough */
        pass(&t, 1000);
        hear(&t, BREAKER_BATCH, VERDICT_DOWN);
        assert_int_equal(breaker_health(&t.b), HEALTH_SUSPECT);
        assert_int_equal(breaker_flow(&t.b, mono_plus(t.now, 3600000)), FLOW_ONE);
    }
    pass(&t, 11000);
    hear(&t, BREAKER_BATCH, VERDICT_DOWN);
    assert_int_equal(breaker_health(&t.b), HEALTH_DOWN);
    assert_int_equal(breaker_flow(&t.b, mono_plus(t.now, 3600000)), FLOW_NONE);

    bench_init(&t, 2);
    for (int i = 0; i < 4; i++) { /* long enough, not often enough */
        pass(&t, 60000);
        hear(&t, BREAKER_IDLE_PROBE, VERDICT_DOWN);
        assert_int_equal(breaker_health(&t.b), HEALTH_SUSPECT);
    }
    pass(&t, 1);
    hear(&t, BREAKER_IDLE_PROBE, VERDICT_DOWN);
    assert_int_equal(breaker_health(&t.b), HEALTH_DOWN);
}

static void it_has_a_word_for_each_trouble(void **state)
{
    (void)state;
    static const struct {
        enum verdict verdict;
        const char *word;
    } cases[] = {
        {VERDICT_DOWN, "down"}, {VERDICT_UNAUTHORISED, "unauthorised"}, {VERDICT_MISSING, "missing"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench t;
        bench_init(&t, i);
        open_it(&t, cases[i].verdict);
        assert_string_equal(health_word(breaker_health(&t.b)), cases[i].word);
        hear(&t, BREAKER_PROBE, VERDICT_DOWN); /* the last word counts */
        assert_string_equal(health_word(breaker_health(&t.b)), "down");
    }
    struct bench t;
    bench_init(&t, 9);
    hear(&t, BREAKER_BATCH, VERDICT_THROTTLED);
    assert_string_equal(health_word(breaker_health(&t.b)), "throttled");
    assert_true(mono_between_ms(t.now, t.b.not_before) >= 1000);
    hear(&t, BREAKER_PROBE, VERDICT_SUCCESS); /* a query is not what it has too much of */
    assert_true(mono_between_ms(t.now, t.b.not_before) >= 1000);
    assert_string_equal(health_word(breaker_health(&t.b)), "throttled");
    hear(&t, BREAKER_BATCH, VERDICT_SUCCESS);
    breaker_note_engine(&t.b, VERDICT_DOWN);
    assert_string_equal(health_word(breaker_health(&t.b)), "degraded");
    breaker_note_engine(&t.b, VERDICT_SUCCESS);
    assert_string_equal(health_word(breaker_health(&t.b)), "up");
}

static void it_closes_by_three_successes_and_says_so_later(void **state)
{
    (void)state;
    struct bench t;
    bench_init(&t, 3);
    open_it(&t, VERDICT_DOWN);
    int64_t probe_ms = mono_between_ms(t.now, t.b.probe_due);
    assert_in_range(probe_ms, 12000, 18000);
    pass(&t, probe_ms);
    hear(&t, BREAKER_PROBE, VERDICT_SUCCESS);
    assert_int_equal(t.b.state, BREAKER_HALF_OPEN);
    assert_int_equal(breaker_flow(&t.b, t.now), FLOW_ONE);
    hear(&t, BREAKER_BATCH, VERDICT_SUCCESS);
    assert_int_equal(t.b.state, BREAKER_HALF_OPEN);
    hear(&t, BREAKER_BATCH, VERDICT_SUCCESS);
    assert_int_equal(t.b.state, BREAKER_RECOVERING);
    assert_int_equal(breaker_flow(&t.b, t.now), FLOW_FULL);
    assert_true(is_away(&t));
    pass(&t, 9999);
    assert_true(is_away(&t));
    assert_int_equal(mono_between_ms(t.now, breaker_next(&t.b)), 1);
    pass(&t, 1);
    assert_int_equal(breaker_health(&t.b), HEALTH_UP);
}

/* However much waits, it begins with one upload, and each that succeeds makes room for one more. */
static void it_is_not_met_by_all_at_once(void **state)
{
    (void)state;
    struct bench t;
    bench_init(&t, 11);
    assert_int_equal(breaker_room(&t.b), BREAKER_ROOM_MAX); /* nothing has happened yet */
    open_it(&t, VERDICT_DOWN);
    pass(&t, 15000);
    for (int i = 0; i < 3; i++) {
        hear(&t, BREAKER_PROBE, VERDICT_SUCCESS);
        assert_int_equal(breaker_room(&t.b), 1);
    }
    for (unsigned i = 1; i < 300; i++) {
        assert_int_equal(breaker_flow(&t.b, t.now), FLOW_FULL);
        assert_int_equal(breaker_room(&t.b), i < BREAKER_ROOM_MAX ? i : BREAKER_ROOM_MAX);
        hear(&t, BREAKER_BATCH, VERDICT_SUCCESS);
    }
    pass(&t, 10000);
    hear(&t, BREAKER_BATCH, VERDICT_THROTTLED); /* it has too much: from one again */
    assert_int_equal(breaker_flow(&t.b, mono_plus(t.now, 60000)), FLOW_ONE);
    hear(&t, BREAKER_BATCH, VERDICT_SUCCESS);
    assert_int_equal(breaker_flow(&t.b, t.now), FLOW_FULL);
    assert_int_equal(breaker_room(&t.b), 2);
    hear(&t, BREAKER_PROBE, VERDICT_SUCCESS); /* a query is no upload */
    assert_int_equal(breaker_room(&t.b), 2);
}

/* A new uploader is of the last one's opinion, and finds out at once. */
static void what_was_known_is_taken_on(void **state)
{
    (void)state;
    static const enum verdict reasons[] = {VERDICT_DOWN, VERDICT_UNAUTHORISED, VERDICT_MISSING};
    static const enum health words[] = {HEALTH_DOWN, HEALTH_UNAUTHORISED, HEALTH_MISSING};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        struct bench t;
        bench_init(&t, 12);
        breaker_recall(&t.b, reasons[i], t.now);
        assert_int_equal(breaker_health(&t.b), words[i]);
        assert_int_equal(breaker_flow(&t.b, mono_plus(t.now, 3600000)), FLOW_NONE);
        assert_int_equal(mono_between_ms(t.now, t.b.probe_due), 0);
        for (int n = 0; n < 3; n++)
            hear(&t, BREAKER_PROBE, VERDICT_SUCCESS);
        assert_true(is_away(&t)); /* as for any other that comes back */
        pass(&t, 10000);
        assert_int_equal(breaker_health(&t.b), HEALTH_UP);
    }
}

static void a_failure_on_the_way_back_opens_it_again(void **state)
{
    (void)state;
    for (int successes = 1; successes <= 3; successes++) {
        struct bench t;
        bench_init(&t, 4);
        open_it(&t, VERDICT_DOWN);
        struct mono before = t.now;
        pass(&t, 15000);
        for (int i = 0; i < successes; i++)
            hear(&t, BREAKER_PROBE, VERDICT_SUCCESS);
        enum breaker_state was = t.b.state;
        pass(&t, 100);
        hear_of(&t, BREAKER_BATCH, VERDICT_DOWN, before); /* it hung since before */
        assert_int_equal(t.b.state, was);
        hear(&t, BREAKER_BATCH, VERDICT_DOWN);
        assert_int_equal(t.b.state, BREAKER_OPEN);
    }
}

static void a_query_does_not_make_up_for_uploads_that_fail(void **state)
{
    (void)state;
    struct bench t;
    bench_init(&t, 5);
    for (int i = 0; i < 5; i++) {
        assert_false(is_away(&t));
        hear(&t, BREAKER_BATCH, VERDICT_DOWN);
        pass(&t, 7500);
        hear(&t, BREAKER_PROBE, VERDICT_SUCCESS);
    }
    hear(&t, BREAKER_BATCH, VERDICT_DOWN);
    assert_true(is_away(&t));

    bench_init(&t, 6); /* but where nothing is left to upload it is the best word there is */
    hear(&t, BREAKER_BATCH, VERDICT_DOWN);
    hear(&t, BREAKER_IDLE_PROBE, VERDICT_SUCCESS);
    assert_int_equal(breaker_health(&t.b), HEALTH_UP);
}

static void an_engine_that_counts_is_not_hidden_by_uploads(void **state)
{
    (void)state;
    struct bench t;
    bench_init(&t, 7);
    t.o.engine_counts = true;
    for (int i = 0; i < 5; i++) {
        pass(&t, 7500);
        hear(&t, BREAKER_PROBE, VERDICT_DOWN);
        if (i < 4)
            hear(&t, BREAKER_BATCH, VERDICT_SUCCESS);
    }
    assert_true(is_away(&t));
}

static void an_attempt_puts_the_next_probe_off(void **state)
{
    (void)state;
    struct bench t;
    bench_init(&t, 8);
    breaker_note_begin(&t.b, &t.o, t.now);
    assert_true(mono_between_ms(t.now, t.b.probe_due) >= 30000);
    hear(&t, BREAKER_BATCH, VERDICT_DOWN);
    int64_t suspect_ms = mono_between_ms(t.now, t.b.probe_due);
    assert_in_range(suspect_ms, 1000, 6000); /* five of them within the breaker's time */
}

static void hurry_asks_at_once(void **state)
{
    (void)state;
    struct bench t;
    bench_init(&t, 10);
    open_it(&t, VERDICT_DOWN);
    breaker_hurry(&t.b, t.now);
    assert_int_equal(mono_between_ms(t.now, t.b.probe_due), 0);
    assert_true(is_away(&t)); /* asking is not knowing */
}

/* --- properties, over random sequences of events ---------------------------------------------------- */

struct heard {
    enum breaker_source source;
    enum verdict verdict;
    struct mono at, begun;
};

enum { STEPS = 400, SEEDS = 500 };

static bool is_failure(const struct heard *one)
{
    return verdict_is_of_database(one->verdict) && one->verdict != VERDICT_THROTTLED;
}

static enum verdict any_verdict(struct bench *t, unsigned failures_in_8)
{
    static const enum verdict bad[] = {VERDICT_DOWN, VERDICT_DOWN, VERDICT_UNAUTHORISED, VERDICT_MISSING};
    static const enum verdict good[] = {VERDICT_SUCCESS, VERDICT_SUCCESS,     VERDICT_SUCCESS,
                                        VERDICT_RETRY,   VERDICT_THROTTLED,   VERDICT_REFUSED,
                                        VERDICT_GONE,    VERDICT_UNAVAILABLE, VERDICT_STOPPED};
    return any(t) % 8 < failures_in_8 ? bad[any(t) % ARRAY_LEN(bad)] : good[any(t) % ARRAY_LEN(good)];
}

/* Mostly seconds, at times nothing, at times hours: a machine that was suspended. */
static int64_t any_time(struct bench *t)
{
    switch (any(t) % 16) {
    case 0:
        return (int64_t)(any(t) % 36000000);
    case 1:
    case 2:
        return 0;
    default:
        return (int64_t)(any(t) % 12000);
    }
}

static struct heard any_event(struct bench *t, unsigned failures_in_8)
{
    struct heard one = {.source = (enum breaker_source)(any(t) % 3),
                        .verdict = any_verdict(t, failures_in_8)};
    one.at = one.begun = t->now;
    if (any(t) % 8 == 0) /* an attempt that has hung */
        one.begun.ns -= (int64_t)(any(t) % 200000) * 1000000;
    return one;
}

/* It opened: there was a row of failures, long and often enough, since the last word that ends any row. */
static void check_opening(const struct heard *history, size_t count)
{
    unsigned failures = 0;
    struct mono first = {0};
    assert_true(is_failure(&history[count - 1]));
    for (size_t i = count; i-- > 0;) {
        const struct heard *one = &history[i];
        bool ends = one->source != BREAKER_PROBE &&
                    (one->verdict == VERDICT_SUCCESS || one->verdict == VERDICT_THROTTLED);
        if (ends)
            break;
        if (is_failure(one)) {
            failures++;
            first = one->at;
        }
    }
    assert_true(failures >= usual.failures);
    assert_true(mono_between_ms(first, history[count - 1].at) >= usual.time_ms);
}

/* It is said to be up again: enough successes since it opened, and in the time of holding no failure but of
 * what had begun before. */
static void check_closing(const struct heard *history, size_t count, size_t opened, struct mono now)
{
    unsigned successes = 0;
    for (size_t i = opened; i < count; i++)
        successes += history[i].verdict == VERDICT_SUCCESS;
    assert_true(successes >= usual.successes);
    for (size_t i = opened; i < count; i++)
        if (is_failure(&history[i]) && mono_between_ms(history[i].at, now) < usual.hold_ms)
            assert_true(mono_between_ms(history[i].begun, now) >= usual.hold_ms);
}

static void check_deadlines(const struct bench *t)
{
    assert_true(mono_between_ms(t->now, t->b.probe_due) <= usual.idle_ms * 6 / 5);
    assert_true(mono_between_ms(t->now, t->b.not_before) <= usual.backoff.max_ms);
    assert_in_range(breaker_room(&t->b), 1, BREAKER_ROOM_MAX);
    if (t->b.state == BREAKER_OPEN || t->b.state == BREAKER_HALF_OPEN || t->b.throttles > 0)
        assert_int_equal(breaker_room(&t->b), 1);
    if (t->b.state == BREAKER_OPEN)
        assert_int_equal(breaker_flow(&t->b, mono_plus(t->now, INT64_MAX)), FLOW_NONE);
}

static void run_one(uint64_t seed)
{
    struct heard history[STEPS];
    struct bench t;
    bench_init(&t, seed);
    struct mono changed = t.now;
    size_t opened = 0;
    bool was_away = false;
    for (size_t i = 0; i < STEPS; i++) {
        pass(&t, any_time(&t));
        if (was_away && !is_away(&t)) {
            check_closing(history, i, opened, t.now);
            assert_true(mono_between_ms(changed, t.now) >= usual.hold_ms);
            changed = t.now;
        }
        was_away = is_away(&t);
        /* Good times and bad times. */
        history[i] = any_event(&t, (i / 40) % 2 == 0 ? 6 : 1);
        hear_of(&t, history[i].source, history[i].verdict, history[i].begun);
        check_deadlines(&t);
        assert_false(was_away && !is_away(&t)); /* by time alone, once it has held */
        if (!was_away && is_away(&t)) {
            check_opening(history, i + 1);
            opened = i + 1;
            changed = t.now;
        }
        was_away = is_away(&t);
    }
}

static void random_histories(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        run_one(seed);
}

static void it_never_opens_on_throttling_and_refusals(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct bench t;
        bench_init(&t, seed);
        for (int i = 0; i < STEPS; i++) {
            pass(&t, any_time(&t));
            struct heard one = any_event(&t, 0);
            hear_of(&t, one.source, one.verdict, one.begun);
            assert_int_equal(t.b.state, BREAKER_CLOSED);
        }
    }
}

static void it_never_closes_without_success(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct bench t;
        bench_init(&t, seed);
        open_it(&t, VERDICT_DOWN);
        for (int i = 0; i < STEPS; i++) {
            pass(&t, any_time(&t));
            struct heard one = any_event(&t, 4);
            if (one.verdict == VERDICT_SUCCESS)
                continue;
            hear_of(&t, one.source, one.verdict, one.begun);
            assert_int_equal(t.b.state, BREAKER_OPEN);
        }
    }
}

/* From wherever chance has led it: asked only when it wants to be, it opens soon when all fails, and is up
 * soon when all works. */
static void it_always_finds_out(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct bench t;
        bench_init(&t, seed);
        for (unsigned i = 0; i < seed % 50; i++) {
            pass(&t, any_time(&t));
            struct heard one = any_event(&t, 4);
            hear_of(&t, one.source, one.verdict, one.begun);
        }
        struct mono start = t.now;
        while (!is_away(&t) || t.b.state != BREAKER_OPEN) {
            pass(&t,
                 mono_between_ms(t.now, t.b.probe_due) > 0 ? mono_between_ms(t.now, t.b.probe_due) + 1 : 1);
            hear(&t, BREAKER_IDLE_PROBE, VERDICT_DOWN);
            assert_true(mono_between_ms(start, t.now) <= 36000 + 30000 + 7000);
        }
        start = t.now;
        while (is_away(&t)) {
            pass(&t,
                 mono_between_ms(t.now, t.b.probe_due) > 0 ? mono_between_ms(t.now, t.b.probe_due) + 1 : 1);
            hear(&t, BREAKER_IDLE_PROBE, VERDICT_SUCCESS);
            assert_true(mono_between_ms(start, t.now) <= 18000 + 2 * 1000 + 36000 + 10);
        }
        assert_int_equal(breaker_health(&t.b), HEALTH_UP);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_by_count_and_time),
        cmocka_unit_test(it_has_a_word_for_each_trouble),
        cmocka_unit_test(it_closes_by_three_successes_and_says_so_later),
        cmocka_unit_test(it_is_not_met_by_all_at_once),
        cmocka_unit_test(what_was_known_is_taken_on),
        cmocka_unit_test(a_failure_on_the_way_back_opens_it_again),
        cmocka_unit_test(a_query_does_not_make_up_for_uploads_that_fail),
        cmocka_unit_test(an_engine_that_counts_is_not_hidden_by_uploads),
        cmocka_unit_test(an_attempt_puts_the_next_probe_off),
        cmocka_unit_test(hurry_asks_at_once),
        cmocka_unit_test(random_histories),
        cmocka_unit_test(it_never_opens_on_throttling_and_refusals),
        cmocka_unit_test(it_never_closes_without_success),
        cmocka_unit_test(it_always_finds_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
