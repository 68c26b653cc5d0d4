/* Adoption: every kind of orphan, and what is left alone. Crash points of rows are tried in
 * tests/system/walwriter.bats, those of refused rows here. */
#include "tests/unit/spool/fixture.h"

#include <sys/file.h>
#include <sys/wait.h>

#include "common/base/crash.h"
#include "common/spool/lock.h"

static const struct adopt_options options = {.durable = true, .guarded = false};

/* An orphan of `blocks` blocks of 1000 rows; its name in `w->file`. */
static struct writer leave_orphan(struct fixture *f, enum writer_fate fate, unsigned blocks)
{
    struct writer w;
    struct err err;
    assert_int_equal(writer_create(&w, &f->spool, f->lease, &f->origin, fate, &err), 0);
    for (unsigned i = 0; i < blocks; i++)
        assert_int_equal(append_block(f, &w, i * 1000, 1000), 0);
    writer_abandon(&w);
    return w;
}

static int active_dir(struct fixture *f)
{
    struct spool_place place = spool_place(QUEUE_ACTIVE, f->origin.db_folder);
    return spool_place_open(&f->spool, &place, true);
}

static void overwrite(struct fixture *f, const char *name, const void *data, size_t bytes, off_t offset)
{
    int dir = active_dir(f), fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, bytes, offset), bytes);
    close(fd);
    close(dir);
}

static struct adopt_result adopt(struct fixture *f)
{
    struct adopt_result result;
    struct err err;
    assert_int_equal(adopt_orphans(&f->spool, &options, &result, &err), 0);
    return result;
}

/* No file of any kind is left in active/. */
static void check_active_is_empty(struct fixture *f)
{
    int dir = active_dir(f);
    assert_int_equal(unlinkat(f->spool.queues[QUEUE_ACTIVE], f->origin.db_folder, AT_REMOVEDIR), 0);
    close(dir);
}

static void a_whole_file_is_sealed(void **state)
{
    struct fixture *f = *state;
    leave_orphan(f, WRITER_ROWS, 3);
    struct adopt_result result = adopt(f);
    assert_int_equal(result.sealed, 1);
    assert_int_equal(result.rows, 3000);
    assert_int_equal(summary_of(f, QUEUE_SEALED).rows, 3000);
    check_active_is_empty(f);
}

static void a_torn_tail_is_cut_off(void **state)
{
    struct fixture *f = *state;
    uint8_t member[65536];
    struct writer w = leave_orphan(f, WRITER_ROWS, 3);
    size_t bytes = make_block(f, 9000, 1000, member);
    overwrite(f, w.file, member, bytes - 1, (off_t)w.size_bytes);
    struct adopt_result result = adopt(f);
    assert_int_equal(result.torn_bytes, bytes - 1);
    struct scan_summary found = summary_of(f, QUEUE_SEALED);
    assert_int_equal(found.rows, 3000);
    assert_int_equal(found.tail_bytes, 0);
    check_active_is_empty(f);
}

static void zeros_in_the_middle_are_damage(void **state)
{
    struct fixture *f = *state;
    char name[SPOOL_NAME_BYTES];
    struct writer w = leave_orphan(f, WRITER_ROWS, 3);
    overwrite(f, w.file, "\0\0\0\0", 4, (off_t)w.size_bytes / 2);
    struct adopt_result result = adopt(f);
    assert_int_equal(result.salvaged, 1);
    assert_int_equal(result.quarantined, 1);
    struct scan_summary found = summary_of(f, QUEUE_SEALED);
    assert_int_equal(found.rows, 2000);
    assert_int_equal(found.damaged_bytes + found.tail_bytes, 0);
    assert_true(summary_of(f, QUEUE_QUARANTINE).damaged_bytes > 0);
    assert_int_equal(files_in(f, QUEUE_SEALED, name), 1);
    assert_string_equal(name, w.file);
    check_active_is_empty(f);
}

static void files_without_rows_are_removed(void **state)
{
    struct fixture *f = *state;
    static const uint8_t zeros[100000];
    char name[SPOOL_NAME_BYTES];
    leave_orphan(f, WRITER_ROWS, 0);
    leave_orphan(f, WRITER_REFUSED, 0);
    overwrite(f, "T,-,0000000000000001.csv.gz", "", 0, 0);
    overwrite(f, "T,-,0000000000000002.csv.gz", zeros, sizeof zeros, 0);
    overwrite(f, "T,-,0000000000000003.csv.gz", "\x1f\x8b\x08\x04", 4, 0);
    assert_int_equal(adopt(f).removed, 5);
    assert_int_equal(files_in(f, QUEUE_QUARANTINE, name), 0);
    check_active_is_empty(f);
}

