/* The ballast: made, dropped when there is no room, made anew, taken over, and not left half made. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/spool/ballast.h"
#include "common/spool/place.h"

struct fixture {
    char *path;
    struct spool spool;
    struct ballast ballast;
};

static int set_up(void **state)
{
    struct err err;
    struct fixture *f = calloc(1, sizeof *f);
    f->path = unit_temp_dir();
    log_init("test", LEVEL_ERROR, false);
    if (spool_open(&f->spool, f->path, "n1", &err) != 0)
        fail_msg("%s", err.text);
    assert_null(f->spool.ballast);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ballast_fini(&f->ballast);
    spool_close(&f->spool);
    unit_remove_dir(f->path);
    free(f);
    return 0;
}

/* How many are there, each with a block of its own? */
static unsigned on_disk(struct fixture *f)
{
    unsigned count = 0;
    struct stat st;
    for (unsigned i = 0; i < BALLAST_FILES + 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "ballast.test.%u", i);
        if (fstatat(f->spool.state, name, &st, 0) == 0) {
            assert_int_equal(st.st_size, BALLAST_FILE_BYTES);
            assert_true(st.st_blocks * 512 >= BALLAST_FILE_BYTES);
            count++;
        }
    }
    return count;
}

static void test_helps_once(void **state)
{
    struct fixture *f = *state;
    ballast_init(&f->ballast, &f->spool, "test", true);
    assert_ptr_equal(f->spool.ballast, &f->ballast);
    assert_int_equal(on_disk(f), BALLAST_FILES);
    assert_false(ballast_is_spent(&f->ballast));
    assert_false(ballast_helps(&f->ballast, 0));
    assert_false(ballast_helps(&f->ballast, -EIO));
    assert_int_equal(on_disk(f), BALLAST_FILES);
    assert_true(ballast_helps(&f->ballast, -ENOSPC));
    assert_int_equal(on_disk(f), 0);
    assert_true(ballast_is_spent(&f->ballast));
    assert_false(ballast_helps(&f->ballast, -ENOSPC)); /* nothing is left to give: no endless loop */
    assert_false(ballast_helps(NULL, -ENOSPC));
}

static void test_is_made_anew(void **state)
{
    struct fixture *f = *state;
    ballast_init(&f->ballast, &f->spool, "test", true);
    assert_true(ballast_helps(&f->ballast, -EDQUOT));
    ballast_renew(&f->ballast);
    assert_int_equal(on_disk(f), 0); /* not at once: the step that wanted the room is at it */
    f->ballast.renew_at = mono_now();
    ballast_renew(&f->ballast);
    assert_int_equal(on_disk(f), BALLAST_FILES);
    assert_false(ballast_is_spent(&f->ballast));
    assert_true(ballast_helps(&f->ballast, -ENOSPC));
}

/* What a process left is the next one's, also one of which the room was not there any more. */
static void test_is_taken_over(void **state)
{
    struct fixture *f = *state;
    ballast_init(&f->ballast, &f->spool, "test", true);
    ballast_fini(&f->ballast);
    assert_null(f->spool.ballast);
    assert_int_equal(on_disk(f), BALLAST_FILES);
    int fd = openat(f->spool.state, "ballast.test.2", O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
    ballast_init(&f->ballast, &f->spool, "test", false);
    assert_int_equal(ballast_held(&f->ballast), BALLAST_FILES);
    assert_true(ballast_helps(&f->ballast, -ENOSPC));
    assert_int_equal(on_disk(f), 0);
    f->ballast.renew_at = mono_now();
    ballast_renew(&f->ballast); /* one that ends soon makes none */
    assert_int_equal(on_disk(f), 0);
    assert_false(ballast_is_spent(&f->ballast));
}

/* Whoever makes places where there is room does not touch it. */
static void test_is_left_alone_where_there_is_room(void **state)
{
    struct fixture *f = *state;
    struct spool_place place = spool_place(QUEUE_UPLOAD, "D");
    ballast_init(&f->ballast, &f->spool, "test", true);
    int fd = spool_place_open(&f->spool, &place, true);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(on_disk(f), BALLAST_FILES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_helps_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is_taken_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is_left_alone_where_there_is_room, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
