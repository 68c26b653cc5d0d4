/* drops.h: what is given up is recorded first, once, and the sums are exact, whatever dies when. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/journal.h"
#include "common/segment/codec.h"
#include "common/spool/reader.h"
#include "peerd/failover/drop_policy.h"
#include "peerd/failover/drops.h"

enum { ROWS = 7, FILES = 6 };

struct fixture {
    char *path, *archive;
    struct spool spool;
    struct spool_place place;
    char names[FILES][SPOOL_NAME_BYTES];
    char *files[FILES];
    struct drops *drops;
};

/* --- segments --------------------------------------------------------------------------------------- */

static size_t put_head(struct codec *codec, const struct segment_head *head, uint8_t *out, size_t room)
{
    size_t json_bytes, bytes;
    char *json = malloc(MEMBER_HEAD_JSON_MAX);
    (void)codec;
    assert_int_equal(segment_head_write(head, json, MEMBER_HEAD_JSON_MAX, &json_bytes), SEGMENT_HEAD_OK);
    assert_int_equal(member_encode_head(json, json_bytes, 1, out, room, &bytes), 0);
    free(json);
    return bytes;
}

static size_t put_rows(struct codec *codec, unsigned rows, uint8_t *out, size_t room)
{
    struct buf text;
    size_t bytes;
    buf_init(&text, 1 << 16);
    for (unsigned i = 0; i < rows; i++)
        assert_int_equal(buf_printf(&text, "row %u\n", i), 0);
    const struct member_block block = {
        .raw = text.data, .raw_bytes = text.len, .rows = rows, .kind = MEMBER_LOGS, .mtime = 1};
    assert_int_equal(member_encode_data(codec, &block, out, room, &bytes), 0);
    buf_fini(&text);
    return bytes;
}

/* A segment of `rows` rows, in the fixture's place. */
static void make_segment(struct fixture *f, unsigned n, unsigned rows)
{
    enum { ROOM = 1 << 18 };
    static uint8_t bytes[ROOM];
    struct codec *codec = codec_new();
    struct segment_name name = {.format = SEGMENT_CSV, .id = spool_next_id(&f->spool)};
    const struct segment_head head = {
        .db = "D", .table = name.table, .format = SEGMENT_CSV, .schema = "", .id = name.id, .instance = "n0"};
    snprintf(name.table, sizeof name.table, "T%u", n);
    assert_int_equal(segment_name_build(&name, f->names[n]), NAME_OK);
    f->files[n] = f->names[n];
    size_t len = put_head(codec, &head, bytes, ROOM);
    len += put_rows(codec, rows, bytes + len, ROOM - len);
    int dir = spool_place_open(&f->spool, &f->place, true);
    assert_int_equal(file_replace(dir, f->names[n], bytes, len), 0);
    close(dir);
    codec_free(codec);
}

static void open_drops(struct fixture *f, int64_t rotate_bytes)
{
    struct err err;
    const struct drops_settings settings = {
        .instance = "n0", .archive_dir = f->archive, .rotate_bytes = rotate_bytes};
    if (drops_open(&f->drops, &f->spool, &settings, &err))
        fail_msg("%s", err.text);
}

static void reopen(struct fixture *f)
{
    drops_close(f->drops);
    open_drops(f, DROPS_ROTATE_BYTES);
}

static int set_up(void **state)
{
    struct fixture *f = *state = calloc(1, sizeof *f);
    struct err err;
    f->path = unit_temp_dir();
    f->archive = unit_temp_dir();
    if (spool_open(&f->spool, f->path, "n0", &err))
        fail_msg("%s", err.text);
    f->place = spool_place(QUEUE_SEALED, "D");
    for (unsigned n = 0; n < FILES; n++)
        make_segment(f, n, ROWS);
    open_drops(f, DROPS_ROTATE_BYTES);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    drops_close(f->drops);
    spool_close(&f->spool);
    unit_remove_dir(f->path);
    unit_remove_dir(f->archive);
    free(f);
    return 0;
}

