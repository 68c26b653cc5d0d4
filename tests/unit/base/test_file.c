#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/base/buf.h"
#include "common/base/file.h"

static char *path;
static int dir;

static int set_up(void **state)
{
    (void)state;
    path = unit_temp_dir();
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(dir);
    unit_remove_dir(path);
    return 0;
}

static size_t count_entries(void)
{
    size_t count = 0;
    DIR *listing = opendir(path);
    while (readdir(listing))
        count++;
    closedir(listing);
    return count - 2;
}

static void replaces_whole(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    assert_int_equal(file_replace(dir, "x", "old", 3), 0);
    assert_int_equal(file_replace(dir, "x", "newer", 5), 0);
    assert_int_equal(file_replace_lazily(dir, "y", "", 0), 0);
    assert_int_equal(file_read(dir, "x", &buf), 0);
    assert_string_equal(buf.data, "newer");
    assert_int_equal(count_entries(), 2); /* nothing temporary stays */
    buf_fini(&buf);
}

static void takes_the_longest_names(void **state)
{
    (void)state;
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    assert_int_equal(file_replace(dir, name, "a", 1), 0);
    assert_int_equal(count_entries(), 1);
}

/* What a process that died has left goes; what is being written, and what is no temporary file, stays. */
static void sweeps_what_nobody_writes(void **state)
{
    (void)state;
    static const char *const names[] = {".77-1.tmp", ".77-2.tmp", "77-3.tmp", ".tmp", ".77.new"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        close(openat(dir, names[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    int used = openat(dir, ".77-2.tmp", O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(used, LOCK_EX), 0);
    file_sweep(dir);
    assert_int_equal(count_entries(), ARRAY_LEN(names) - 1);
    assert_true(faccessat(dir, ".77-1.tmp", F_OK, 0) != 0);
    close(used);
}

/* The rename cannot happen: the old content stays, and the temporary file goes. */
static void failing_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(mkdirat(dir, "z", 0755), 0);
    assert_int_equal(file_replace(dir, "z", "a", 1), -EISDIR);
    assert_int_equal(count_entries(), 1);
    assert_int_equal(file_replace(-1, "z", "a", 1), -EBADF);
}

static void reads_within_its_ceiling(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4);
    assert_int_equal(file_replace(dir, "x", "12345", 5), 0);
    assert_int_equal(file_read(dir, "x", &buf), -EFBIG);
    assert_int_equal(file_read(dir, "absent", &buf), -ENOENT);
    buf_fini(&buf);
}

static void read_at_tells_the_end(void **state)
{
    (void)state;
    char bytes[8];
    assert_int_equal(file_replace(dir, "x", "12345", 5), 0);
    int fd = openat(dir, "x", O_RDONLY | O_CLOEXEC);
    assert_int_equal(file_read_at(fd, bytes, 3, 2), 0);
    assert_memory_equal(bytes, "345", 3);
    assert_int_equal(file_read_at(fd, bytes, 4, 2), -ENODATA);
    close(fd);
}

static void buffers_hold_their_ceiling(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    assert_int_equal(buf_puts(&buf, "12345"), 0);
    assert_int_equal(buf_printf(&buf, "%s", "678901"), -ENOSPC);
    assert_int_equal(buf.len, 5);
    assert_int_equal(buf_printf(&buf, "%d", 67890), 0);
    assert_string_equal(buf.data, "1234567890");
    assert_int_equal(buf_reserve(&buf, SIZE_MAX), -ENOSPC);
    buf_clear(&buf);
    assert_string_equal(buf.data, "");
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replaces_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_the_longest_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sweeps_what_nobody_writes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failing_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_within_its_ceiling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(read_at_tells_the_end, set_up, tear_down),
        cmocka_unit_test(buffers_hold_their_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
