/* Tables and their open segments: found by name, parked within the limit, opened again, sealed, counted. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sched.h>

#include "common/base/log.h"
#include "common/http/auth.h"
#include "common/segment/codec.h"
#include "common/spool/place.h"
#include "walwriter/slots.h"

struct fixture {
    char *path;
    struct spool spool;
    struct receive_settings settings;
    struct registry registry;
    struct totals totals;
    struct slots slots;
    struct codec *codec;
};

static void wake(void *arg)
{
    (void)arg;
}

static int setup(void **state)
{
    struct err err;
    struct fixture *f = calloc(1, sizeof *f);
    log_init("test", LEVEL_ERROR, false);
    f->path = unit_temp_dir();
    f->codec = codec_new();
    f->settings = (struct receive_settings){.segment_bytes = 1 << 20,
                                            .segment_age_ms = 3600000,
                                            .open_max = 16,
                                            .tables_max = 100,
                                            .sync = SYNC_ALWAYS};
    assert_int_equal(spool_open(&f->spool, f->path, "unit", &err), 0);
    assert_int_equal(registry_init(&f->registry, "unit", f->settings.tables_max), 0);
    slots_init(&f->slots, &f->settings, &f->spool, &f->registry, &f->totals);
    assert_int_equal(syncer_new(&f->slots.syncer, &f->spool, wake, NULL, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    syncer_free(f->slots.syncer);
    slots_fini(&f->slots);
    registry_fini(&f->registry);
    spool_close(&f->spool);
    codec_free(f->codec);
    unit_remove_dir(f->path);
    free(f);
    return 0;
}

static struct table *table_of(struct fixture *f, unsigned number)
{
    struct err err;
    struct route route;
    struct table *table;
    char target[64];
    snprintf(target, sizeof target, "/ingest/D%u/T%u?format=csv", number % 3, number);
    assert_int_equal(route_init(&route, target), 0);
    assert_int_equal(registry_get(&f->registry, &route, &table, &err), 0);
    route_fini(&route);
    return table;
}

static int put(struct fixture *f, struct table *table, bool is_bad, struct slot **slot)
{
    uint8_t member[4096];
    size_t bytes;
    struct err err;
    const struct member_block block = {.raw = "1\n", .raw_bytes = 2, .rows = 1, .mtime = 1};
    const struct writer_counts counts = {.rows = 1, .raw_bytes = 2, .blocks = 1};
    assert_int_equal(member_encode_data(f->codec, &block, member, sizeof member, &bytes), 0);
    return slots_append(&f->slots, table, is_bad, member, bytes, &counts, slot, &err);
}

static int count_one(void *arg, const struct spool_place *place, int dir, const char *file)
{
    (void)place, (void)dir, (void)file;
    ++*(unsigned *)arg;
    return 0;
}

static unsigned files_in(struct fixture *f, enum spool_queue queue)
{
    unsigned count = 0;
    assert_int_equal(spool_walk(&f->spool, queue, NULL, count_one, &count), 0);
    return count;
}

static void seal_all(struct fixture *f)
{
    struct mono deadline = mono_after(10000);
    slots_close_all(&f->slots, NULL, 0);
    while (!slots_is_settled(&f->slots) && !mono_is_past(deadline)) {
        slots_tick(&f->slots);
        slots_bury(&f->slots);
        sched_yield();
    }
    assert_int_equal(f->slots.count, 0);
}

static void tables_are_found_again_and_forgotten(void **state)
{
    struct fixture *f = *state;
    struct slot *slot;
    struct table *first = table_of(f, 1), *same = table_of(f, 1), *other = table_of(f, 4);
    assert_ptr_equal(first, same);
    assert_ptr_not_equal(first, other);
    assert_ptr_equal(first->database, other->database);
    assert_int_equal(f->registry.table_count, 2);
    assert_int_equal(put(f, first, false, &slot), 0);
    registry_put(&f->registry, other);
    registry_put(&f->registry, first);
    registry_put(&f->registry, same);
    assert_int_equal(f->registry.table_count, 1); /* its segment holds it */
    seal_all(f);
    assert_int_equal(f->registry.table_count, 0);
    assert_int_equal(files_in(f, QUEUE_SEALED), 1);
}

static void tables_are_limited(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct route route;
    struct table *tables[100], *one;
    for (unsigned i = 0; i < 100; i++)
        tables[i] = table_of(f, i);
    assert_int_equal(route_init(&route, "/ingest/D/One?format=csv"), 0);
    assert_int_equal(registry_get(&f->registry, &route, &one, &err), -ENFILE);
    for (unsigned i = 0; i < 100; i++)
        registry_put(&f->registry, tables[i]);
    assert_int_equal(f->registry.table_count, 0);
    assert_int_equal(registry_get(&f->registry, &route, &one, &err), 0);
    registry_put(&f->registry, one);
    route_fini(&route);
}