/* --- what there is ---------------------------------------------------------------------------------- */

static bool is_in_spool(const struct fixture *f, unsigned n)
{
    int dir = spool_place_open(&f->spool, &f->place, false);
    bool is_there = faccessat(dir, f->names[n], F_OK, 0) == 0;
    close(dir);
    return is_there;
}

static unsigned count_in(const char *top, const char *folder, const char *suffix)
{
    char path[4096];
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/%s", top, folder);
    DIR *list = opendir(path);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        size_t len = strlen(entry->d_name), end = strlen(suffix);
        count += len >= end && strcmp(entry->d_name + len - end, suffix) == 0;
    }
    if (list)
        closedir(list);
    return count;
}

struct seen {
    struct drops_sum sums[DROP_FATES][DROP_REASONS];
};

static void see(void *arg, const char *db, enum drop_fate fate, enum drop_reason reason,
                const struct drops_sum *sum)
{
    struct seen *seen = arg;
    assert_string_equal(db, "D");
    seen->sums[fate][reason] = *sum;
}

static struct drops_sum total(const struct fixture *f, enum drop_fate fate, enum drop_reason reason)
{
    struct seen here = {0}, read = {0};
    drops_totals(f->drops, see, &here);
    int rc = drops_read_totals(&f->spool, see, &read);
    assert_true(rc == 0 || rc == -ENOENT);
    assert_memory_equal(&here, &read, sizeof here); /* in memory and in the file: the same */
    return here.sums[fate][reason];
}

static void count_line(void *arg, const json_t *line)
{
    *(unsigned *)arg += !json_is_true(json_object_get(line, "carried"));
}

static unsigned lines(const struct fixture *f)
{
    unsigned count = 0;
    int rc = journal_read(f->spool.state, "drops.jsonl", count_line, &count);
    assert_true(rc == 0 || rc == -ENOENT);
    return count;
}

static struct drops_sum drop(struct fixture *f, unsigned from, unsigned count, enum drop_fate fate,
                             enum drop_reason reason)
{
    struct drops_sum sum;
    struct err err;
    if (drops_give_up(f->drops, &f->place, f->files + from, count, fate, reason, "n2", &sum, &err))
        fail_msg("%s", err.text);
    return sum;
}

/* --- the tests -------------------------------------------------------------------------------------- */

static void what_is_dropped_is_recorded_and_gone(void **state)
{
    struct fixture *f = *state;
    struct drops_sum sum = drop(f, 0, 2, DROP_DROPPED, DROP_FULL);
    assert_int_equal(sum.segments, 2);
    assert_int_equal(sum.rows, 2 * ROWS);
    assert_int_equal(sum.raw_bytes, (size_t)2 * ROWS * 6);
    assert_true(sum.bytes > 0);
    sum = drop(f, 1, 2, DROP_DROPPED, DROP_PRESSURE); /* one of them is not there any more */
    assert_int_equal(sum.segments, 1);
    assert_int_equal(total(f, DROP_DROPPED, DROP_FULL).rows, 2 * ROWS);
    assert_int_equal(total(f, DROP_DROPPED, DROP_PRESSURE).segments, 1);
    for (unsigned n = 0; n < FILES; n++)
        assert_int_equal(is_in_spool(f, n), n > 2);
    assert_int_equal(lines(f), 3);
    reopen(f); /* and nothing else happens */
    assert_int_equal(total(f, DROP_DROPPED, DROP_FULL).rows, 2 * ROWS);
    assert_int_equal(count_in(f->path, "sealed/D", ".gz"), FILES - 3);
}

