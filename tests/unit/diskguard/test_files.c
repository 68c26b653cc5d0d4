/* The table of files against a plain list: every sum right after every scan, whatever collides, moves, grows
 * and goes. */
#include "tests/unit/unit.h"

#include "diskguard/files.h"

enum { NAMES = 4000, SCANS = 60 };

struct known {
    int64_t bytes;
    unsigned area;
    bool is_there;
    int misses; /* 2: forgotten */
};

static uint64_t random_state = 88172645463325252u;

static uint64_t draw(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static bool is_skipped_none(const void *arg, uint32_t dir)
{
    (void)arg, (void)dir;
    return false;
}

static bool is_skipped_seven(const void *arg, uint32_t dir)
{
    (void)arg;
    return dir == 7;
}

static void forget(void *arg, uint32_t dir)
{
    (void)dir;
    ++*(int *)arg;
}

static void sums_are_those_of_a_plain_list(void **state)
{
    (void)state;
    static struct known list[NAMES];
    struct databases databases;
    struct files files;
    int forgotten = 0;
    const struct files_dirs dirs = {.is_skipped = is_skipped_none, .forget = forget, .arg = &forgotten};
    assert_int_equal(databases_init(&databases), 0);
    assert_int_equal(files_init(&files, &databases), 0);
    for (int scan = 0; scan < SCANS; scan++) {
        int64_t area_bytes[AREA_COUNT] = {0}, bytes = 0;
        size_t count = 0;
        files_begin(&files);
        for (uint64_t i = 0; i < NAMES; i++) {
            struct known *k = &list[i];
            if (draw(4) == 0)
                *k = (struct known){
                    .bytes = (int64_t)draw(1 << 20), .area = (unsigned)draw(AREA_COUNT), .is_there = true};
            else if (draw(5) == 0)
                k->is_there = false;
            k->misses = k->is_there ? 0 : k->misses + 1;
            /* inodes that are near each other, and some that collide */
            const struct file_entry now = {
                .inode = 1 + (i << (i % 3 * 20)), .bytes = k->bytes, .area = k->area & 15};
            if (k->is_there)
                assert_int_equal(files_see(&files, &now), 0);
        }
        files_end(&files, &dirs);
        for (size_t i = 0; i < NAMES; i++) {
            const struct known *k = &list[i];
            bool counts = k->is_there || (k->misses == 1 && k->bytes);
            if (!counts)
                continue;
            bytes += k->bytes;
            area_bytes[k->area] += k->bytes;
            count++;
        }
        assert_true(files.bytes == bytes);
        for (size_t area = 0; area < AREA_COUNT; area++)
            assert_true(databases.list[0].bytes[area] == area_bytes[area]);
        assert_true(files.count >= count && files.count <= count + NAMES / 100);
    }
    files_fini(&files);
    databases_fini(&databases);
}

static void a_rename_is_no_news(void **state)
{
    (void)state;
    struct databases databases;
    struct files files;
    int forgotten = 0;
    const struct files_dirs dirs = {.is_skipped = is_skipped_none, .forget = forget, .arg = &forgotten};
    assert_int_equal(databases_init(&databases), 0);
    assert_int_equal(files_init(&files, &databases), 0);
    for (unsigned area = 0; area < QUEUE_COUNT; area++) {
        const struct file_entry now = {.inode = 5, .bytes = 4096, .area = area & 15, .is_segment = 1};
        files_begin(&files);
        assert_int_equal(files_see(&files, &now), 0);
        assert_true(databases.list[0].growth[area] == (area ? 0 : 4096));
        files_end(&files, &dirs);
        assert_true(files.bytes == 4096 && files.segments == 1);
        assert_true(databases.list[0].bytes[area] == 4096);
    }
    files_fini(&files);
    databases_fini(&databases);
}

static void files_of_a_skipped_directory_stay(void **state)
{
    (void)state;
    struct databases databases;
    struct files files;
    int forgotten = 0;
    struct files_dirs dirs = {.is_skipped = is_skipped_seven, .forget = forget, .arg = &forgotten};
    const struct file_entry in_seven = {.inode = 5, .bytes = 4096, .dir = 7};
    const struct file_entry in_eight = {.inode = 6, .bytes = 512, .dir = 8};
    const struct file_entry eight = {.inode = 8, .bytes = 100, .dir = 8, .is_dir = 1};
    assert_int_equal(databases_init(&databases), 0);
    assert_int_equal(files_init(&files, &databases), 0);
    files_begin(&files);
    assert_int_equal(files_see(&files, &in_seven), 0);
    assert_int_equal(files_see(&files, &in_eight), 0);
    assert_int_equal(files_see(&files, &eight), 0);
    files_end(&files, &dirs);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(forgotten, i > 1);
        files_begin(&files);
        files_end(&files, &dirs);
    }
    assert_int_equal(forgotten, 1);
    assert_true(files.bytes == 4096 && files.count == 1);
    dirs.is_skipped = is_skipped_none;
    files_begin(&files);
    files_end(&files, &dirs);
    assert_true(files.missed_bytes == 4096 && files.bytes == 4096);
    files_begin(&files);
    assert_true(files_end(&files, &dirs) == 4096);
    assert_true(files.bytes == 0 && files.count == 0);
    files_fini(&files);
    databases_fini(&databases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_a_plain_list),
        cmocka_unit_test(a_rename_is_no_news),
        cmocka_unit_test(files_of_a_skipped_directory_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
