/* state/leases: what is written is found again, what makes no sense is not believed; and who is alive. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "diskguard/process.h"
#include "diskguard/slots.h"

struct bench {
    char *dir;
    struct spool spool;
    struct slots slots;
};

static void reopen(struct bench *b, bool expect_anew)
{
    struct err err;
    bool is_anew;
    slots_close(&b->slots);
    assert_int_equal(slots_open(&b->slots, &b->spool, &is_anew, &err), 0);
    assert_int_equal(is_anew, expect_anew);
}

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    struct err err;
    bool is_anew;
    assert_non_null(b);
    b->dir = unit_temp_dir();
    assert_int_equal(spool_open(&b->spool, b->dir, "test", &err), 0);
    assert_int_equal(slots_open(&b->slots, &b->spool, &is_anew, &err), 0);
    assert_false(is_anew);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    slots_close(&b->slots);
    spool_close(&b->spool);
    unit_remove_dir(b->dir);
    free(b);
    return 0;
}

static void slots_are_found_again(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 500; i += 7) {
        struct slot slot = {.pid = i + 1, .start = 2, .lease = 3, .seq = 4, .bytes = i, .files = i % 3};
        snprintf(slot.folder, sizeof slot.folder, "D%d", i);
        assert_int_equal(slots_reserve(&b->slots, (size_t)i), 0);
        slots_write(&b->slots, (size_t)i, &slot);
    }
    reopen(b, false);
    for (int i = 0; i < 500; i++) {
        const struct slot *slot = slots_at(&b->slots, (size_t)i);
        assert_int_equal(slot != NULL, i % 7 == 0);
        if (!slot)
            continue;
        char name[16];
        snprintf(name, sizeof name, "D%d", i);
        assert_int_equal(slot->pid, i + 1);
        assert_int_equal(slot->bytes, i);
        assert_int_equal(slot->files, i % 3);
        assert_string_equal(slot->folder, name);
    }
    const struct slot none = {0};
    slots_write(&b->slots, 7, &none);
    reopen(b, false);
    assert_null(slots_at(&b->slots, 7));
    assert_null(slots_at(&b->slots, 1 << 20));
}

static void spoil(const struct bench *b, off_t offset, const char *bytes, off_t size)
{
    int fd = openat(b->spool.state, "leases", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_true(pwrite(fd, bytes, strlen(bytes), offset) == (ssize_t)strlen(bytes));
    close(fd);
}

static void what_makes_no_sense_is_started_anew(void **state)
{
    struct bench *b = *state;
    static const struct {
        off_t offset, size;
    } cases[] = {{0, 4096}, {8, 4096}, {16, 4096}, {0, 100}, {0, 5000}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct slot slot = {.pid = 1, .bytes = 5};
        assert_int_equal(slots_reserve(&b->slots, 0), 0);
        slots_write(&b->slots, 0, &slot);
        slots_close(&b->slots);
        b->slots.fd = -1;
        spoil(b, cases[i].offset, "garbage!", cases[i].size);
        reopen(b, true);
        assert_null(slots_at(&b->slots, 0));
    }
}

static void the_dead_are_told_from_the_living(void **state)
{
    (void)state;
    uint64_t start, again;
    assert_int_equal(process_start_time(getpid(), &start), 0);
    assert_true(process_is_alive(getpid(), start));
    assert_false(process_is_alive(getpid(), start + 1)); /* another process of this pid */
    assert_int_equal(process_start_time(getpid(), &again), 0);
    assert_true(start == again);
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    assert_int_equal(process_start_time(child, &start), 0);
    assert_true(process_is_alive(child, start));
    kill(child, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_false(process_is_alive(child, start)); /* dead, and not waited for */
    waitpid(child, NULL, 0);
    assert_false(process_is_alive(child, start));
    assert_true(process_boot() != 0 && process_boot() == process_boot());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(slots_are_found_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_makes_no_sense_is_started_anew, set_up, tear_down),
        cmocka_unit_test(the_dead_are_told_from_the_living),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
