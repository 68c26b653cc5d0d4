/* Scans of real directories against a plain walk of everything, through random renames, growth and deletions.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "common/spool/place.h"
#include "diskguard/account.h"
#include "diskguard/dirs.h"
#include "diskguard/scan.h"

struct bench {
    char *dir;
    struct spool spool;
    struct account account;
    struct scan *scan;
    int64_t now_ms;
};

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    struct err err;
    assert_non_null(b);
    b->dir = unit_temp_dir();
    assert_int_equal(spool_open(&b->spool, b->dir, "test", &err), 0);
    assert_int_equal(account_init(&b->account, INT64_C(1) << 40, 1000), 0);
    assert_int_equal(scan_new(&b->scan, &b->spool, &b->account.files), 0);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    scan_free(b->scan);
    account_fini(&b->account);
    spool_close(&b->spool);
    unit_remove_dir(b->dir);
    free(b);
    return 0;
}

static void scan_all(struct bench *b)
{
    struct err err;
    int64_t freed;
    account_scan_begin(&b->account);
    scan_begin(b->scan, b->now_ms);
    enum scan_result result;
    while ((result = scan_run(b->scan, 50, &err)) == SCAN_GOING)
        ;
    assert_int_equal(result, SCAN_DONE);
    struct files_dirs dirs = scan_dirs(b->scan);
    account_scan_end(&b->account, &dirs, &freed);
}

static int64_t walked;

static int add_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)path, (void)type, (void)where;
    walked += (int64_t)st->st_blocks * 512;
    return 0;
}

static int64_t du(const struct bench *b)
{
    walked = 0;
    nftw(b->dir, add_one, 16, FTW_PHYS);
    return walked;
}

static void put(int dir, const char *name, size_t bytes)
{
    static const char zeros[65536];
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_true(write(fd, zeros, bytes) == (ssize_t)bytes);
    close(fd);
}

static int open_place(const struct bench *b, enum spool_queue queue, const char *db)
{
    struct spool_place place = spool_place(queue, db);
    int fd = spool_place_open(&b->spool, &place, true);
    assert_true(fd >= 0);
    return fd;
}

static void check_equals_du(struct bench *b)
{
    scan_all(b);
    scan_all(b);
    scan_all(b);
    if (account_used(&b->account) != du(b))
        fail_msg("%" PRId64 " in the account, du says %" PRId64, account_used(&b->account), du(b));
}

static void everything_counts(void **state)
{
    struct bench *b = *state;
    check_equals_du(b);
    for (unsigned i = 0; i < QUEUE_COUNT; i++) {
        int dir = open_place(b, (enum spool_queue)i, "D");
        put(dir, "T,-,0000000000000001.csv.gz", 5000 + i * 4096);
        put(dir, "something.tmp", 10000);
        close(dir);
    }
    assert_int_equal(mkdirat(b->spool.fd, "stranger", 0755), 0);
    assert_int_equal(mkdirat(b->spool.fd, "stranger/deep", 0755), 0);
    put(b->spool.fd, "stranger/deep/file", 30000);
    put(b->spool.fd, ".hidden", 9000);
    assert_int_equal(symlinkat("/", b->spool.fd, "stranger/root"), 0);
    put(b->spool.state, "x.json", 100);
    put(b->spool.queues[QUEUE_QUARANTINE], "D/T,-,0000000000000001.csv.gz.why", 300);
    assert_int_equal(mkdirat(b->spool.queues[QUEUE_BATCH], "D/00000000000000ab", 0755), 0);
    put(b->spool.queues[QUEUE_BATCH], "D/00000000000000ab/T,-,0000000000000002.csv.gz", 70000 - 5000);
    check_equals_du(b);
    assert_int_equal(b->account.files.segments, QUEUE_COUNT + 1);
}

static void a_hole_and_a_link_are_counted_as_du_does(void **state)
{
    struct bench *b = *state;
    int dir = open_place(b, QUEUE_SEALED, "D");
    put(dir, "sparse.gz", 4096);
    int fd = openat(dir, "sparse.gz", O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, 1 << 30), 0);
    close(fd);
    put(dir, "a.gz", 20000);
    assert_int_equal(linkat(dir, "a.gz", b->spool.queues[QUEUE_UPLOAD], "a.gz", 0), 0);
    close(dir);
    scan_all(b);
    assert_true(account_used(&b->account) < 1 << 20);
    assert_true(account_used(&b->account) < du(b)); /* nftw counts both names; an inode is one */
}