static void lines_name_the_segment_and_the_reason(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    (void)drop(f, 0, 1, DROP_DROPPED, DROP_FULL);
    buf_init(&text, 1 << 16);
    assert_int_equal(file_read(f->spool.state, "drops.jsonl", &text), 0);
    json_t *line = json_loadb(text.data, text.len, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(line, "db")), "D");
    assert_string_equal(json_string_value(json_object_get(line, "table")), "T0");
    assert_string_equal(json_string_value(json_object_get(line, "file")), f->names[0]);
    assert_string_equal(json_string_value(json_object_get(line, "fate")), "dropped");
    assert_string_equal(json_string_value(json_object_get(line, "reason")), "sacrificial-full");
    assert_string_equal(json_string_value(json_object_get(line, "peer")), "n2");
    assert_int_equal(json_integer_value(json_object_get(line, "rows")), ROWS);
    assert_non_null(json_object_get(line, "time"));
    json_decref(line);
    buf_fini(&text);
}

static void totals_are_carried_through_rotation(void **state)
{
    struct fixture *f = *state;
    drops_close(f->drops);
    open_drops(f, 600); /* a line or two */
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned n = 0; n < FILES; n++) {
            (void)drop(f, n, 1, DROP_DROPPED, n % 2 ? DROP_FULL : DROP_UNREACHABLE);
            make_segment(f, n, ROWS);
        }
        drops_close(f->drops);
        open_drops(f, 600);
    }
    assert_int_equal(total(f, DROP_DROPPED, DROP_FULL).rows, 5 * FILES / 2 * ROWS);
    assert_int_equal(total(f, DROP_DROPPED, DROP_UNREACHABLE).segments, 5 * FILES / 2);
    assert_true(lines(f) < 5);
    assert_int_equal(faccessat(f->spool.state, "drops.jsonl.1", F_OK, 0), 0);
    assert_int_equal(faccessat(f->spool.state, "drops.jsonl.1.new", F_OK, 0), -1);
}

static void what_is_archived_is_whole_under_its_name(void **state)
{
    struct fixture *f = *state;
    struct drops_sum sum = drop(f, 0, 3, DROP_ARCHIVED, DROP_FULL);
    assert_int_equal(sum.rows, 3 * ROWS);
    assert_int_equal(count_in(f->archive, "D", ".gz"), 3);
    assert_int_equal(count_in(f->archive, "D", ".tmp"), 0);
    assert_int_equal(count_in(f->path, "sealed/D", ".gz"), FILES - 3);
    struct scan_summary content;
    struct err err;
    char path[4096];
    snprintf(path, sizeof path, "%s/D/%s", f->archive, f->names[1]);
    assert_int_equal(segment_read_summary(AT_FDCWD, path, &content, NULL, &err), 0);
    assert_int_equal(content.rows, ROWS);
    assert_int_equal(content.damaged_bytes, 0);
    assert_int_equal(total(f, DROP_ARCHIVED, DROP_FULL).rows, 3 * ROWS);
    assert_int_equal(total(f, DROP_DROPPED, DROP_FULL).rows, 0);
}