static void what_nobody_understands_is_for_a_human(void **state)
{
    struct fixture *f = *state;
    char name[SPOOL_NAME_BYTES];
    static uint8_t noise[100000];
    memset(noise, 'x', sizeof noise);
    overwrite(f, "T,-,0000000000000002.csv.gz", noise, sizeof noise, 0);
    overwrite(f, "strange.gz", "strange", 7, 0);
    assert_int_equal(adopt(f).quarantined, 2);
    assert_int_equal(files_in(f, QUEUE_QUARANTINE, name), 2);
    check_active_is_empty(f);
}

static void refused_rows_stay_refused(void **state)
{
    struct fixture *f = *state;
    char name[SPOOL_NAME_BYTES];
    struct writer w = leave_orphan(f, WRITER_REFUSED, 2);
    assert_int_equal(adopt(f).quarantined, 1);
    assert_int_equal(files_in(f, QUEUE_SEALED, name), 0);
    assert_int_equal(summary_of(f, QUEUE_QUARANTINE).rows, 2000);
    files_in(f, QUEUE_QUARANTINE, name);
    assert_string_equal(name, w.file);
    check_active_is_empty(f);
}

static void an_unfinished_copy_does_not_outlive_its_original(void **state)
{
    struct fixture *f = *state;
    char copy[SPOOL_NAME_BYTES];
    struct writer w = leave_orphan(f, WRITER_ROWS, 2);
    uint8_t member[65536];
    size_t bytes = make_block(f, 0, 1000, member);
    salvage_name(w.file, copy);
    overwrite(f, copy, member, bytes, 0);
    struct adopt_result result = adopt(f);
    assert_int_equal(result.sealed, 1);
    assert_int_equal(summary_of(f, QUEUE_SEALED).rows, 2000);
    check_active_is_empty(f);
}

/* The longest table name that any of our segments may have. */
static const char *longest_table(void)
{
    static char table[NAME_FILE_MAX_BYTES + 1];
    memset(table, 'L', ORIGIN_FILE_MAX - strlen(",3w5e11264sgsf,0123456789abcdef.csv.gz"));
    return table;
}

static void use_longest_table(struct fixture *f)
{
    struct err err;
    origin_fini(&f->origin);
    assert_int_equal(origin_init(&f->origin, "My Db", longest_table(), "A:long", SEGMENT_CSV, "unit", &err),
                     0);
    f->origin.schema_hash = UINT64_MAX; /* no hash has a longer text */
}

/* Whatever is put round the longest names: damaged, its name taken in quarantine several times over, refused,
 * or with a copy that was not finished. */
