/* The list of what waits is what is in the directory, whatever comes and goes between scans. */
#include "tests/unit/spool/fixture.h"

#include "common/spool/waiting_plan.h"

enum { TABLES = 5, IDS = 40 };

static void name_of(unsigned table, unsigned id, char file[static NAME_FILE_MAX_BYTES + 1])
{
    struct segment_name name = {
        .has_schema = table % 2, .schema_hash = table, .id = id + 1, .format = SEGMENT_CSV};
    snprintf(name.table, sizeof name.table, "T%u", table / 2);
    assert_int_equal(segment_name_build(&name, file), NAME_OK);
}

static void assert_same(struct waiting *waiting, bool there[TABLES][IDS])
{
    char file[NAME_FILE_MAX_BYTES + 1], wanted[NAME_FILE_MAX_BYTES + 1];
    size_t count = 0, listed = 0;
    for (unsigned t = 0; t < TABLES; t++)
        for (unsigned i = 0; i < IDS; i++)
            count += there[t][i];
    for (size_t g = 0; g < waiting->group_count; g++) {
        const struct waiting_group *group = &waiting->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            const struct waiting_segment *s = &waiting->segments[group->first + i];
            assert_true(i == 0 || s->id > s[-1].id); /* oldest first */
            unsigned table = (unsigned)strtoul(group->table + 1, NULL, 10) * 2 + group->has_schema;
            assert_true(there[table][s->id - 1]);
            waiting_name(waiting, group, i, file);
            name_of(table, (unsigned)s->id - 1, wanted);
            assert_string_equal(file, wanted);
            listed++;
        }
    }
    assert_int_equal(listed, count);
}

static void a_scan_sees_what_came_and_what_went(void **state)
{
    struct fixture *f = *state;
    struct waiting waiting;
    bool there[TABLES][IDS] = {{false}};
    char file[NAME_FILE_MAX_BYTES + 1];
    struct spool_place place = spool_place(QUEUE_SEALED, "D");
    int dir = spool_place_open(&f->spool, &place, true);
    uint32_t random = 12345;
    waiting_init(&waiting);
    for (int round = 0; round < 200; round++) {
        for (unsigned changes = random % 30; changes > 0; changes--) {
            random = random * 1664525u + 1013904223u;
            unsigned t = (random >> 8) % TABLES, i = (random >> 16) % IDS;
            name_of(t, i, file);
            if (there[t][i])
                assert_int_equal(unlinkat(dir, file, 0), 0);
            else
                close(openat(dir, file, O_CREAT | O_WRONLY, 0600));
            there[t][i] = !there[t][i];
        }
        assert_int_equal(waiting_scan(&waiting, &f->spool, QUEUE_SEALED, "D", true), 0);
        assert_same(&waiting, there);
        if (round % 3 == 0 && waiting.group_count > 0 && waiting.groups[0].count > 0) {
            waiting_drop(&waiting, &waiting.groups[0], 1); /* claimed, but back again */
            assert_int_equal(waiting_scan(&waiting, &f->spool, QUEUE_SEALED, "D", true), 0);
            assert_same(&waiting, there);
        }
    }
    close(openat(dir, "stray.gz", O_CREAT | O_WRONLY, 0600));
    assert_int_equal(waiting_scan(&waiting, &f->spool, QUEUE_SEALED, "D", true), 0);
    assert_int_equal(waiting.strays, 1);
    assert_same(&waiting, there);
    close(dir);
    waiting_fini(&waiting);
}

/* A segment of table T<table> that was begun so long ago. */
static void put(struct fixture *f, unsigned table, int64_t ago_ms)
{
    static uint64_t sequence;
    char file[NAME_FILE_MAX_BYTES + 1];
    const int64_t epoch_ms = INT64_C(1388534400000);
    struct segment_name name = {.id = ((uint64_t)(wall_now_ms() - ago_ms - epoch_ms) << 23) + sequence++,
                                .format = SEGMENT_CSV};
    struct spool_place place = spool_place(QUEUE_SEALED, "D");
    int dir = spool_place_open(&f->spool, &place, true);
    snprintf(name.table, sizeof name.table, "T%u", table);
    assert_int_equal(segment_name_build(&name, file), NAME_OK);
    close(openat(dir, file, O_CREAT | O_WRONLY, 0600));
    close(dir);
}

static const char *newest(struct fixture *f, struct waiting *waiting, const struct batch_limits *limits,
                          size_t *count)
{
    struct spool_place place = spool_place(QUEUE_SEALED, "D");
    struct waiting_ruler ruler = {
        .walk = malloc(sizeof *ruler.walk), .dir = spool_place_open(&f->spool, &place, true), .budget = 1000};
    *count = 0;
    assert_int_equal(waiting_scan(waiting, &f->spool, QUEUE_SEALED, "D", true), 0);
    assert_true(waiting_find_due(waiting, limits, &ruler));
    const struct waiting_group *group = waiting_newest(waiting, limits, &ruler, 120000, wall_now_ms(), count);
    close(ruler.dir);
    free(ruler.walk);
    return group ? group->table : "";
}

static void new_data_need_not_wait_behind_all_that_is_old(void **state)
{
    enum { HOUR = 3600000 };
    struct fixture *f = *state;
    struct batch_limits limits = {.raw_bytes = 1 << 20, .blocks = 1000, .files = 100, .age_ms = 500};
    struct waiting waiting;
    size_t count;
    waiting_init(&waiting);
    put(f, 0, 3000);
    put(f, 1, 2000);
    assert_string_equal(newest(f, &waiting, &limits, &count), ""); /* nothing is old: by age, as always */
    for (int i = 0; i < 5; i++) {
        put(f, 0, HOUR + i);
        put(f, 2, 2 * HOUR + i);
    }
    assert_string_equal(newest(f, &waiting, &limits, &count), "T1");
    assert_int_equal(count, 1);
    put(f, 0, 1000);
    assert_string_equal(newest(f, &waiting, &limits, &count), "T0");
    assert_int_equal(count, 2); /* of seven: those that are new */
    limits.files = 1;
    assert_string_equal(newest(f, &waiting, &limits, &count), "T0");
    assert_int_equal(count, 1);
    limits.files = 100;
    limits.age_ms = 60000; /* they have not waited long enough to be a batch */
    assert_string_equal(newest(f, &waiting, &limits, &count), "");
    waiting_fini(&waiting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_scan_sees_what_came_and_what_went, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(new_data_need_not_wait_behind_all_that_is_old, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
