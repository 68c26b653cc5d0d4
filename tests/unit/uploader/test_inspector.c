/* What a look at one file of a batch finds. */
#include "tests/unit/unit.h"

#include <fcntl.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/spool/origin.h"
#include "uploader/batch/inspector.h"

enum { BLOCKS = 3, FILE_MAX = 1 << 20 };

static const char *const SCHEMA = "a:string,b:long";

struct fixture {
    char *path;
    int dir;
    struct codec *codec;
    struct walk walk;
    struct inspector inspector;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->path = unit_temp_dir();
    f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    f->codec = codec_new();
    assert_non_null(f->codec);
    inspector_init(&f->inspector, f->dir, "Db", &f->walk, false);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    inspector_fini(&f->inspector);
    codec_free(f->codec);
    close(f->dir);
    unit_remove_dir(f->path);
    free(f);
    return 0;
}

static void put_head(struct buf *file, const char *db, const char *table, const char *schema)
{
    struct segment_origin origin;
    struct err err;
    size_t bytes;
    assert_int_equal(origin_init(&origin, db, table, schema, SEGMENT_CSV, "test", &err), 0);
    assert_int_equal(buf_reserve(file, ORIGIN_HEAD_MAX), 0);
    assert_int_equal(origin_encode_head(&origin, 1, (uint8_t *)file->data + file->len, &bytes), 0);
    file->len += bytes;
    origin_fini(&origin);
}

static void put_rows(struct fixture *f, struct buf *file)
{
    static const char rows[] = "one,1\ntwo,2\n";
    const struct member_block block = {.raw = rows, .raw_bytes = sizeof rows - 1, .rows = 2};
    size_t bytes;
    assert_int_equal(buf_reserve(file, 4096), 0);
    assert_int_equal(member_encode_data(f->codec, &block, file->data + file->len, 4096, &bytes), 0);
    file->len += bytes;
}

/* Look at it as table T with SCHEMA, once it is the file "x". */
static struct inspection look(struct fixture *f, const struct buf *file)
{
    struct segment_name name = {.table = "T", .has_schema = true, .format = SEGMENT_CSV};
    struct schema schema;
    struct inspection found;
    assert_int_equal(schema_parse(SCHEMA, &schema, NULL), 0);
    name.schema_hash = schema_hash(&schema);
    schema_fini(&schema);
    if (file)
        assert_int_equal(file_replace_lazily(f->dir, "x", file->data, file->len), 0);
    inspector_look(&f->inspector, "x", &name, &found);
    return found;
}

static void put_segment(struct fixture *f, struct buf *file)
{
    put_head(file, "Db", "T", SCHEMA);
    for (unsigned i = 0; i < BLOCKS; i++)
        put_rows(f, file);
}

static void a_whole_one_is_counted_and_its_members_are_told(void **state)
{
    struct fixture *f = *state;
    struct buf file;
    buf_init(&file, FILE_MAX);
    put_segment(f, &file);
    struct inspection found = look(f, &file);
    assert_int_equal(found.finding, FOUND_WHOLE);
    assert_int_equal(found.bytes, file.len);
    assert_int_equal(found.sums.blocks, BLOCKS);
    assert_int_equal(found.sums.rows, 2 * BLOCKS);
    assert_string_equal(f->inspector.schema, SCHEMA);
    struct member *members = inspector_take_members(&f->inspector, &found);
    assert_non_null(members);
    for (unsigned i = 0; i < BLOCKS; i++) {
        assert_false(members[i].is_head);
        assert_int_equal(members[i].rows, 2);
        assert_true(i == 0 || members[i].offset == members[i - 1].offset + members[i - 1].member_bytes);
    }
    free(members);
    buf_fini(&file);
}

static void there_is_an_end_to_what_is_remembered(void **state)
{
    struct fixture *f = *state;
    struct buf file;
    uint64_t taken = 0;
    buf_init(&file, FILE_MAX);
    put_segment(f, &file);
    struct inspection found = look(f, &file);
    struct member *members;
    while ((members = inspector_take_members(&f->inspector, &found)) != NULL) {
        free(members);
        taken += BLOCKS;
        assert_true(taken <= PLAN_MEMBERS_MAX);
    }
    assert_true(taken > PLAN_MEMBERS_MAX - BLOCKS);
    buf_fini(&file);
}

