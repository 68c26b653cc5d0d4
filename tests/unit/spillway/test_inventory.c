/* Segments that move, or are renamed, between being listed and being opened. */
#include "tests/unit/spool/fixture.h"

#include "common/cli/inventory.h"

struct listed {
    struct fixture *f;
    struct writer w;
    struct inventory inventory;
};

static struct listed list(struct fixture *f)
{
    static const struct inventory_filter all = {
        .queues = INVENTORY_ALL_QUEUES, .from_ms = INT64_MIN, .before_ms = INT64_MAX};
    struct listed l = {.f = f};
    f->origin.since_ms = (uint64_t)wall_now_ms();
    assert_int_equal(writer_create(&l.w, &f->spool, f->lease, &f->origin, WRITER_LANDING, NULL), 0);
    assert_int_equal(append_block(f, &l.w, 0, 10), 0);
    assert_int_equal(inventory_add(&l.inventory, &f->spool, &all), 0);
    inventory_settle(&l.inventory);
    assert_int_equal(l.inventory.count, 1);
    assert_true(l.inventory.entries[0].is_landing);
    return l;
}

static int open_it(struct listed *l)
{
    return inventory_open(&l->inventory, &l->f->spool, &l->inventory.entries[0]);
}

static void check_found(struct listed *l, enum spool_queue queue, bool is_landing)
{
    struct stat found, wanted;
    const struct inventory_entry *entry = &l->inventory.entries[0];
    int fd = open_it(l);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &found), 0);
    assert_true(found.st_ino == entry->inode);
    assert_true(l->w.fd < 0 || (fstat(l->w.fd, &wanted) == 0 && wanted.st_ino == found.st_ino));
    assert_string_equal(entry->file, l->w.file);
    assert_true(entry->id == l->w.id && entry->folder->queue == queue && entry->is_landing == is_landing);
    close(fd);
}

static void finish(struct listed *l)
{
    writer_abandon(&l->w);
    inventory_fini(&l->inventory);
}

static void one_that_moves_is_followed(void **state)
{
    struct listed l = list(*state);
    check_found(&l, QUEUE_ACTIVE, true);
    assert_int_equal(writer_seal(&l.w, false, NULL, NULL), 0);
    check_found(&l, QUEUE_UPLOAD, false);
    finish(&l);
}

static void one_that_is_renamed_is_followed(void **state)
{
    struct listed l = list(*state);
    assert_int_equal(writer_redate(&l.w, l.f->origin.since_ms - 60000, NULL), 0);
    check_found(&l, QUEUE_ACTIVE, true);
    assert_int_equal(writer_redate(&l.w, l.f->origin.since_ms - 90000, NULL), 0);
    assert_int_equal(writer_seal(&l.w, false, NULL, NULL), 0);
    check_found(&l, QUEUE_UPLOAD, false);
    finish(&l);
}

/* It was listed under both names: the one that is gone is not it a second time. */
static void one_that_is_listed_twice_is_one(void **state)
{
    struct listed l = list(*state);
    const struct inventory_filter all = {
        .queues = INVENTORY_ALL_QUEUES, .from_ms = INT64_MIN, .before_ms = INT64_MAX};
    assert_int_equal(writer_redate(&l.w, l.f->origin.since_ms - 60000, NULL), 0);
    assert_int_equal(inventory_add(&l.inventory, &l.f->spool, &all), 0);
    assert_int_equal(l.inventory.count, 2);
    assert_int_equal(open_it(&l), -ENOENT);
    int fd = inventory_open(&l.inventory, &l.f->spool, &l.inventory.entries[1]);
    assert_true(fd >= 0);
    close(fd);
    finish(&l);
}

static void one_that_is_gone_is_gone(void **state)
{
    struct listed l = list(*state);
    writer_discard(&l.w);
    assert_int_equal(open_it(&l), -ENOENT);
    finish(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_moves_is_followed, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(one_that_is_renamed_is_followed, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(one_that_is_listed_twice_is_one, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(one_that_is_gone_is_gone, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("spillway/inventory", tests, NULL, NULL);
}
