/* What answers mean, what is done with our copy, and for how long a peer is left alone. */
#include "tests/unit/unit.h"

#include "peerd/send/links.h"

static struct answer read_one(struct answer_facts facts)
{
    struct answer answer;
    if (facts.body)
        facts.body_bytes = strlen(facts.body);
    answer_read(&facts, &answer);
    return answer;
}

static enum fate fate_of(long status)
{
    return read_one((struct answer_facts){.status = status, .is_complete = true, .has_left = true}).fate;
}

static void each_answer_has_its_meaning(void **state)
{
    (void)state;
    assert_int_equal(fate_of(202), FATE_DELIVERED);
    assert_int_equal(fate_of(200), FATE_DELIVERED);
    assert_int_equal(fate_of(400), FATE_REFUSED);
    assert_int_equal(fate_of(401), FATE_UNAUTHORISED);
    assert_int_equal(fate_of(403), FATE_UNAUTHORISED);
    assert_int_equal(fate_of(409), FATE_CONFLICT);
    assert_int_equal(fate_of(413), FATE_TOO_LARGE);
    assert_int_equal(fate_of(429), FATE_NO_BUDGET);
    assert_int_equal(fate_of(503), FATE_NOT_READY);
    static const long foreign[] = {301, 302, 404, 405, 411, 415, 418, 431};
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
        assert_int_equal(fate_of(foreign[i]), FATE_FOREIGN);
    static const long says_nothing[] = {201, 204, 500, 502, 504};
    for (size_t i = 0; i < ARRAY_LEN(says_nothing); i++)
        assert_int_equal(fate_of(says_nothing[i]), FATE_UNKNOWN);
}

static void what_was_not_answered_is_unknown_once_something_left(void **state)
{
    (void)state;
    struct answer a = read_one((struct answer_facts){.failure = "refused"});
    assert_int_equal(a.fate, FATE_UNREACHABLE);
    assert_string_equal(a.why, "refused");
    a = read_one((struct answer_facts){.failure = "reset", .has_left = true});
    assert_int_equal(a.fate, FATE_UNKNOWN);
    a = read_one((struct answer_facts){.status = 100, .failure = "reset", .has_left = true});
    assert_int_equal(a.fate, FATE_UNKNOWN); /* "continue" is no answer */
    a = read_one((struct answer_facts){.status = 100, .failure = "reset"});
    assert_int_equal(a.fate, FATE_UNREACHABLE);
    a = read_one((struct answer_facts){.status = 202, .failure = "cut", .has_left = true});
    assert_int_equal(a.fate, FATE_UNKNOWN); /* the word that lets us delete must have come whole */
    a = read_one((struct answer_facts){.status = 429, .failure = "reset", .has_left = true});
    assert_int_equal(a.fate, FATE_NO_BUDGET); /* a refusal while we were still sending is one */
}

static void words_are_taken_from_json_or_as_they_are(void **state)
{
    (void)state;
    struct answer a = read_one(
        (struct answer_facts){.status = 400,
                              .is_complete = true,
                              .body = "{\"v\":1,\"code\":\"unknown-database\",\"why\":\"no X here\"}"});
    assert_string_equal(a.code, "unknown-database");
    assert_string_equal(a.why, "no X here");
    assert_int_equal(a.fate, FATE_REFUSED);
    a = read_one(
        (struct answer_facts){.status = 400, .is_complete = true, .body = "{\"code\":\"wrong-peer\"}"});
    assert_int_equal(a.fate, FATE_MISNAMED);
    a = read_one((struct answer_facts){.status = 502, .is_complete = true, .body = "<h1>\tBad</h1>\nmore"});
    assert_string_equal(a.why, "<h1>?Bad</h1>");
    a = read_one((struct answer_facts){
        .status = 429, .is_complete = true, .failover = "D", .retry_after_ms = INT64_MAX, .body = "[1]"});
    assert_string_equal(a.failover, "D");
    assert_int_equal(a.retry_after_ms, ANSWER_RETRY_AFTER_MAX_MS);
    a = read_one((struct answer_facts){.status = 503, .is_complete = true, .failover = "D"});
    assert_string_equal(a.failover, "");
}

/* The table of failover.md: what is done with a copy that nobody else can have, and with one that somebody
 * may. */
