/* arrivals.h: what came is counted once, across folding, processes and crashes. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/segment/name.h"
#include "common/spool/arrivals.h"

enum { MANY = 80000, ROWS = 3 }; /* more than one fold of 4 MiB */

static const char long_folder[] = "A_folder_with_a_name_of_some_length_so_that_a_log_is_full_the_sooner";

struct fixture {
    char *path;
    struct spool spool;
};

static int set_up(void **state)
{
    struct fixture *f = *state = calloc(1, sizeof *f);
    struct err err;
    f->path = unit_temp_dir();
    if (spool_open(&f->spool, f->path, "n0", &err))
        fail_msg("%s", err.text);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    spool_close(&f->spool);
    unit_remove_dir(f->path);
    free(f);
    return 0;
}

static void note(struct fixture *f, const char *folder, uint64_t id)
{
    char file[NAME_FILE_MAX_BYTES + 1];
    const struct segment_name name = {.table = "T", .id = id, .format = SEGMENT_CSV};
    assert_int_equal(segment_name_build(&name, file), NAME_OK);
    arrivals_note(&f->spool, folder, file, ROWS, ROWS * 10);
}

static uint64_t rows_of(const struct fixture *f, const char *folder)
{
    struct arrivals arrivals;
    uint64_t rows = 0;
    int rc = arrivals_read(&arrivals, &f->spool);
    assert_true(rc == 0 || rc == -ENOENT);
    for (size_t i = 0; i < arrivals.count; i++)
        if (strcmp(arrivals.sums[i].folder, folder) == 0)
            rows = arrivals.sums[i].rows;
    arrivals_fini(&arrivals);
    return rows;
}

static void each_segment_counts_once(void **state)
{
    struct fixture *f = *state;
    struct arrivals arrivals;
    assert_int_equal(rows_of(f, "D"), 0);
    note(f, "D", 7);
    note(f, "E", 8);
    note(f, "D", 9);
    note(f, "D", 7); /* its writer died before the rename, and it was adopted */
    assert_int_equal(rows_of(f, "D"), 2 * ROWS);
    assert_int_equal(rows_of(f, "E"), ROWS);
    assert_int_equal(arrivals_read(&arrivals, &f->spool), 0);
    assert_true(arrivals_has(&arrivals, 7) && arrivals_has(&arrivals, 8) && arrivals_has(&arrivals, 9));
    assert_false(arrivals_has(&arrivals, 6) || arrivals_has(&arrivals, 10));
    arrivals_fini(&arrivals);
}

static void half_a_line_is_nothing(void **state)
{
    struct fixture *f = *state;
    note(f, "D", 7);
    int fd = openat(f->spool.state, "arrivals.log", O_WRONLY | O_APPEND);
    assert_int_equal(file_write_all(fd, "0000000000000008 3 30 D", 23), 0);
    close(fd);
    assert_int_equal(rows_of(f, "D"), ROWS);
}

static void it_is_folded_and_stays_exact(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    for (uint64_t id = 1; id <= MANY; id++)
        note(f, id % 2 ? "D" : long_folder, id);
    assert_int_equal(rows_of(f, "D"), MANY / 2 * ROWS);
    assert_int_equal(fstatat(f->spool.state, "arrivals.json", &st, 0), 0);
    assert_int_equal(fstatat(f->spool.state, "arrivals.log", &st, 0), 0);
    assert_true(st.st_size < 5 << 20);
}

/* Several writers at once, one of which folds. */
static void processes_share_it(void **state)
{
    enum { WRITERS = 4 };
    struct fixture *f = *state;
    for (uint64_t w = 0; w < WRITERS; w++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (uint64_t i = 0; i < MANY / WRITERS; i++)
                note(f, long_folder, w * MANY + i + 1);
            _exit(0);
        }
    }
    for (int w = 0; w < WRITERS; w++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(rows_of(f, long_folder), MANY * ROWS);
}

static void dying_while_folding_counts_nothing_twice(void **state)
{
    static const char *const points[] = {"arrivals:after-rename", "arrivals:after-sums"};
    struct fixture *f = *state;
    uint64_t id = 0;
    for (size_t p = 0; p < ARRAY_LEN(points); p++) {
        int status;
        int pipe_of[2];
        assert_int_equal(pipe(pipe_of), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            crash_at = points[p];
            for (;;) {
                id++;
                (void)!write(pipe_of[1], &id, sizeof id);
                note(f, long_folder, id);
            }
        }
        close(pipe_of[1]);
        for (uint64_t last; read(pipe_of[0], &last, sizeof last) == (ssize_t)sizeof last;)
            id = last;
        close(pipe_of[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(rows_of(f, long_folder), id * ROWS); /* to the last one: it was noted before */
        note(f, long_folder, ++id);
        assert_int_equal(rows_of(f, long_folder), id * ROWS);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_segment_counts_once),
        TEST(half_a_line_is_nothing),
        TEST(it_is_folded_and_stays_exact),
        TEST(processes_share_it),
        TEST(dying_while_folding_counts_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