static void a_name_that_is_taken_in_the_archive_replaces_nothing(void **state)
{
    struct fixture *f = *state;
    char path[4096];
    snprintf(path, sizeof path, "%s/D", f->archive);
    assert_int_equal(mkdir(path, 0755), 0);
    int dir = open(path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(file_replace(dir, f->names[0], "other", 5), 0);
    (void)drop(f, 0, 1, DROP_ARCHIVED, DROP_FULL);
    struct stat st;
    assert_int_equal(fstatat(dir, f->names[0], &st, 0), 0);
    assert_int_equal(st.st_size, 5);
    snprintf(path, sizeof path, "1,%s", f->names[0]);
    assert_int_equal(fstatat(dir, path, &st, 0), 0);
    assert_true(st.st_size > 5);
    close(dir);
}

/* The archive is not there, or has no room: nothing is lost, nothing recorded. */
static void what_cannot_be_archived_stays(void **state)
{
    struct fixture *f = *state;
    char away[4096];
    struct drops_sum sum;
    struct err err;
    snprintf(away, sizeof away, "%s.away", f->archive);
    assert_int_equal(rename(f->archive, away), 0);
    assert_int_equal(
        drops_give_up(f->drops, &f->place, f->files, 2, DROP_ARCHIVED, DROP_FULL, "", &sum, &err), -ENOENT);
    assert_non_null(strstr(err.text, f->archive));
    assert_int_equal(sum.segments, 0);
    assert_int_equal(lines(f), 0);
    assert_int_equal(count_in(f->path, "sealed/D", ".gz"), FILES);
    assert_int_equal(rename(away, f->archive), 0);
    assert_int_equal(drop(f, 0, 2, DROP_ARCHIVED, DROP_FULL).segments, 2);
}

static void an_archive_in_the_spool_is_refused(void **state)
{
    struct fixture *f = *state;
    struct drops *drops;
    struct err err;
    char inside[4096];
    snprintf(inside, sizeof inside, "%s/quarantine", f->path);
    const char *const dirs[] = {f->path, inside, "/nonexistent/archive"};
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        const struct drops_settings settings = {
            .instance = "n0", .archive_dir = dirs[i], .rotate_bytes = DROPS_ROTATE_BYTES};
        assert_int_equal(drops_open(&drops, &f->spool, &settings, &err), -EINVAL);
        assert_non_null(strstr(err.text, "--archive-dir"));
        assert_null(drops);
    }
}

/* --- dying at each step ----------------------------------------------------------------------------- */

/* In a child that dies at `point`, the nth time. */
static void die_at(struct fixture *f, const char *point, enum drop_fate fate, int64_t rotate_bytes)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct drops_sum sum;
        struct err err;
        crash_at = point;
        const struct drops_settings settings = {
            .instance = "n0", .archive_dir = f->archive, .rotate_bytes = rotate_bytes};
        int rc = drops_open(&f->drops, &f->spool, &settings, &err);
        if (rc == 0)
            rc = drops_give_up(f->drops, &f->place, f->files, 3, fate, DROP_FULL, "n2", &sum, &err);
        _exit(rc ? 8 : 7);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status))
        fail_msg("%s was not reached", point);
}

/* Each segment is in one place: the spool, the archive, or nowhere with a line that says so. */
static void check_sum(struct fixture *f, const char *point)
{
    unsigned in_spool = count_in(f->path, "sealed/D", ".gz"), in_archive = count_in(f->archive, "D", ".gz");
    uint64_t dropped = total(f, DROP_DROPPED, DROP_FULL).segments,
             archived = total(f, DROP_ARCHIVED, DROP_FULL).segments;
    if (in_spool + dropped + archived != FILES || in_archive != archived)
        fail_msg("%s: %u in the spool, %llu dropped, %llu archived, %u in the archive", point, in_spool,
                 (unsigned long long)dropped, (unsigned long long)archived, in_archive);
    assert_int_equal(count_in(f->archive, "D", ".tmp"), 0);
}

