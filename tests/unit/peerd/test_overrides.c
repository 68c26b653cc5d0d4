/* overrides.h: what operators said, and how all members come to hold the same. */
#include "tests/unit/unit.h"

#include "common/base/file.h"
#include "peerd/failover/board_file.h"

enum { HOUR = 3600 * 1000 };

static const int64_t t0 = INT64_C(1795000000000);

static struct override word(const char *db, enum override_mode mode, const char *at, const char *by)
{
    struct override out = {.mode = mode, .until_ms = t0 + HOUR};
    snprintf(out.db, sizeof out.db, "%s", db);
    snprintf(out.at, sizeof out.at, "%s", at);
    snprintf(out.by, sizeof out.by, "%s", by);
    return out;
}

static struct overrides *make(void)
{
    struct overrides *overrides = calloc(1, sizeof *overrides);
    assert_non_null(overrides);
    return overrides;
}

static void say(struct overrides *overrides, struct override said, int64_t now_ms)
{
    struct err err;
    said.until_ms = now_ms + HOUR;
    if (overrides_say(overrides, &said, now_ms, &err))
        fail_msg("%s", err.text);
}

static void a_word_holds_for_its_time_and_its_database(void **state)
{
    (void)state;
    struct overrides *overrides = make();
    say(overrides, word("B", OVERRIDE_ON, "n2", "n0"), t0);
    say(overrides, word("C", OVERRIDE_OFF, "", "n0"), t0);
    assert_null(overrides_find(overrides, "A", t0));
    assert_int_equal(overrides_find(overrides, "B", t0)->mode, OVERRIDE_ON);
    assert_string_equal(overrides_find(overrides, "B", t0 + HOUR - 1)->at, "n2");
    assert_int_equal(overrides_find(overrides, "C", t0)->mode, OVERRIDE_OFF);
    assert_null(overrides_find(overrides, "B", t0 + HOUR));
    assert_false(overrides_expire(overrides, t0 + HOUR - 1));
    assert_true(overrides_expire(overrides, t0 + HOUR));
    assert_int_equal(overrides->count, 0);
    free(overrides);
}

static void a_later_word_wins_wherever_it_was_said(void **state)
{
    (void)state;
    struct overrides *here = make();
    struct override on = word("B", OVERRIDE_ON, "", "n0"), off = word("B", OVERRIDE_OFF, "", "n1");
    on.set_ms = t0 + 5;
    off.set_ms = t0 + 6;
    assert_true(overrides_hear(here, &on, t0));
    assert_true(overrides_hear(here, &off, t0));
    assert_false(overrides_hear(here, &on, t0));  /* it is older */
    assert_false(overrides_hear(here, &off, t0)); /* no news */
    assert_int_equal(overrides_find(here, "B", t0)->mode, OVERRIDE_OFF);
    say(here, word("B", OVERRIDE_ON, "", "n0"),
        t0 - HOUR / 2); /* our clock is behind: it is later all the same */
    assert_int_equal(overrides_find(here, "B", t0 - HOUR / 2)->mode, OVERRIDE_ON);
    assert_int_equal(overrides_find(here, "B", t0 - HOUR / 2)->set_ms, t0 + 7);
    free(here);
}

/* In whatever order the same words are heard, the same ones hold: also those said at the same millisecond. */
static void all_members_end_with_the_same(void **state)
{
    (void)state;
    struct override words[6];
    static const char *const by[] = {"n0", "n2", "n1"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        words[i] = word("B", (enum override_mode)(i % 3), "", by[i % 3]);
        words[i].set_ms = t0 + (int64_t)(i / 3);
    }
    const struct override *want = &words[4]; /* the latest, of the largest name */
    for (unsigned order = 0; order < 720; order++) {
        struct overrides *here = make();
        size_t left[] = {0, 1, 2, 3, 4, 5};
        unsigned rest = order;
        for (unsigned n = 6; n > 0; n--) {
            unsigned pick = rest % n;
            rest /= n;
            (void)overrides_hear(here, &words[left[pick]], t0);
            memmove(&left[pick], &left[pick + 1], (5 - pick) * sizeof left[0]);
        }
        assert_int_equal(here->count, 1);
        assert_memory_equal(&here->list[0], want, sizeof *want);
        free(here);
    }
}

static void a_clear_is_a_word_that_outlives_what_it_cleared(void **state)
{
    (void)state;
    struct overrides *here = make();
    struct override old = word("B", OVERRIDE_ON, "", "n1");
    old.set_ms = t0;
    old.until_ms = t0 + INT64_C(72) * HOUR;
    assert_true(overrides_hear(here, &old, t0));
    say(here, word("B", OVERRIDE_AUTO, "", "n0"), t0 + 1);
    assert_null(overrides_find(here, "B", t0 + 2));
    (void)overrides_expire(here, t0 + INT64_C(71) * HOUR);
    assert_false(
        overrides_hear(here, &old, t0 + INT64_C(71) * HOUR)); /* a member that was away says it again */
    assert_null(overrides_find(here, "B", t0 + INT64_C(71) * HOUR));
    assert_false(overrides_hear(here, &old, t0 + INT64_C(72) * HOUR)); /* it has ended */
    free(here);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct overrides *here = make();
    struct err err;
    struct override bad[] = {
        word("", OVERRIDE_ON, "", "n0"),      word("a/b", OVERRIDE_ON, "", "n0"),
        word("B", OVERRIDE_ON, "a b", "n0"),  word("B", OVERRIDE_OFF, "n1", "n0"),
        word("B", OVERRIDE_AUTO, "n1", "n0"), word("B", OVERRIDE_ON, "", ""),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(overrides_say(here, &bad[i], t0, &err), -EINVAL);
        assert_true(err.text[0] != '\0');
        assert_false(overrides_hear(here, &bad[i], t0));
    }
    struct override past = word("B", OVERRIDE_ON, "", "n0");
    assert_int_equal(overrides_say(here, &past, t0 + 2 * HOUR, &err), -EINVAL);
    past.until_ms = t0 + OVERRIDE_TTL_MAX_MS + 1;
    assert_int_equal(overrides_say(here, &past, t0, &err), -EINVAL);
    past.until_ms = INT64_MAX; /* a member that says so is believed for a time */
    assert_true(overrides_hear(here, &past, t0));
    assert_int_equal(here->list[0].until_ms, t0 + OVERRIDE_TTL_MAX_MS);
    free(here);
}

