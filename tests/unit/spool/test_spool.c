#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/segment/flake.h"
#include "common/spool/place.h"

static char *path;
static struct spool spool;
static struct err err;

static int set_up(void **state)
{
    (void)state;
    path = unit_temp_dir();
    return spool_open(&spool, path, "one", &err);
}

static int tear_down(void **state)
{
    (void)state;
    spool_close(&spool);
    unit_remove_dir(path);
    return 0;
}

static void write_at(const char *name, const char *text)
{
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(file_replace_lazily(dir, name, text, strlen(text)), 0);
    close(dir);
}

static void expect_refusal(int code, const char *expected)
{
    struct spool other;
    assert_int_equal(spool_open(&other, path, "one", &err), code);
    if (!strstr(err.text, expected))
        fail_msg("%s", err.text);
}

static void what_is_no_spool_is_refused(void **state)
{
    (void)state;
    struct spool other;
    assert_int_equal(spool_open(&other, "/nonexistent/spool", "one", &err), -ENOENT);
    assert_non_null(strstr(err.text, "mkdir -p"));
    assert_int_equal(spool_open(&other, "/dev/null", "one", &err), -ENOTDIR);
    write_at("spool.json", "{\"format\":2}");
    expect_refusal(-EPROTO, "has format 2, this version works with 1");
    write_at("spool.json", "\0garbage");
    expect_refusal(-EPROTO, "damaged");
    char *foreign = unit_temp_dir();
    int dir = open(foreign, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(file_replace_lazily(dir, "thesis.doc", "x", 1), 0);
    close(dir);
    assert_int_equal(spool_open(&other, foreign, "one", &err), -EINVAL);
    assert_non_null(strstr(err.text, "'thesis.doc'"));
    unit_remove_dir(foreign);
}

static void reading_creates_nothing(void **state)
{
    (void)state;
    struct spool other;
    char *empty = unit_temp_dir();
    assert_int_equal(spool_open_readonly(&other, empty, &err), -ENOENT);
    assert_int_equal(rmdir(empty), 0);
    free(empty);
    assert_int_equal(spool_open_readonly(&other, path, &err), 0);
    spool_close(&other);
}

enum { THREADS = 4, IDS = 20000 };

static void *take_ids(void *arg)
{
    uint64_t *ids = arg;
    struct spool own; /* a mapping of its own, as another process has */
    struct err why;
    assert_int_equal(spool_open(&own, path, "one", &why), 0);
    for (size_t i = 0; i < IDS; i++)
        ids[i] = spool_next_id(&own);
    spool_close(&own);
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void ids_are_unique_and_grow_among_processes(void **state)
{
    (void)state;
    uint64_t *ids = calloc(THREADS * IDS, sizeof *ids);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, take_ids, ids + i * IDS);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < THREADS; i++)
        for (size_t j = 1; j < IDS; j++)
            assert_true(ids[i * IDS + j] > ids[i * IDS + j - 1]);
    qsort(ids, THREADS * IDS, sizeof *ids, compare_ids);
    for (size_t i = 1; i < THREADS * IDS; i++)
        assert_true(ids[i] != ids[i - 1]);
    assert_true(spool_next_id(&spool) > ids[THREADS * IDS - 1]);
    free(ids);
}

/* For rows that were taken elsewhere: of the time that was asked for, though never in the future, among all
 * others. */
static void ids_of_a_time_that_has_been_are_unique(void **state)
{
    (void)state;
    enum { COUNT = 2000, EACH = 3 };
    uint64_t *ids = calloc(EACH * COUNT, sizeof *ids), hour_ago = (uint64_t)wall_now_ms() - 3600000;
    struct spool other;
    assert_int_equal(spool_open(&other, path, "one", &err), 0);
    assert_true(flake_unix_ms(spool_next_id_at(&spool, hour_ago)) == hour_ago);
    for (size_t i = 0; i < COUNT; i++) {
        ids[EACH * i] = spool_next_id_at(i % 2 ? &spool : &other, hour_ago);
        ids[EACH * i + 1] = spool_next_id_at(&other, UINT64_MAX);
        ids[EACH * i + 2] = spool_next_id(&spool);
        assert_true(ids[EACH * i] < ids[EACH * i + 2]);
        assert_true(flake_unix_ms(ids[EACH * i + 1]) <= (uint64_t)wall_now_ms());
    }
    qsort(ids, EACH * COUNT, sizeof *ids, compare_ids);
    for (size_t i = 1; i < EACH * COUNT; i++)
        assert_true(ids[i] != ids[i - 1]);
    spool_close(&other);
    free(ids);
}

static void put(const struct spool_place *place, const char *file)
{
    int dir = spool_place_open(&spool, place, true);
    assert_true(dir >= 0);
    assert_int_equal(file_replace_lazily(dir, file, "x", 1), 0);
    close(dir);
}

static bool is_at(const struct spool_place *place, const char *file)
{
    int dir = spool_place_open(&spool, place, false);
    bool found = dir >= 0 && faccessat(dir, file, F_OK, 0) == 0;
    if (dir >= 0)
        close(dir);
    return found;
}