static void dying_anywhere_loses_nothing_and_counts_nothing_twice(void **state)
{
    static const struct {
        const char *point;
        enum drop_fate fate;
        int gone; /* segments that left */
    } cases[] = {
        {"drop:after-write", DROP_DROPPED, 3},       {"drop:after-record", DROP_DROPPED, 3},
        {"drop:before-unlink", DROP_DROPPED, 3},     {"drop:after-unlink", DROP_DROPPED, 3},
        {"drop:after-unlink#2", DROP_DROPPED, 3},    {"archive:after-stage", DROP_ARCHIVED, 0},
        {"archive:after-stage#3", DROP_ARCHIVED, 0}, {"drop:after-write", DROP_ARCHIVED, 3},
        {"drop:after-record", DROP_ARCHIVED, 3},     {"archive:after-name", DROP_ARCHIVED, 3},
        {"archive:after-name#2", DROP_ARCHIVED, 3},  {"drop:before-unlink#2", DROP_ARCHIVED, 3},
        {"drop:after-unlink", DROP_ARCHIVED, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        tear_down(state);
        set_up(state);
        struct fixture *f = *state;
        drops_close(f->drops);
        f->drops = NULL;
        die_at(f, cases[i].point, cases[i].fate, DROPS_ROTATE_BYTES);
        open_drops(f, DROPS_ROTATE_BYTES);
        check_sum(f, cases[i].point);
        assert_int_equal(count_in(f->path, "sealed/D", ".gz"), FILES - cases[i].gone);
        (void)drop(f, 0, FILES, cases[i].fate, DROP_FULL); /* what is left: once */
        check_sum(f, cases[i].point);
        assert_int_equal(lines(f), FILES);
    }
}

static void dying_in_a_rotation_keeps_the_sums(void **state)
{
    static const char *const points[] = {"journal:after-link", "journal:after-replace"};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        tear_down(state);
        set_up(state);
        struct fixture *f = *state;
        drops_close(f->drops);
        f->drops = NULL;
        die_at(f, points[i], DROP_DROPPED, 100);
        open_drops(f, 100);
        check_sum(f, points[i]);
        (void)drop(f, 0, FILES, DROP_DROPPED, DROP_FULL);
        check_sum(f, points[i]);
        assert_int_equal(total(f, DROP_DROPPED, DROP_FULL).rows, FILES * ROWS);
    }
}

/* A power cut may leave half a line: it was never acted on. */
static void half_a_line_is_nothing(void **state)
{
    struct fixture *f = *state;
    (void)drop(f, 0, 1, DROP_DROPPED, DROP_FULL);
    int fd = openat(f->spool.state, "drops.jsonl", O_WRONLY | O_APPEND);
    static const char half[] =
        "{\"v\":1,\"fate\":\"dropped\",\"reason\":\"sacrificial-full\",\"db\":\"D\",\"rows\":9";
    assert_int_equal(file_write_all(fd, half, sizeof half - 1), 0);
    close(fd);
    reopen(f);
    (void)drop(f, 1, 1, DROP_DROPPED, DROP_FULL);
    assert_int_equal(total(f, DROP_DROPPED, DROP_FULL).rows, 2 * ROWS);
    assert_int_equal(lines(f), 2);
}

/* A line speaks of one file, not of whatever has its name later. */
static void a_line_never_removes_another_file_of_the_name(void **state)
{
    struct fixture *f = *state;
    (void)drop(f, 0, 1, DROP_DROPPED, DROP_FULL);
    int dir = spool_place_open(&f->spool, &f->place, false);
    assert_int_equal(file_replace(dir, f->names[0], "another", 7), 0);
    close(dir);
    reopen(f);
    assert_true(is_in_spool(f, 0));
}

/* The archive on another file system: copied, compared, and the same sums. */
static void an_archive_may_be_on_another_file_system(void **state)
{
    struct fixture *f = *state;
    struct stat here, there;
    char other[] = "/dev/shm/spillway-unit.XXXXXX";
    if (!mkdtemp(other) || stat(other, &there) != 0 || stat(f->path, &here) != 0 ||
        here.st_dev == there.st_dev) {
        (void)rmdir(other);
        skip();
    }
    drops_close(f->drops);
    unit_remove_dir(f->archive);
    f->archive = strdup(other);
    f->drops = NULL;
    static const char *const points[] = {"archive:after-copy", "archive:after-copy#2", "archive:after-stage"};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        die_at(f, points[i], DROP_ARCHIVED, DROPS_ROTATE_BYTES);
        open_drops(f, DROPS_ROTATE_BYTES);
        check_sum(f, points[i]);
        assert_int_equal(count_in(f->path, "sealed/D", ".gz"), FILES);
        drops_close(f->drops);
    }
    open_drops(f, DROPS_ROTATE_BYTES);
    assert_int_equal(drop(f, 0, FILES, DROP_ARCHIVED, DROP_FULL).rows, FILES * ROWS);
    check_sum(f, "none");
    struct scan_summary content;
    struct err err;
    char path[4096];
    snprintf(path, sizeof path, "%s/D/%s", f->archive, f->names[4]);
    assert_int_equal(segment_read_summary(AT_FDCWD, path, &content, NULL, &err), 0);
    assert_int_equal(content.rows, ROWS);
}