static void without_rows_it_is_empty(void **state)
{
    struct fixture *f = *state;
    struct buf file;
    buf_init(&file, FILE_MAX);
    put_head(&file, "Db", "T", SCHEMA);
    assert_int_equal(look(f, &file).finding, FOUND_EMPTY);
    buf_fini(&file);
}

static void a_head_of_something_else_is_foreign_and_says_what(void **state)
{
    static const struct {
        const char *db, *table, *schema, *cause;
    } cases[] = {{"Other", "T", "a:string,b:long", "database Other"},
                 {"Db", "U", "a:string,b:long", "table U"},
                 {"Db", "T", "a:string", "another hash"},
                 {"Db", "T", "", "whether there is a schema"}};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf file;
        buf_init(&file, FILE_MAX);
        put_head(&file, cases[i].db, cases[i].table, cases[i].schema);
        put_rows(f, &file);
        struct inspection found = look(f, &file);
        assert_int_equal(found.finding, FOUND_FOREIGN);
        assert_non_null(strstr(found.cause, cases[i].cause));
        assert_null(f->inspector.schema);
        buf_fini(&file);
    }
}

static void without_a_head_it_waits_for_another_to_tell_the_columns(void **state)
{
    struct fixture *f = *state;
    struct buf bare, file;
    buf_init(&bare, FILE_MAX);
    buf_init(&file, FILE_MAX);
    put_rows(f, &bare);
    put_segment(f, &file);
    assert_int_equal(look(f, &bare).finding, FOUND_DAMAGED);
    assert_int_equal(look(f, &file).finding, FOUND_WHOLE);
    struct inspection found = look(f, &bare);
    assert_int_equal(found.finding, FOUND_WHOLE);
    assert_int_equal(found.sums.rows, 2);
    buf_fini(&bare);
    buf_fini(&file);
}

/* The last member's trailer is the end of the file; before it is its payload. */
static void damage_of_the_ends_is_found_and_of_payloads_when_thorough(void **state)
{
    struct fixture *f = *state;
    struct buf file;
    buf_init(&file, FILE_MAX);
    put_segment(f, &file);
    uint8_t *payload = (uint8_t *)file.data + file.len - MEMBER_TAIL_BYTES - 2;
    *payload ^= 0x10;
    assert_int_equal(look(f, &file).finding, FOUND_WHOLE);
    f->inspector.is_thorough = true;
    struct inspection found = look(f, &file);
    assert_int_equal(found.finding, FOUND_DAMAGED);
    assert_int_equal(found.sums.damaged_ranges, 1);
    assert_int_equal(found.sums.rows, 2 * (BLOCKS - 1));
    f->inspector.is_thorough = false;
    *payload ^= 0x10;
    file.len -= 3;
    found = look(f, &file);
    assert_int_equal(found.finding, FOUND_DAMAGED);
    assert_int_equal(found.sums.rows, 2 * (BLOCKS - 1));
    assert_true(found.sums.damaged_bytes > 0);
    buf_fini(&file);
}

static void of_what_cannot_be_read_nothing_is_said_but_why(void **state)
{
    struct fixture *f = *state;
    struct inspection found = look(f, NULL);
    assert_int_equal(found.finding, FOUND_UNREADABLE);
    assert_int_equal(found.rc, -ENOENT);
    assert_int_equal(symlinkat("elsewhere", f->dir, "x"), 0);
    found = look(f, NULL);
    assert_int_equal(found.finding, FOUND_UNREADABLE);
    assert_int_equal(found.rc, -ELOOP);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_whole_one_is_counted_and_its_members_are_told),
        TEST(there_is_an_end_to_what_is_remembered),
        TEST(without_rows_it_is_empty),
        TEST(a_head_of_something_else_is_foreign_and_says_what),
        TEST(without_a_head_it_waits_for_another_to_tell_the_columns),
        TEST(damage_of_the_ends_is_found_and_of_payloads_when_thorough),
        TEST(of_what_cannot_be_read_nothing_is_said_but_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