static void our_copy_goes_only_where_that_is_right(void **state)
{
    (void)state;
    static const struct {
        enum fate fate;
        enum disposal sure, in_doubt;
    } table[FATE_COUNT] = {
        {FATE_DELIVERED, DISPOSE_DONE, DISPOSE_DONE},
        {FATE_REFUSED, DISPOSE_QUARANTINE, DISPOSE_KEEP},
        {FATE_CONFLICT, DISPOSE_QUARANTINE, DISPOSE_QUARANTINE},
        {FATE_MISNAMED, DISPOSE_DIVERT, DISPOSE_KEEP},
        {FATE_UNAUTHORISED, DISPOSE_KEEP, DISPOSE_KEEP},
        {FATE_TOO_LARGE, DISPOSE_DIVERT, DISPOSE_KEEP},
        {FATE_NO_BUDGET, DISPOSE_DIVERT, DISPOSE_KEEP},
        {FATE_NOT_READY, DISPOSE_KEEP, DISPOSE_KEEP},
        {FATE_FOREIGN, DISPOSE_DIVERT, DISPOSE_KEEP},
        {FATE_UNREACHABLE, DISPOSE_DIVERT, DISPOSE_KEEP},
        {FATE_UNKNOWN, DISPOSE_KEEP, DISPOSE_KEEP},
        {FATE_LOCAL, DISPOSE_KEEP, DISPOSE_KEEP},
    };
    for (size_t i = 0; i < FATE_COUNT; i++) {
        assert_int_equal(answer_dispose(table[i].fate, false), table[i].sure);
        assert_int_equal(answer_dispose(table[i].fate, true), table[i].in_doubt);
        assert_int_equal(answer_is_in_doubt(table[i].fate, false), table[i].fate == FATE_UNKNOWN);
        assert_true(answer_is_in_doubt(table[i].fate, true));
        assert_non_null(fate_word(table[i].fate));
    }
}

static int64_t trouble(enum fate fate, int64_t retry_after_ms, const char *failover)
{
    struct answer answer = {.fate = fate, .retry_after_ms = retry_after_ms};
    snprintf(answer.failover, sizeof answer.failover, "%s", failover);
    return link_trouble_ms(&answer, 60000);
}

static void a_peer_in_trouble_is_left_alone_for_a_minute_or_as_it_says(void **state)
{
    (void)state;
    assert_int_equal(trouble(FATE_NO_BUDGET, 0, ""), 60000);
    assert_int_equal(trouble(FATE_NO_BUDGET, 59000, ""), 60000);
    assert_int_equal(trouble(FATE_NO_BUDGET, 61000, ""), 61000);
    assert_int_equal(trouble(FATE_NO_BUDGET, 61000, "D"), 0); /* of that database only */
    assert_int_equal(trouble(FATE_UNREACHABLE, 0, ""), 60000);
    assert_int_equal(trouble(FATE_UNKNOWN, 0, ""), 60000);
    assert_int_equal(trouble(FATE_UNAUTHORISED, 0, ""), 60000);
    assert_int_equal(trouble(FATE_MISNAMED, 0, ""), 60000);
    assert_int_equal(trouble(FATE_FOREIGN, 0, ""), 60000);
    assert_int_equal(trouble(FATE_NOT_READY, 2000, ""), 2000);
    assert_int_equal(trouble(FATE_NOT_READY, 0, ""), 5000);
    static const enum fate fine[] = {FATE_DELIVERED, FATE_REFUSED, FATE_CONFLICT, FATE_TOO_LARGE, FATE_LOCAL};
    for (size_t i = 0; i < ARRAY_LEN(fine); i++)
        assert_int_equal(trouble(fine[i], 99000, ""), 0);
}

static void a_link_remembers_its_last_failure_and_recovers(void **state)
{
    (void)state;
    struct links links = {0};
    struct link *link = links_get(&links, "b");
    assert_ptr_equal(link, links_get(&links, "b"));
    assert_false(link_is_in_trouble(link));
    link_note(link, &(struct answer){.fate = FATE_UNREACHABLE, .why = "no route"}, 60000);
    assert_true(link_is_in_trouble(link));
    assert_string_equal(link->cause, "no route");
    link_note(link, &(struct answer){.fate = FATE_LOCAL}, 60000); /* ours: says nothing of it */
    assert_true(link_is_in_trouble(link));
    assert_int_equal(link->failures, 1);
    link_note(link, &(struct answer){.fate = FATE_DELIVERED}, 60000);
    assert_false(link_is_in_trouble(link));
    assert_int_equal(link->fate, FATE_UNREACHABLE); /* what it was is still shown */
    assert_false(link_is_in_trouble(links_get(&links, "c")));
    links_fini(&links);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_has_its_meaning),
        cmocka_unit_test(what_was_not_answered_is_unknown_once_something_left),
        cmocka_unit_test(words_are_taken_from_json_or_as_they_are),
        cmocka_unit_test(our_copy_goes_only_where_that_is_right),
        cmocka_unit_test(a_peer_in_trouble_is_left_alone_for_a_minute_or_as_it_says),
        cmocka_unit_test(a_link_remembers_its_last_failure_and_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
