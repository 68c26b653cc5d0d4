/* listing.h: the entries of a directory, also of one that goes away meanwhile. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "diskguard/listing.h"

static void each_entry_comes_once(void **state)
{
    (void)state;
    enum { FILES = 3000 };
    char *path = unit_temp_dir();
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;
    for (int i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d", i);
        close(openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    }
    struct listing listing;
    assert_int_equal(listing_open(&listing, dir, "."), 0);
    unsigned seen = 0;
    while (listing_next(&listing, &rc))
        seen++;
    assert_int_equal(rc, 0);
    assert_int_equal(seen, FILES);
    listing_close(&listing);
    close(dir);
    unit_remove_dir(path);
}

/* A batch that was done while a scan was looking at it: no failure of the scan. */
static void a_directory_that_was_removed_is_at_its_end(void **state)
{
    (void)state;
    char *path = unit_temp_dir();
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 1;
    assert_int_equal(mkdirat(dir, "batch", 0700), 0);
    struct listing listing;
    assert_int_equal(listing_open(&listing, dir, "batch"), 0);
    assert_int_equal(unlinkat(dir, "batch", AT_REMOVEDIR), 0);
    assert_null(listing_next(&listing, &rc));
    assert_int_equal(rc, 0);
    listing_close(&listing);
    assert_int_equal(listing_open(&listing, dir, "batch"), -ENOENT);
    close(dir);
    unit_remove_dir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_entry_comes_once),
        cmocka_unit_test(a_directory_that_was_removed_is_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
