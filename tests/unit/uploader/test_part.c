/* Gathering the blocks of a batch: what prepare remembers of them gives the same parts as looking again. */
#include "tests/unit/uploader/batch_fixture.h"

enum { PARTS_MAX = 16 };

static void remember_all(struct fixture *f)
{
    struct plan_file *file = &f->plan.files[0];
    struct member member;
    size_t count = 0;
    int fd = openat(f->dir, "one", O_RDONLY | O_CLOEXEC);
    file->members = calloc(BLOCKS, sizeof member);
    assert_non_null(file->members);
    assert_int_equal(walk_init(f->tools.walk, fd, 0), 0);
    while (walk_next(f->tools.walk, &member) > 0)
        if (!member.is_head)
            file->members[count++] = member;
    close(fd);
    assert_int_equal(count, BLOCKS);
}

struct seen {
    struct cursor next;
    size_t extents;
    uint32_t crc;
    uint64_t rows, first_offset;
};

static size_t gather_all(struct fixture *f, uint64_t raw_limit, struct seen *seen)
{
    struct source source = {.dir = f->dir, .plan = &f->plan};
    struct cursor at = {0};
    size_t count = 0;
    while (at.file < f->plan.count && count < PARTS_MAX) {
        struct part part;
        part_init(&part, raw_limit);
        assert_int_equal(part_gather(&part, &f->tools, &source, &at), 0);
        seen[count++] = (struct seen){.next = part.next,
                                      .extents = part.join.count,
                                      .crc = part.join.crc32,
                                      .rows = part.join.rows,
                                      .first_offset = part.join.count > 0 ? part.join.extents[0].offset : 0};
        at = part.next;
        part_fini(&part);
    }
    return count;
}

static void what_is_remembered_gives_the_same_parts(void **state)
{
    static const uint64_t limits[] = {100, 400, 800, 1000, 2000, UINT64_MAX};
    struct fixture *f = *state;
    struct seen walked[ARRAY_LEN(limits)][PARTS_MAX] = {0}, known[PARTS_MAX];
    size_t parts[ARRAY_LEN(limits)];
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        parts[i] = gather_all(f, limits[i], walked[i]);
    assert_int_equal(parts[ARRAY_LEN(limits) - 1], 1);
    remember_all(f);
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        memset(known, 0, sizeof known);
        assert_int_equal(gather_all(f, limits[i], known), parts[i]);
        for (size_t k = 0; k < parts[i]; k++) {
            assert_int_equal(known[k].next.file, walked[i][k].next.file);
            assert_int_equal(known[k].next.offset, walked[i][k].next.offset);
            assert_int_equal(known[k].next.raw, walked[i][k].next.raw);
            assert_int_equal(known[k].extents, walked[i][k].extents);
            assert_int_equal(known[k].crc, walked[i][k].crc);
            assert_int_equal(known[k].rows, walked[i][k].rows);
            assert_int_equal(known[k].first_offset, walked[i][k].first_offset);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_remembered_gives_the_same_parts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
