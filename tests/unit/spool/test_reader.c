#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/segment/codec.h"
#include "common/spool/reader.h"

static char *path;
static int dir;
static struct codec *codec;
static struct buf image; /* the file that a test writes */
static struct err err;

static int set_up(void **state)
{
    (void)state;
    path = unit_temp_dir();
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    codec = codec_new();
    buf_init(&image, 64 << 20);
    return dir < 0 || !codec;
}

static int tear_down(void **state)
{
    (void)state;
    buf_fini(&image);
    codec_free(codec);
    close(dir);
    unit_remove_dir(path);
    return 0;
}

static void add_head(void)
{
    static const struct segment_head head = {
        .db = "D", .table = "T", .format = SEGMENT_CSV, .schema = "a:long", .id = 7, .instance = "i"};
    char json[1000];
    size_t json_bytes, bytes;
    assert_int_equal(segment_head_write(&head, json, sizeof json, &json_bytes), SEGMENT_HEAD_OK);
    assert_int_equal(buf_reserve(&image, member_head_bytes(json_bytes)), 0);
    assert_int_equal(member_encode_head(json, json_bytes, 1, image.data + image.len,
                                        member_head_bytes(json_bytes), &bytes),
                     0);
    image.len += bytes;
}

/* `rows` rows of "1\n"; returns where the member begins. */
static size_t add_block(uint32_t rows)
{
    char *raw = malloc(2 * (size_t)rows + 1);
    for (uint32_t i = 0; i < rows; i++)
        memcpy(raw + 2 * (size_t)i, "1\n", 2);
    const struct member_block block = {.raw = raw, .raw_bytes = 2 * (size_t)rows, .rows = rows, .mtime = 1};
    size_t bytes, at = image.len;
    assert_int_equal(buf_reserve(&image, member_bound(block.raw_bytes)), 0);
    assert_int_equal(
        member_encode_data(codec, &block, image.data + at, member_bound(block.raw_bytes), &bytes), 0);
    image.len += bytes;
    free(raw);
    return at;
}

static struct scan_summary summary_of_image(struct segment_head *head)
{
    struct scan_summary summary;
    assert_int_equal(file_replace_lazily(dir, "f.gz", image.data, image.len), 0);
    assert_int_equal(segment_read_summary(dir, "f.gz", &summary, head, &err), 0);
    return summary;
}

static void a_whole_file(void **state)
{
    (void)state;
    struct segment_head head;
    add_head();
    add_block(3);
    add_block(200000); /* longer than what is read to find the header */
    struct scan_summary summary = summary_of_image(&head);
    assert_true(summary.starts_with_head);
    assert_string_equal(head.schema, "a:long");
    assert_int_equal(summary.rows, 200003);
    assert_int_equal(summary.blocks, 2);
    assert_int_equal(summary.valid_end, image.len);
    assert_int_equal(summary.tail_bytes + summary.damaged_bytes, 0);
    segment_head_fini(&head);
}

static void damage_hides_no_neighbour(void **state)
{
    (void)state;
    add_head();
    add_block(1);
    size_t bad = add_block(10), after = add_block(100);
    image.data[bad + 40] ^= 1;
    assert_int_equal(buf_put(&image, "\0\0\0\0\0", 5), 0);
    struct scan_summary summary = summary_of_image(NULL);
    assert_int_equal(summary.rows, 101);
    assert_int_equal(summary.damaged_bytes, after - bad);
    assert_int_equal(summary.damage_offset, bad);
    assert_int_equal(summary.tail_bytes, 5);
}

/* The same as scan.h says of the same bytes, wherever one of them is flipped, and wherever the file is cut
 * off. */
static void agrees_with_the_scan_of_an_image(void **state)
{
    (void)state;
    add_head();
    for (uint32_t i = 1; i < 6; i++)
        add_block(i * 7);
    for (size_t i = 0; i < image.len; i++) {
        struct scan_summary expected;
        size_t len = image.len;
        image.data[i] ^= 0x20;
        scan_summarize(image.data, image.len, SCAN_VALID, &expected);
        struct scan_summary summary = summary_of_image(NULL);
        assert_memory_equal(&summary.blocks, &expected.blocks, sizeof summary.blocks);
        assert_int_equal(summary.rows, expected.rows);
        assert_int_equal(summary.tail_bytes, expected.tail_bytes);
        assert_int_equal(summary.damaged_bytes, expected.damaged_bytes);
        assert_int_equal(summary.damage_offset, expected.damage_offset);
        image.data[i] ^= 0x20;
        image.len = i;
        scan_summarize(image.data, image.len, SCAN_VALID, &expected);
        summary = summary_of_image(NULL);
        assert_int_equal(summary.rows, expected.rows);
        assert_int_equal(summary.tail_bytes, expected.tail_bytes);
        image.len = len;
    }
}

static void what_cannot_be_opened_is_an_error_not_damage(void **state)
{
    (void)state;
    struct segment_reader reader;
    assert_int_equal(segment_reader_open(&reader, dir, "absent.gz", &err), -ENOENT);
    segment_reader_close(&reader);
    assert_int_equal(mkdirat(dir, "d.gz", 0755), 0);
    assert_int_equal(segment_reader_open(&reader, dir, "d.gz", &err), -EINVAL);
    assert_int_equal(symlinkat("/etc/passwd", dir, "l.gz"), 0);
    assert_int_equal(segment_reader_open(&reader, dir, "l.gz", &err), -ELOOP);
    assert_int_equal(mkfifoat(dir, "p.gz", 0644), 0);
    assert_int_equal(segment_reader_open(&reader, dir, "p.gz", &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_whole_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_hides_no_neighbour, set_up, tear_down),
        cmocka_unit_test_setup_teardown(agrees_with_the_scan_of_an_image, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_opened_is_an_error_not_damage, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
