/* Counting across restarts: each key once, nothing lost to a file that cannot be read now. */
#include "tests/unit/spool/fixture.h"

#include <errno.h>

#include "common/spool/tally.h"

static const char file[] = "test.json";

static struct tally *open_tally(struct fixture *f)
{
    struct err err;
    struct tally *tally = NULL;
    if (tally_new(&tally, &f->spool, file, &err) != 0)
        fail_msg("%s", err.text);
    return tally;
}

static struct tally *open_again(struct fixture *f, struct tally *tally)
{
    tally_free(tally);
    return open_tally(f);
}

static void add_rows(struct tally *tally, const char *db, const char *key, uint64_t rows)
{
    tally_add(tally, db, key, (const struct tally_item[]){{"rows", rows}, {NULL, 0}});
}

static void test_a_key_counts_once(void **state)
{
    struct tally *tally = open_tally(*state);
    add_rows(tally, "A", "1", 10);
    add_rows(tally, "A", "1", 10);
    add_rows(tally, "A", NULL, 3);
    add_rows(tally, "A", NULL, 3);
    assert_int_equal(tally_get(tally, "A", "rows"), 16);
    tally_forget(tally, "1");
    add_rows(tally, "A", "1", 100);
    assert_int_equal(tally_get(tally, "A", "rows"), 116);
    assert_int_equal(tally_get(tally, "A", "others"), 0);
    tally_free(tally);
}

static void test_it_outlives_a_restart(void **state)
{
    struct fixture *f = *state;
    struct tally *tally = open_tally(f);
    add_rows(tally, "A", "1", 10);
    add_rows(tally, "B", "2", 5);
    tally = open_again(f, tally);
    add_rows(tally, "A", "1", 10);
    assert_int_equal(tally_get(tally, "A", "rows"), 10);
    assert_int_equal(tally_get(tally, NULL, "rows"), 15);
    tally_forget_all(tally);
    add_rows(tally, "A", "1", 10);
    assert_int_equal(tally_get(tally, "A", "rows"), 20);
    tally_free(tally);
}

static void put(struct fixture *f, const char *text)
{
    assert_int_equal(file_replace(f->spool.state, file, text, strlen(text)), 0);
}

static void assert_kept(struct fixture *f, const char *text)
{
    struct buf kept;
    buf_init(&kept, 4096);
    assert_int_equal(file_read(f->spool.state, "test.json.bad", &kept), 0);
    assert_int_equal(kept.len, strlen(text));
    assert_memory_equal(kept.data ? kept.data : "", text, kept.len);
    buf_fini(&kept);
}

/* A person can still look at it. */
static void test_what_is_not_understood_is_kept(void **state)
{
    static const char *const texts[] = {
        "",
        "{\"v\":1,\"databases\":{\"A\":{\"rows\":7",
        "{\"v\":9,\"databases\":{},\"counted\":{}}",
        "[]",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        put(f, texts[i]);
        struct tally *tally = open_tally(f);
        assert_int_equal(tally_get(tally, NULL, "rows"), 0);
        assert_kept(f, texts[i]);
        add_rows(tally, "A", NULL, 1);
        tally = open_again(f, tally);
        assert_int_equal(tally_get(tally, "A", "rows"), 1);
        tally_free(tally);
    }
}

/* A disk in trouble is no reason to forget; a directory of that name cannot be read as a file. */
static void test_what_cannot_be_read_stays(void **state)
{
    struct err err;
    struct stat st;
    struct fixture *f = *state;
    struct tally *tally = NULL;
    assert_int_equal(mkdirat(f->spool.state, file, 0755), 0);
    assert_int_equal(tally_new(&tally, &f->spool, file, &err), -EISDIR);
    assert_null(tally);
    assert_non_null(strstr(err.text, "state/test.json"));
    assert_int_equal(fstatat(f->spool.state, file, &st, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_key_counts_once, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_it_outlives_a_restart, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_understood_is_kept, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_read_stays, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