static void a_move_never_replaces(void **state)
{
    (void)state;
    struct spool_place sealed = spool_place(QUEUE_SEALED, "D"), upload = spool_place(QUEUE_UPLOAD, "D");
    put(&sealed, "a.gz");
    assert_int_equal(spool_move(&spool, &sealed, "a.gz", &upload, true), 0);
    assert_true(is_at(&upload, "a.gz") && !is_at(&sealed, "a.gz"));
    put(&sealed, "a.gz");
    assert_int_equal(spool_move(&spool, &sealed, "a.gz", &upload, false), -EEXIST);
    assert_true(is_at(&sealed, "a.gz"));
    assert_int_equal(spool_move(&spool, &sealed, "absent.gz", &upload, false), -ENOENT);
    struct spool_place nowhere = spool_place(QUEUE_SEALED, "E");
    assert_int_equal(spool_move(&spool, &nowhere, "a.gz", &upload, false), -ENOENT);
}

static void quarantine_keeps_all_and_says_why(void **state)
{
    (void)state;
    struct spool_place batch = spool_group(QUEUE_BATCH, "D", 0xabc),
                       quarantine = spool_place(QUEUE_QUARANTINE, "D");
    json_t *why = json_pack("{s:s}", "reason", "test");
    for (int i = 0; i < 2; i++) {
        put(&batch, "a.gz");
        assert_int_equal(spool_quarantine(&spool, &batch, "a.gz", why), 0);
    }
    assert_true(is_at(&quarantine, "a.gz") && is_at(&quarantine, "1,a.gz"));
    int dir = spool_place_open(&spool, &quarantine, false);
    struct buf buf;
    buf_init(&buf, 4096);
    assert_int_equal(file_read(dir, "a.gz.why", &buf), 0);
    json_t *read = json_loadb(buf.data, buf.len, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(read, "reason")), "test");
    assert_string_equal(json_string_value(json_object_get(read, "from")), "batch/D/0000000000000abc");
    json_decref(read);
    json_decref(why);
    buf_fini(&buf);
    close(dir);
}

static int count_file(void *arg, const struct spool_place *place, int dir, const char *file)
{
    (void)place, (void)dir, (void)file;
    ++*(int *)arg;
    return 0;
}

static int count_group(void *arg, const struct spool_place *place, int dir)
{
    (void)dir;
    assert_int_equal(strlen(place->group), 16);
    ++*(int *)arg;
    return 0;
}

static void a_walk_sees_segments_only(void **state)
{
    (void)state;
    struct spool_place places[] = {spool_place(QUEUE_UPLOAD, "D"), spool_place(QUEUE_UPLOAD, "E"),
                                   spool_group(QUEUE_BATCH, "D", 1), spool_group(QUEUE_BATCH, "D", 2)};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        put(&places[i], "a.gz");
        put(&places[i], ".b.gz");
        put(&places[i], "c.why");
    }
    int uploads = 0, of_d = 0, batches = 0, groups = 0, none = 0, any = 0;
    assert_int_equal(spool_walk(&spool, QUEUE_UPLOAD, NULL, count_file, &uploads), 0);
    assert_int_equal(spool_walk(&spool, QUEUE_UPLOAD, "D", count_file, &of_d), 0);
    assert_int_equal(spool_walk(&spool, QUEUE_BATCH, NULL, count_file, &batches), 0);
    assert_int_equal(spool_walk_groups(&spool, QUEUE_BATCH, count_group, &groups), 0);
    assert_int_equal(spool_walk(&spool, QUEUE_UPLOAD, "F", count_file, &none), 0);
    assert_int_equal(spool_walk_any(&spool, QUEUE_UPLOAD, count_file, &any), 0);
    assert_int_equal(any, 4);
    assert_int_equal(uploads, 2);
    assert_int_equal(of_d, 1);
    assert_int_equal(batches, 2);
    assert_int_equal(groups, 2);
    assert_int_equal(none, 0);
}

static void one_program_of_a_kind(void **state)
{
    (void)state;
    struct spool other;
    assert_int_equal(spool_lock(&spool, "diskguard", &err), 0);
    assert_int_equal(spool_open(&other, path, "two", &err), 0);
    assert_int_equal(spool_lock(&other, "diskguard", &err), -EBUSY);
    char pid[32];
    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    assert_int_equal(spool_lock(&other, "peerd", &err), 0);
    spool_close(&other);
}

static void deep_spools_have_sockets_too(void **state)
{
    (void)state;
    char url[SPOOL_URL_BYTES];
    struct spool deep = spool;
    memset(deep.path, 'x', 200);
    deep.path[200] = '\0';
    spool_socket_url(&deep, "peerd", "ctl", url);
    assert_true(strlen(url) < 100);
    assert_non_null(strstr(url, "/proc/self/fd/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_no_spool_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reading_creates_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ids_are_unique_and_grow_among_processes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ids_of_a_time_that_has_been_are_unique, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_move_never_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(quarantine_keeps_all_and_says_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_walk_sees_segments_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_program_of_a_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deep_spools_have_sockets_too, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