static void their_number_is_bounded(void **state)
{
    (void)state;
    struct overrides *here = make();
    struct err err;
    for (unsigned i = 0; i < OVERRIDES_MAX; i++) {
        char db[16];
        snprintf(db, sizeof db, "D%u", (i * 7919) % OVERRIDES_MAX);
        say(here, word(db, OVERRIDE_OFF, "", "n0"), t0);
    }
    struct override more = word("E", OVERRIDE_ON, "", "n0");
    assert_int_equal(overrides_say(here, &more, t0, &err), -ENOSPC);
    assert_false(overrides_hear(here, &more, t0));
    for (size_t i = 1; i < here->count; i++)
        assert_true(strcmp(here->list[i - 1].db, here->list[i].db) < 0);
    free(here);
}

static int load(struct overrides *overrides, const struct spool *spool, int64_t wall_ms, struct err *err)
{
    struct board board = {0};
    int rc = board_file_load(&board, overrides, spool, wall_ms, err);
    board_fini(&board);
    return rc;
}

static void it_survives_a_restart(void **state)
{
    (void)state;
    char *path = unit_temp_dir();
    struct spool spool;
    struct err err;
    struct overrides *here = make(), *again = make();
    if (spool_open(&spool, path, "n0", &err))
        fail_msg("%s", err.text);
    assert_int_equal(load(again, &spool, t0, &err), 0); /* none yet */
    assert_int_equal(again->count, 0);
    say(here, word("B", OVERRIDE_ON, "n2", "n0"), t0);
    say(here, word("Db with space", OVERRIDE_OFF, "", "n0"), t0);
    assert_int_equal(board_file_store(&(struct board){0}, here, &spool, &err), 0);
    assert_int_equal(load(again, &spool, t0, &err), 0);
    assert_int_equal(again->count, here->count);
    assert_memory_equal(again->list, here->list, here->count * sizeof here->list[0]);
    assert_int_equal(load(again, &spool, t0 + HOUR, &err), 0); /* what ended meanwhile is gone */
    assert_int_equal(again->count, 0);

    static const char *const bad[] = {"", "{", "[]", "{\"v\":2,\"overrides\":{}}", "{\"v\":1}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(file_replace(spool.state, "failover.json", bad[i], strlen(bad[i])), 0);
        assert_int_equal(load(again, &spool, t0, &err), 0);
        assert_int_equal(again->count, 0);
        assert_int_equal(faccessat(spool.state, "failover.json", F_OK, 0), -1);
        assert_int_equal(faccessat(spool.state, "failover.json.bad", F_OK, 0), 0);
    }
    spool_close(&spool);
    unit_remove_dir(path);
    free(here);
    free(again);
}

static void count_one(void *arg, const struct override *heard)
{
    (void)heard;
    ++*(unsigned *)arg;
}

static void words_of_later_versions_are_passed_over(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"B\":{\"mode\":\"half\",\"by\":\"n0\",\"set\":1,\"until\":2}}",
        "{\"B\":{\"mode\":\"on\",\"by\":\"n0\",\"set\":\"1\",\"until\":2}}",
        "{\"B\":{\"mode\":\"on\",\"set\":1,\"until\":2}}",
        "{\"B\":{\"by\":\"n0\",\"set\":1,\"until\":2}}",
        "{\"B\\u0001\":{\"mode\":\"on\",\"by\":\"n0\",\"set\":1,\"until\":2}}",
        "{\"B\":7}",
        "[]",
        "7",
    };
    unsigned heard = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        json_t *object = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        assert_non_null(object);
        overrides_read(object, count_one, &heard);
        json_decref(object);
    }
    overrides_read(NULL, count_one, &heard);
    assert_int_equal(heard, 0);
    json_t *good =
        json_loads("{\"B\":{\"mode\":\"on\",\"by\":\"n0\",\"set\":1,\"until\":2,\"why\":\"x\"}}", 0, NULL);
    overrides_read(good, count_one, &heard);
    assert_int_equal(heard, 1);
    json_decref(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_holds_for_its_time_and_its_database),
        cmocka_unit_test(a_later_word_wins_wherever_it_was_said),
        cmocka_unit_test(all_members_end_with_the_same),
        cmocka_unit_test(a_clear_is_a_word_that_outlives_what_it_cleared),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(their_number_is_bounded),
        cmocka_unit_test(it_survives_a_restart),
        cmocka_unit_test(words_of_later_versions_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
