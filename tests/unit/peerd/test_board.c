/* What is known of each database: found again, in order, however many come in whatever order. */
#include "tests/unit/unit.h"

#include "peerd/failover/board.h"

static void test_many(void **state UNUSED)
{
    enum { COUNT = 200, STEP = 37 };
    struct board board = {0};
    char db[32];
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(db, sizeof db, "Db%u", i * STEP % COUNT);
        struct board_entry *entry = board_make(&board, db);
        assert_non_null(entry);
        assert_string_equal(entry->db, db);
        entry->went_on = i * STEP % COUNT;
        assert_ptr_equal(board_make(&board, db), entry);
        free(malloc(4096 + i * 64)); /* so that the list moves at times */
    }
    assert_int_equal(board.count, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(db, sizeof db, "Db%u", i);
        assert_int_equal(board_find(&board, db)->went_on, i);
        assert_true(i == 0 || strcmp(board.list[i - 1].db, board.list[i].db) < 0);
    }
    assert_null(board_find(&board, "Db"));
    board_fini(&board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many)};
    return cmocka_run_group_tests_name("peerd/board", tests, NULL, NULL);
}