static void the_least_recently_used_are_parked(void **state)
{
    struct fixture *f = *state;
    struct table *tables[60];
    struct slot *slots[60], *again;
    for (unsigned i = 0; i < 60; i++) {
        tables[i] = table_of(f, i);
        assert_int_equal(put(f, tables[i], false, &slots[i]), 0);
        assert_true(f->slots.open_count <= 16);
    }
    assert_true(writer_is_parked(&slots[0]->writer));
    assert_false(writer_is_parked(&slots[59]->writer));
    assert_int_equal(put(f, tables[0], false, &again), 0);
    assert_ptr_equal(again, slots[0]);
    assert_true(writer_is_open(&slots[0]->writer));
    assert_int_equal(slots[0]->writer.counts.rows, 2);
    assert_int_equal(files_in(f, QUEUE_ACTIVE), 60);
    seal_all(f);
    assert_int_equal(files_in(f, QUEUE_ACTIVE), 0);
    assert_int_equal(files_in(f, QUEUE_SEALED), 60);
    for (unsigned i = 0; i < 60; i++)
        registry_put(&f->registry, tables[i]);
}

static void what_an_adopter_took_is_begun_anew(void **state)
{
    struct fixture *f = *state;
    struct table *table = table_of(f, 1);
    struct slot *slot, *again;
    assert_int_equal(put(f, table, false, &slot), 0);
    assert_int_equal(slots_sync(&f->slots), 0);
    assert_int_equal(writer_park(&slot->writer), 0);
    list_remove(&slot->recent);
    f->slots.open_count--;
    struct spool_place from = spool_place(QUEUE_ACTIVE, "D1"), to = spool_place(QUEUE_SEALED, "D1");
    assert_int_equal(spool_move(&f->spool, &from, slot->writer.file, &to, false), 0);
    assert_int_equal(put(f, table, false, &again), 0);
    assert_ptr_not_equal(again, slot);
    assert_int_equal(again->writer.counts.rows, 1);
    slots_bury(&f->slots);
    seal_all(f);
    assert_int_equal(files_in(f, QUEUE_SEALED), 2);
    registry_put(&f->registry, table);
}

static void refused_rows_have_segments_of_their_own(void **state)
{
    struct fixture *f = *state;
    struct table *table = table_of(f, 1);
    struct slot *good, *bad;
    assert_int_equal(put(f, table, false, &good), 0);
    assert_int_equal(put(f, table, true, &bad), 0);
    assert_ptr_not_equal(good, bad);
    seal_all(f);
    assert_int_equal(files_in(f, QUEUE_SEALED), 1);
    assert_int_equal(files_in(f, QUEUE_QUARANTINE), 1);
    registry_put(&f->registry, table);
}

static void what_is_taken_back_is_gone(void **state)
{
    struct fixture *f = *state;
    struct table *table = table_of(f, 1);
    struct slot *slot;
    assert_int_equal(put(f, table, false, &slot), 0);
    struct writer_mark mark = writer_mark(&slot->writer);
    assert_int_equal(put(f, table, false, &slot), 0);
    slots_take_back(&f->slots, slot, &mark);
    assert_int_equal(slot->writer.counts.rows, 1);
    assert_int_equal(put(f, table, false, &slot), 0);
    mark = (struct writer_mark){.size_bytes = mark.size_bytes};
    slots_take_back(&f->slots, slot, &mark); /* no rows are left: no file either */
    assert_int_equal(files_in(f, QUEUE_ACTIVE), 0);
    assert_int_equal(f->slots.count, 0);
    slots_bury(&f->slots);
    registry_put(&f->registry, table);
}

static void ids_are_known(void **state)
{
    struct fixture *f = *state;
    uint64_t *ids;
    size_t count;
    struct slot *slot;
    struct table *tables[5];
    for (unsigned i = 0; i < 5; i++) {
        tables[i] = table_of(f, i);
        assert_int_equal(put(f, tables[i], false, &slot), 0);
    }
    slots_close_all(&f->slots, tables[0]->database, 0);
    assert_int_equal(slots_ids(&f->slots, &ids, &count), 0);
    assert_int_equal(count, 5);
    for (size_t i = 1; i < count; i++)
        assert_true(ids[i - 1] < ids[i]);
    free(ids);
    seal_all(f);
    for (unsigned i = 0; i < 5; i++)
        registry_put(&f->registry, tables[i]);
}

static void a_token_is_compared_whole(void **state)
{
    (void)state;
    assert_true(auth_is_token("Bearer abc", "abc"));
    assert_true(auth_is_token("bearer abc", "abc"));
    assert_false(auth_is_token("Bearer abd", "abc"));
    assert_false(auth_is_token("Bearer ab", "abc"));
    assert_false(auth_is_token("Bearer abca", "abc"));
    assert_false(auth_is_token("Bearer abcabc", "abc"));
    assert_false(auth_is_token("Bearer ", "abc"));
    assert_false(auth_is_token("Basic abc", "abc"));
    assert_false(auth_is_token("abc", "abc"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tables_are_found_again_and_forgotten),
        TEST(tables_are_limited),
        TEST(the_least_recently_used_are_parked),
        TEST(what_an_adopter_took_is_begun_anew),
        TEST(refused_rows_have_segments_of_their_own),
        TEST(what_is_taken_back_is_gone),
        TEST(ids_are_known),
        cmocka_unit_test(a_token_is_compared_whole),
    };
    return cmocka_run_group_tests_name("walwriter/slots", tests, NULL, NULL);
}