static void the_longest_names_are_salvaged(void **state)
{
    struct fixture *f = *state;
    use_longest_table(f);
    struct spool_place quarantine = spool_place(QUEUE_QUARANTINE, f->origin.db_folder);
    struct writer w = leave_orphan(f, WRITER_ROWS, 3);
    assert_int_equal(strlen(w.file), ORIGIN_FILE_MAX);
    int dir = spool_place_open(&f->spool, &quarantine, true);
    for (unsigned i = 0; i < 120; i++) { /* to a number of three digits */
        char taken[SPOOL_NAME_BYTES + 8];
        char number[16] = "";
        if (i > 0)
            snprintf(number, sizeof number, "%u,", i);
        snprintf(taken, sizeof taken, "%s%s", number, w.file);
        int fd = openat(dir, taken, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        close(fd);
    }
    overwrite(f, w.file, "\0\0\0\0", 4, (off_t)w.size_bytes / 2);
    struct adopt_result result = adopt(f);
    assert_int_equal(result.salvaged, 1);
    assert_int_equal(result.quarantined, 1);
    assert_int_equal(result.left, 0);
    assert_int_equal(summary_of(f, QUEUE_SEALED).rows, 2000);
    char why[SPOOL_NAME_BYTES + 8];
    snprintf(why, sizeof why, "120,%s.why", w.file);
    assert_int_equal(faccessat(dir, why, F_OK, 0), 0);
    close(dir);
    check_active_is_empty(f);
}

static void the_longest_names_with_endings(void **state)
{
    struct fixture *f = *state;
    char copy[SPOOL_NAME_BYTES];
    uint8_t member[65536];
    use_longest_table(f);
    struct writer bad = leave_orphan(f, WRITER_REFUSED, 2);
    size_t bytes = make_block(f, 0, 1000, member);
    char name[SPOOL_NAME_BYTES + 8];
    snprintf(name, sizeof name, "%s%s", bad.file, WRITER_BAD_SUFFIX);
    salvage_name(name, copy); /* of a rewrite that was not finished */
    assert_true(strlen(copy) <= NAME_MAX && strlen(copy) > ORIGIN_FILE_MAX);
    overwrite(f, copy, member, bytes, 0);
    struct adopt_result result = adopt(f);
    assert_int_equal(result.quarantined, 1);
    assert_int_equal(result.sealed + result.salvaged + result.left, 0);
    assert_int_equal(summary_of(f, QUEUE_QUARANTINE).rows, 2000);
    check_active_is_empty(f);
}

/* A landing segment without a marker is nobody's; nor is the copy of it. Without one who takes landing
 * segments both stay, and the copy is not taken for a segment. */
static void the_copy_of_a_landing_segment_is_none(void **state)
{
    struct fixture *f = *state;
    char copy[SPOOL_NAME_BYTES], name[SPOOL_NAME_BYTES + 8];
    uint8_t member[65536];
    use_longest_table(f);
    struct writer w = leave_orphan(f, WRITER_LANDING, 2);
    size_t bytes = make_block(f, 0, 1000, member);
    snprintf(name, sizeof name, "%s%s", w.file, WRITER_LANDING_SUFFIX);
    salvage_name(name, copy);
    overwrite(f, copy, member, bytes, 0);
    struct adopt_result result = adopt(f);
    assert_int_equal(result.sealed + result.salvaged + result.removed + result.left, 0);
    struct err err;
    const struct adopt_options all = {.durable = true, .takes_landings = true};
    assert_int_equal(adopt_orphans(&f->spool, &all, &result, &err), 0);
    assert_int_equal(result.removed, 1);
    assert_int_equal(result.sealed + result.salvaged + result.left, 0);
    check_active_is_empty(f);
}

static void longer_tables_are_refused(void **state)
{
    (void)state;
    struct segment_origin origin;
    struct err err;
    char table[NAME_FILE_MAX_BYTES + 8];
    snprintf(table, sizeof table, "%sLLLL",
             longest_table()); /* the text of a hash may be that much shorter */
    assert_int_equal(origin_init(&origin, "D", table, "A:long", SEGMENT_CSV, "unit", &err), -EINVAL);
}

static void a_copy_without_original_is_the_segment(void **state)
{
    struct fixture *f = *state;
    char copy[SPOOL_NAME_BYTES], name[SPOOL_NAME_BYTES];
    struct writer w = leave_orphan(f, WRITER_ROWS, 2);
    int dir = active_dir(f);
    salvage_name(w.file, copy);
    assert_int_equal(renameat(dir, w.file, dir, copy), 0);
    close(dir);
    assert_int_equal(adopt(f).salvaged, 1);
    assert_int_equal(summary_of(f, QUEUE_SEALED).rows, 2000);
    files_in(f, QUEUE_SEALED, name);
    assert_string_equal(name, w.file);
    check_active_is_empty(f);
}

static void a_name_that_is_taken_goes_to_quarantine(void **state)
{
    struct fixture *f = *state;
    struct writer w = leave_orphan(f, WRITER_ROWS, 2);
    struct spool_place sealed = spool_place(QUEUE_SEALED, f->origin.db_folder);
    int dir = spool_place_open(&f->spool, &sealed, true);
    close(openat(dir, w.file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    close(dir);
    assert_int_equal(adopt(f).quarantined, 1);
    assert_int_equal(summary_of(f, QUEUE_QUARANTINE).rows, 2000);
    check_active_is_empty(f);
}

static void what_is_locked_or_cannot_be_read_is_left(void **state)
{
    struct fixture *f = *state;
    char name[SPOOL_NAME_BYTES];
    struct writer w;
    struct err err;
    assert_int_equal(writer_create(&w, &f->spool, f->lease, &f->origin, WRITER_ROWS, &err), 0);
    int dir = active_dir(f);
    assert_int_equal(mkdirat(dir, "T,-,0000000000000002.csv.gz", 0755), 0);
    struct adopt_result result = adopt(f);
    assert_int_equal(result.left, 1);
    assert_int_equal(result.removed + result.sealed + result.quarantined, 0);
    assert_int_equal(files_in(f, QUEUE_ACTIVE, name), 2);
    close(dir);
    writer_abandon(&w);
}

/* Adopt in a child that dies at this point. */
static void adopt_and_die(struct fixture *f, const char *point)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct adopt_result result;
        struct err err;
        crash_at = point;
        _exit(adopt_orphans(&f->spool, &options, &result, &err) != 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void refused_rows_survive_each_step_of_their_adoption(void **state)
{
    struct fixture *f = *state;
    static const char *const points[] = {"adopt-refused:after-why", "adopt-refused:after-rename"};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        char name[SPOOL_NAME_BYTES];
        struct writer w = leave_orphan(f, WRITER_REFUSED, 1);
        adopt_and_die(f, points[i]);
        struct adopt_result result = adopt(f);
        assert_int_equal(result.sealed, 0);
        assert_int_equal(files_in(f, QUEUE_QUARANTINE, name), 1);
        assert_string_equal(name, w.file);
        check_active_is_empty(f);
        struct spool_place place = spool_place(QUEUE_QUARANTINE, f->origin.db_folder);
        int dir = spool_place_open(&f->spool, &place, false);
        char why[SPOOL_NAME_BYTES + 8];
        snprintf(why, sizeof why, "%s.why", name);
        assert_int_equal(unlinkat(dir, why, 0), 0);
        assert_int_equal(unlinkat(dir, name, 0), 0);
        close(dir);
    }
}

static void half_a_body_is_removed(void **state)
{
    struct fixture *f = *state;
    char name[SPOOL_NAME_BYTES], copy[SPOOL_NAME_BYTES];
    struct writer w = leave_orphan(f, WRITER_BODY, 2), bad = leave_orphan(f, WRITER_BODY_REFUSED, 1);
    (void)bad;
    snprintf(name, sizeof name, "%.200s" WRITER_PART_SUFFIX, w.file);
    salvage_name(name, copy);
    overwrite(f, copy, "x", 1, 0);
    assert_int_equal(adopt(f).removed, 2);
    assert_int_equal(files_in(f, QUEUE_SEALED, name) + files_in(f, QUEUE_QUARANTINE, name), 0);
    check_active_is_empty(f);
}

static bool is_own(void *arg, const char *db_folder, const char *file)
{
    (void)db_folder;
    return strcmp(file, arg) == 0;
}

static void while_a_daemon_has_the_folder_only_it_adopts(void **state)
{
    struct fixture *f = *state;
    struct writer parked = leave_orphan(f, WRITER_ROWS, 1), orphan = leave_orphan(f, WRITER_ROWS, 1);
    struct adopt_result result;
    struct err err;
    int lock = lock_active(&f->spool);
    assert_true(lock >= 0);
    assert_int_equal(lock_active(&f->spool), -EBUSY);
    assert_true(lock_active_is_taken(&f->spool));
    assert_int_equal(adopt(f).sealed, 0);
    const struct adopt_options owner = {
        .durable = true, .is_owner = true, .is_own = is_own, .arg = parked.file};
    assert_int_equal(adopt_orphans(&f->spool, &owner, &result, &err), 0);
    assert_int_equal(result.sealed, 1);
    char name[SPOOL_NAME_BYTES];
    assert_int_equal(files_in(f, QUEUE_SEALED, name), 1);
    assert_string_equal(name, orphan.file);
    close(lock);
    assert_false(lock_active_is_taken(&f->spool));
    assert_int_equal(adopt(f).sealed, 1);
    check_active_is_empty(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_whole_file_is_sealed),
        TEST(a_torn_tail_is_cut_off),
        TEST(zeros_in_the_middle_are_damage),
        TEST(files_without_rows_are_removed),
        TEST(what_nobody_understands_is_for_a_human),
        TEST(refused_rows_stay_refused),
        TEST(an_unfinished_copy_does_not_outlive_its_original),
        TEST(a_copy_without_original_is_the_segment),
        TEST(the_longest_names_are_salvaged),
        TEST(the_longest_names_with_endings),
        TEST(the_copy_of_a_landing_segment_is_none),
        TEST(longer_tables_are_refused),
        TEST(a_name_that_is_taken_goes_to_quarantine),
        TEST(what_is_locked_or_cannot_be_read_is_left),
        TEST(refused_rows_survive_each_step_of_their_adoption),
        TEST(half_a_body_is_removed),
        TEST(while_a_daemon_has_the_folder_only_it_adopts),
    };
    return cmocka_run_group_tests_name("spool/adopt", tests, NULL, NULL);
}