static void an_unchanged_directory_is_not_read_again(void **state)
{
    struct bench *b = *state;
    int dir = open_place(b, QUEUE_UPLOAD, "D");
    for (int i = 0; i < 100; i++) {
        char name[64];
        snprintf(name, sizeof name, "T,-,%016x.csv.gz", i);
        put(dir, name, 1000);
    }
    scan_all(b);
    /* It was changed just now: until that is some time ago it is read, but nothing in it is looked at. */
    scan_all(b);
    assert_true(scan_figures(b->scan).stats < 40);
    for (int i = 0; i < 1000 && scan_figures(b->scan).dirs_skipped == 0; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        scan_all(b);
    }
    assert_true(scan_figures(b->scan).entries < 60);
    int64_t used = account_used(&b->account);
    assert_true(used == du(b));
    assert_int_equal(unlinkat(dir, "T,-,0000000000000007.csv.gz", 0), 0);
    scan_all(b);
    assert_true(account_used(&b->account) == used && b->account.files.missed_bytes == 4096);
    scan_all(b);
    assert_true(account_used(&b->account) == used - 4096);
    close(dir);
}

/* Deleted long enough ago that the directory counts as unchanged from the next scan on. */
static void what_was_deleted_before_a_directory_rested_is_gone(void **state)
{
    struct bench *b = *state;
    int dir = open_place(b, QUEUE_UPLOAD, "D");
    put(dir, "T,-,0000000000000001.csv.gz", 1000);
    put(dir, "T,-,0000000000000002.csv.gz", 1000);
    check_equals_du(b);
    assert_int_equal(unlinkat(dir, "T,-,0000000000000001.csv.gz", 0), 0);
    nanosleep(&(struct timespec){.tv_nsec = 80000000}, NULL);
    scan_all(b);
    assert_int_equal(scan_figures(b->scan).dirs_skipped, 0);
    scan_all(b);
    assert_int_equal(scan_figures(b->scan).dirs_skipped, 1);
    assert_true(account_used(&b->account) == du(b));
    close(dir);
}

static void a_reused_inode_is_looked_at(void **state)
{
    struct bench *b = *state;
    int dir = open_place(b, QUEUE_SEALED, "D");
    for (int i = 0; i < 40; i++) {
        char name[64];
        snprintf(name, sizeof name, "T,-,%016x.csv.gz", i);
        put(dir, name, (size_t)(i % 5 + 1) * 4000);
        check_equals_du(b);
        assert_int_equal(unlinkat(dir, name, 0), 0);
    }
    close(dir);
}

static const char *pick(int dir, char name[static 256], uint64_t random)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fdopendir(fd);
    assert_non_null(stream);
    *name = '\0';
    for (struct dirent *entry; (entry = readdir(stream));)
        if (entry->d_name[0] != '.' && (!*name || random++ % 3 == 0))
            snprintf(name, 256, "%s", entry->d_name);
    closedir(stream);
    return *name ? name : NULL;
}

static void random_moves_lose_nothing(void **state)
{
    struct bench *b = *state;
    int dirs[QUEUE_COUNT];
    uint64_t random = 4711;
    for (unsigned i = 0; i < QUEUE_COUNT; i++)
        dirs[i] = open_place(b, (enum spool_queue)i, i % 2 ? "A" : "B");
    for (unsigned step = 0; step < 3000; step++) {
        char name[256];
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        int from = dirs[random % QUEUE_COUNT], to = dirs[random / 8 % QUEUE_COUNT];
        const char *file = pick(from, name, random);
        if (random / 64 % 4 == 0 || !file) {
            snprintf(name, sizeof name, "T,-,%016x.csv.gz", step);
            put(dirs[random % 2 ? QUEUE_ACTIVE : QUEUE_INCOMING], name, random / 1024 % 60000);
        } else if (random / 64 % 4 == 1) {
            assert_int_equal(unlinkat(from, file, 0), 0);
        } else {
            assert_int_equal(renameat(from, file, to, file), 0);
        }
        if (step % 10 == 0)
            scan_all(b);
        if (step % 100 == 0)
            check_equals_du(b);
    }
    check_equals_du(b);
    for (unsigned i = 0; i < QUEUE_COUNT; i++)
        close(dirs[i]);
}

