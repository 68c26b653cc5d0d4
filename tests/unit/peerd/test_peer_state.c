/* peer_state.h: what is written is understood, what is not as it should be is refused and said. */
#include "tests/unit/unit.h"

#include "peerd/ring/own.h"
#include "peerd/ring/peer_state.h"

static struct err err;

static struct peer_state *parse(const char *text)
{
    struct peer_state *state = NULL;
    return peer_state_parse(text, strlen(text), &state, &err) == 0 ? state : NULL;
}

static void what_is_written_is_understood(void **unused)
{
    (void)unused;
    struct peer_state *state = peer_state_new("node-1", 1795000000000), *again = NULL;
    struct peer_database *db = peer_state_add(state, "Metrics");
    db->health = HEALTH_DOWN;
    db->since_ms = 1795000000123;
    db->failover.is_active = true;
    snprintf(db->failover.at, sizeof db->failover.at, "node-2");
    db->failover.since_ms = 1795000000456;
    assert_non_null(peer_state_add(state, "A name.with-all_"));
    peer_state_sort(state);
    state->disk_used = 5;
    state->disk_limit = 1LL << 40;
    snprintf(state->pressure, sizeof state->pressure, "high");

    struct buf text;
    buf_init(&text, PEER_STATE_BYTES_MAX);
    assert_int_equal(peer_state_write(state, &text), 0);
    if (peer_state_parse(text.data, text.len, &again, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(again->name, "node-1");
    assert_string_equal(again->version, SPILLWAY_VERSION);
    assert_int_equal(again->incarnation, 1795000000000);
    assert_int_equal(again->disk_used, 5);
    assert_int_equal(again->disk_limit, 1LL << 40);
    assert_string_equal(again->pressure, "high");
    assert_int_equal(again->database_count, 2);
    const struct peer_database *found = peer_state_find(again, "Metrics");
    assert_int_equal(found->health, HEALTH_DOWN);
    assert_int_equal(found->since_ms, 1795000000123);
    assert_true(found->failover.is_active);
    assert_string_equal(found->failover.at, "node-2");
    assert_int_equal(found->failover.since_ms, 1795000000456);
    assert_int_equal(peer_state_find(again, "A name.with-all_")->health, HEALTH_UP);
    assert_null(peer_state_find(again, "Absent"));
    buf_fini(&text);
    peer_state_unref(state);
    peer_state_unref(again);
}

static void what_a_later_version_adds_is_passed_over(void **unused)
{
    (void)unused;
    struct peer_state *state =
        parse("{\"v\":1,\"name\":\"n\",\"future\":[1,{}],\"disk\":{\"used\":1,\"more\":\"x\"},"
              "\"databases\":{\"D\":{\"health\":\"enchanted\",\"failover\":{\"x\":1}},\"E\":{}}}");
    assert_non_null(state);
    assert_int_equal(peer_state_find(state, "D")->health, HEALTH_SUSPECT);
    assert_false(health_is_away(peer_state_find(state, "D")->health));
    assert_int_equal(peer_state_find(state, "E")->health, HEALTH_UP);
    assert_int_equal(state->incarnation, 0);
    assert_string_equal(state->version, "");
    peer_state_unref(state);
    state = parse("{\"v\":1,\"name\":\"n\"}");
    assert_non_null(state);
    assert_int_equal(state->database_count, 0);
    peer_state_unref(state);
}

static void what_is_wrong_is_refused_and_said(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *says;
        int code;
    } cases[] = {
        {"", "JSON", -EINVAL},
        {"[]", "object", -EINVAL},
        {"{\"v\":1", "JSON", -EINVAL},
        {"{}", "\"v\"", -EINVAL},
        {"{\"v\":\"1\"}", "\"v\"", -EINVAL},
        {"{\"v\":2,\"name\":\"n\"}", "version 2", -EPROTO},
        {"{\"v\":1}", "\"name\"", -EINVAL},
        {"{\"v\":1,\"name\":7}", "\"name\"", -EINVAL},
        {"{\"v\":1,\"name\":\"\"}", "\"name\"", -EINVAL},
        {"{\"v\":1,\"name\":\"a/b\"}", "\"name\"", -EINVAL},
        {"{\"v\":1,\"name\":\"..\"}", "\"name\"", -EINVAL},
        {"{\"v\":1,\"name\":\"a\\u0000b\"}", "JSON", -EINVAL},
        {"{\"v\":1,\"name\":\"0123456789012345678901234567890123456789012345678901234567890123\"}",
         "\"name\"", -EINVAL},
        {"{\"v\":1,\"name\":\"n\",\"name\":\"m\"}", "JSON", -EINVAL},
        {"{\"v\":1,\"name\":\"n\",\"version\":\"\\u001b[31m\"}", "\"version\"", -EINVAL},
        {"{\"v\":1,\"name\":\"n\",\"incarnation\":-1}", "\"incarnation\"", -EINVAL},
        {"{\"v\":1,\"name\":\"n\",\"incarnation\":1.5}", "\"incarnation\"", -EINVAL},
        {"{\"v\":1,\"name\":\"n\",\"disk\":[]}", "\"disk\"", -EINVAL},
        {"{\"v\":1,\"name\":\"n\",\"disk\":{\"used\":\"5\"}}", "\"used\"", -EINVAL},
        {"{\"v\":1,\"name\":\"n\",\"databases\":[]}", "\"databases\"", -EINVAL},
        {"{\"v\":1,\"name\":\"n\",\"databases\":{\"a/b\":{}}}", "\"databases\"", -EINVAL},
        {"{\"v\":1,\"name\":\"n\",\"databases\":{\"D\":7}}", "\"databases\"", -EINVAL},
        {"{\"v\":1,\"name\":\"n\",\"databases\":{\"D\":{\"health\":true}}}", "\"health\"", -EINVAL},
        {"{\"v\":1,\"name\":\"n\",\"databases\":{\"D\":{\"failover\":true}}}", "\"failover\"", -EINVAL},
        {"{\"v\":1,\"name\":\"n\",\"databases\":{\"D\":{\"failover\":{\"active\":1}}}}", "\"active\"",
         -EINVAL},
        {"{\"v\":1,\"name\":\"n\",\"databases\":{\"D\":{\"failover\":{\"at\":\"a b\"}}}}", "\"at\"", -EINVAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer_state *state = (struct peer_state *)&err;
        int rc = peer_state_parse(cases[i].text, strlen(cases[i].text), &state, &err);
        if (rc != cases[i].code || !strstr(err.text, cases[i].says))
            fail_msg("%s: %d, %s", cases[i].text, rc, err.text);
        assert_null(state);
    }
}

static void too_many_databases_are_refused(void **unused)
{
    (void)unused;
    struct buf text;
    struct peer_state *state = NULL;
    buf_init(&text, PEER_STATE_BYTES_MAX);
    assert_int_equal(buf_puts(&text, "{\"v\":1,\"name\":\"n\",\"databases\":{"), 0);
    for (int i = 0; i <= PEER_DATABASES_MAX; i++)
        assert_int_equal(buf_printf(&text, "%s\"D%d\":{}", i ? "," : "", i), 0);
    assert_int_equal(buf_puts(&text, "}}"), 0);
    assert_int_equal(peer_state_parse(text.data, text.len, &state, &err), -EINVAL);
    assert_non_null(strstr(err.text, "more than"));
    buf_fini(&text);
}

static void names(void **unused)
{
    (void)unused;
    char longest[PEER_NAME_BYTES + 1];
    memset(longest, 'n', sizeof longest);
    longest[PEER_NAME_BYTES] = '\0';
    assert_false(peer_name_is_valid(longest));
    longest[PEER_NAME_BYTES - 1] = '\0';
    assert_true(peer_name_is_valid(longest));
    assert_true(peer_name_is_valid("ingestor-0.ring_A"));
    static const char *const bad[] = {"", ".", "..", "-x", "a b", "a/b", "\xc3\xa9", "a\n", "a,b", "%41"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(peer_name_is_valid(bad[i]));
}

/* --- our own ---------------------------------------------------------------------------------------- */

static struct peer_state *build(const struct peer_state *before, const char *uploader, const char *guard)
{
    json_t *u = uploader ? json_loads(uploader, 0, NULL) : NULL,
           *g = guard ? json_loads(guard, 0, NULL) : NULL;
    struct peer_state *state = own_build(before, u, g);
    assert_non_null(state);
    json_decref(u);
    json_decref(g);
    return state;
}

static void own_state_follows_uploader_and_diskguard(void **unused)
{
    (void)unused;
    struct peer_state *start = peer_state_new("me", 42);
    struct peer_state *first = build(
        start,
        "{\"databases\":{\"D\":{\"health\":\"down\",\"since\":77,\"breaker\":\"recovering\"},\"E\":{\"health\":\"up\"}}}",
        "{\"used_bytes\":10,\"limit_bytes\":20,\"pressure\":\"high\"}");
    assert_string_equal(first->name, "me");
    assert_int_equal(first->incarnation, 42);
    assert_int_equal(peer_state_find(first, "D")->health, HEALTH_DOWN);
    assert_int_equal(peer_state_find(first, "D")->since_ms, 77);
    assert_true(peer_state_find(first, "D")->is_recovering);
    assert_false(peer_state_find(first, "E")->is_recovering);
    assert_int_equal(first->disk_used, 10);
    assert_int_equal(first->disk_limit, 20);
    assert_string_equal(first->pressure, "high");
    int64_t since = peer_state_find(first, "E")->since_ms;
    assert_true(since > 0); /* not said: since we saw it */

    /* uploader is gone: its last words stand; diskguard is gone: nobody knows */
    struct peer_state *second = build(first, NULL, NULL);
    assert_int_equal(peer_state_find(second, "D")->health, HEALTH_DOWN);
    assert_false(peer_state_find(second, "D")->is_recovering); /* but nothing is uploaded meanwhile */
    assert_int_equal(second->disk_used, 0);
    assert_string_equal(second->pressure, "unknown");

    /* back: what did not change keeps its time, a database without a target any more is forgotten */
    struct peer_state *third = build(second, "{\"databases\":{\"E\":{\"health\":\"up\"}}}", NULL);
    assert_null(peer_state_find(third, "D"));
    assert_int_equal(peer_state_find(third, "E")->since_ms, since);
    peer_state_unref(start);
    peer_state_unref(first);
    peer_state_unref(second);
    peer_state_unref(third);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_understood),
        cmocka_unit_test(what_a_later_version_adds_is_passed_over),
        cmocka_unit_test(what_is_wrong_is_refused_and_said),
        cmocka_unit_test(too_many_databases_are_refused),
        cmocka_unit_test(names),
        cmocka_unit_test(own_state_follows_uploader_and_diskguard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