/* --- the policy ------------------------------------------------------------------------------------- */

static void the_policy_holds_what_it_need_not_give_up(void **state)
{
    static const struct {
        enum drop_policy policy;
        struct drop_facts facts;
        struct drop_decision want;
    } cases[] = {
        {POLICY_DROP, {true, false, false}, {DROP_THESE, DROP_DROPPED, DROP_FULL}},
        {POLICY_DROP, {true, true, false}, {DROP_THESE, DROP_DROPPED, DROP_FULL}},
        {POLICY_DROP, {false, false, false}, {DROP_HOLD, DROP_DROPPED, DROP_PRESSURE}},
        {POLICY_DROP, {false, true, false}, {DROP_OLDEST, DROP_DROPPED, DROP_UNREACHABLE}},
        {POLICY_KEEP, {true, false, false}, {DROP_HOLD, DROP_DROPPED, DROP_PRESSURE}},
        {POLICY_KEEP, {true, true, false}, {DROP_OLDEST, DROP_DROPPED, DROP_PRESSURE}},
        {POLICY_KEEP, {false, false, false}, {DROP_HOLD, DROP_DROPPED, DROP_PRESSURE}},
        {POLICY_KEEP, {false, true, false}, {DROP_OLDEST, DROP_DROPPED, DROP_PRESSURE}},
        {POLICY_ARCHIVE, {true, false, false}, {DROP_THESE, DROP_ARCHIVED, DROP_FULL}},
        {POLICY_ARCHIVE, {true, true, false}, {DROP_THESE, DROP_ARCHIVED, DROP_FULL}},
        {POLICY_ARCHIVE, {false, false, false}, {DROP_HOLD, DROP_DROPPED, DROP_PRESSURE}},
        {POLICY_ARCHIVE, {false, true, false}, {DROP_OLDEST, DROP_ARCHIVED, DROP_UNREACHABLE}},
        {POLICY_ARCHIVE, {true, false, true}, {DROP_HOLD, DROP_DROPPED, DROP_PRESSURE}},
        {POLICY_ARCHIVE, {true, true, true}, {DROP_OLDEST, DROP_DROPPED, DROP_PRESSURE}},
        {POLICY_ARCHIVE, {false, false, true}, {DROP_HOLD, DROP_DROPPED, DROP_PRESSURE}},
        {POLICY_ARCHIVE, {false, true, true}, {DROP_OLDEST, DROP_DROPPED, DROP_UNREACHABLE}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct drop_decision got = drop_policy_decide(cases[i].policy, &cases[i].facts);
        if (got.action != cases[i].want.action || got.fate != cases[i].want.fate ||
            got.reason != cases[i].want.reason)
            fail_msg("case %zu: %d %d %d", i, got.action, got.fate, got.reason);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_dropped_is_recorded_and_gone),
        TEST(lines_name_the_segment_and_the_reason),
        TEST(totals_are_carried_through_rotation),
        TEST(what_is_archived_is_whole_under_its_name),
        TEST(a_name_that_is_taken_in_the_archive_replaces_nothing),
        TEST(what_cannot_be_archived_stays),
        TEST(an_archive_in_the_spool_is_refused),
        TEST(dying_anywhere_loses_nothing_and_counts_nothing_twice),
        TEST(dying_in_a_rotation_keeps_the_sums),
        TEST(half_a_line_is_nothing),
        TEST(a_line_never_removes_another_file_of_the_name),
        TEST(an_archive_may_be_on_another_file_system),
        cmocka_unit_test(the_policy_holds_what_it_need_not_give_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