static void directories_come_and_go(void **state)
{
    struct bench *b = *state;
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 50; i++) {
            struct spool_place place = spool_group(QUEUE_BATCH, "D", (uint64_t)(round * 50 + i));
            int dir = spool_place_open(&b->spool, &place, true);
            put(dir, "T,-,0000000000000001.csv.gz", 100);
            close(dir);
        }
        scan_all(b);
        assert_true(account_used(&b->account) == du(b));
        for (int i = 0; i < 50; i++) {
            struct spool_place place = spool_group(QUEUE_BATCH, "D", (uint64_t)(round * 50 + i));
            int dir = spool_place_open(&b->spool, &place, false);
            assert_int_equal(unlinkat(dir, "T,-,0000000000000001.csv.gz", 0), 0);
            close(dir);
            char path[SPOOL_PLACE_BYTES];
            assert_int_equal(unlinkat(b->spool.fd, spool_place_text(&place, path), AT_REMOVEDIR), 0);
        }
        check_equals_du(b);
    }
}

/* ext4 puts a block of extents beside a file when it writes it out: as if something were appended here. */
static void a_young_file_is_looked_at_again(void **state)
{
    struct bench *b = *state;
    int dir = open_place(b, QUEUE_UPLOAD, "D");
    put(dir, "T,-,0000000000000001.csv.gz", 65536);
    put(dir, "T,-,0000000000000002.csv.gz", 1000); /* too small to need any */
    for (int i = 0; i < 60; i++) {                 /* until the directory is at rest */
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        scan_all(b);
    }
    assert_int_equal(scan_figures(b->scan).dirs_skipped, 1);
    put(dir, "T,-,0000000000000001.csv.gz", 4096);
    close(dir);
    int64_t before = account_used(&b->account);
    b->now_ms += AGE_MS;
    scan_all(b);
    assert_true(account_used(&b->account) == before);
    b->now_ms += AGE_MS;
    scan_all(b);
    assert_true(account_used(&b->account) == before + 4096 && account_used(&b->account) == du(b));
    enum area area;
    assert_true(account_drift(&b->account, 1, &area) == 0);
}

static void a_refused_segment_counts_as_one(void **state)
{
    struct bench *b = *state;
    int dir = open_place(b, QUEUE_ACTIVE, "D");
    put(dir, "T,-,0000000000000001.csv.gz.bad", 1000);
    put(dir, "T,-,0000000000000002.csv.gz", 1000);
    put(dir, ".T,-,0000000000000003.csv.gz.tmp", 1000);
    close(dir);
    check_equals_du(b);
    assert_int_equal(b->account.files.segments, 2);
}

static int open_descriptors(void)
{
    int count = 0;
    DIR *stream = opendir("/proc/self/fd");
    while (readdir(stream))
        count++;
    closedir(stream);
    return count;
}

static void no_descriptor_is_left_open(void **state)
{
    struct bench *b = *state;
    close(open_place(b, QUEUE_SEALED, "D"));
    int before = open_descriptors();
    for (int i = 0; i < 20; i++)
        scan_all(b);
    account_scan_begin(&b->account);
    scan_begin(b->scan, b->now_ms);
    (void)scan_run(b->scan, 0, NULL); /* left in the middle */
    scan_all(b);
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hole_and_a_link_are_counted_as_du_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unchanged_directory_is_not_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_deleted_before_a_directory_rested_is_gone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_reused_inode_is_looked_at, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_moves_lose_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(directories_come_and_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_young_file_is_looked_at_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_segment_counts_as_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_descriptor_is_left_open, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
