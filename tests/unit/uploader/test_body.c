/* The bytes of a part: one gzip member, however it is pulled, and never complete when a payload is damaged.
 */
#include "tests/unit/uploader/batch_fixture.h"

#include <zlib.h>

#include "uploader/batch/body.h"

enum { BYTES_MAX = 8192, RAW_BYTES = BLOCKS * BLOCK_RAW_BYTES };

struct pulled {
    char bytes[BYTES_MAX];
    size_t count;
};

static struct source source_of(const struct fixture *f)
{
    return (struct source){.dir = f->dir, .plan = &f->plan};
}

static void gather(struct fixture *f, struct part *part)
{
    struct source source = source_of(f);
    part_init(part, UINT64_MAX);
    assert_int_equal(part_gather(part, &f->tools, &source, &(struct cursor){0}), 0);
    assert_int_equal(part->join.count, BLOCKS);
}

/* Pull all there is, `piece` bytes at a time, behind what was pulled before. The last answer. */
static ssize_t pull(struct body *body, size_t piece, struct pulled *pulled)
{
    ssize_t n;
    while ((n = body_read(body, pulled->bytes + pulled->count, piece)) > 0)
        pulled->count += (size_t)n;
    return n;
}

static void raw_rows(char rows[static RAW_BYTES])
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        memset(rows + i * BLOCK_RAW_BYTES, 'a' + (int)i, BLOCK_RAW_BYTES);
        rows[(i + 1) * BLOCK_RAW_BYTES - 1] = '\n';
    }
}

static void assert_is_member_of_all_rows(struct pulled *pulled)
{
    char out[RAW_BYTES + 1], rows[RAW_BYTES];
    z_stream z = {.next_in = (Bytef *)pulled->bytes,
                  .avail_in = (uInt)pulled->count,
                  .next_out = (Bytef *)out,
                  .avail_out = sizeof out};
    raw_rows(rows);
    assert_int_equal(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(z.total_out, sizeof rows);
    assert_memory_equal(out, rows, sizeof rows);
    inflateEnd(&z);
}

static void pieces_of_any_size_give_one_member(void **state)
{
    static const size_t pieces[] = {1, 7, 10, 100, 4096};
    struct fixture *f = *state;
    struct source source = source_of(f);
    struct part part;
    gather(f, &part);
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct pulled pulled = {0};
        struct body body;
        body_init(&body, &source, &part);
        assert_int_equal(body_bytes(&body), join_bytes(&part.join));
        assert_int_equal(pull(&body, pieces[i], &pulled), 0);
        assert_int_equal(pulled.count, body_bytes(&body));
        assert_int_equal(body.failure, 0);
        assert_is_member_of_all_rows(&pulled);
        body_fini(&body);
    }
    part_fini(&part);
}

static void who_rewinds_gets_the_same_again(void **state)
{
    struct fixture *f = *state;
    struct source source = source_of(f);
    struct pulled first = {0}, again = {0};
    struct part part;
    struct body body;
    gather(f, &part);
    body_init(&body, &source, &part);
    assert_int_equal(body_read(&body, first.bytes, 50), 50); /* in the middle of a payload */
    body_rewind(&body);
    assert_int_equal(pull(&body, 64, &again), 0);
    assert_memory_equal(first.bytes, again.bytes, 50);
    assert_is_member_of_all_rows(&again);
    body_fini(&body);
    part_fini(&part);
}

static void windows_after_each_other_are_the_member(void **state)
{
    struct fixture *f = *state;
    struct source source = source_of(f);
    struct pulled pulled = {0};
    struct cursor at = {0};
    struct part part;
    unsigned windows = 0;
    bool is_last = false;
    part_init(&part, UINT64_MAX);
    part.byte_limit = 1; /* one block each */
    for (; !is_last; windows++) {
        struct body body;
        assert_int_equal(part_gather(&part, &f->tools, &source, &at), 0);
        at = part.next;
        is_last = part_is_last(&part, &f->plan);
        body_init_window(&body, &source, &part, windows == 0, is_last);
        assert_int_equal(pull(&body, 7, &pulled), 0);
        body_fini(&body);
        part_next_window(&part);
    }
    assert_true(windows >= BLOCKS);
    assert_is_member_of_all_rows(&pulled);
    part_fini(&part);
}

static void damage(struct fixture *f, uint64_t offset)
{
    uint8_t byte;
    int fd = openat(f->dir, "one", O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

static void a_damaged_payload_is_never_given_whole(void **state)
{
    struct fixture *f = *state;
    struct source source = source_of(f);
    struct buf rows;
    struct part part;
    gather(f, &part);
    const struct join_extent *extent = &part.join.extents[BLOCKS / 2];
    uint64_t before = JOIN_HEADER_BYTES;
    for (unsigned i = 0; i < BLOCKS / 2; i++)
        before += part.join.extents[i].bytes;
    damage(f, extent->offset + 1);
    for (size_t piece = 1; piece < 64; piece += 5) {
        struct pulled pulled = {0};
        struct body body;
        body_init(&body, &source, &part);
        assert_int_equal(pull(&body, piece, &pulled), -EBADMSG);
        assert_int_equal(body.failure, -EBADMSG);
        assert_true(pulled.count < before + extent->bytes);
        body_fini(&body);
    }
    buf_init(&rows, RAW_BYTES);
    assert_int_equal(body_inflate(&source, &part, &f->tools, &rows), -EBADMSG);
    buf_fini(&rows);
    part_fini(&part);
}

static void inflated_it_is_the_rows(void **state)
{
    struct fixture *f = *state;
    struct source source = source_of(f);
    char expected[RAW_BYTES];
    struct part part;
    struct buf rows;
    gather(f, &part);
    raw_rows(expected);
    buf_init(&rows, RAW_BYTES);
    assert_int_equal(body_inflate(&source, &part, &f->tools, &rows), 0);
    assert_int_equal(rows.len, sizeof expected);
    assert_memory_equal(rows.data, expected, sizeof expected);
    buf_fini(&rows);
    buf_init(&rows, RAW_BYTES - 1);
    assert_int_equal(body_inflate(&source, &part, &f->tools, &rows), -ENOSPC);
    buf_fini(&rows);
    part_fini(&part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_of_any_size_give_one_member, setup, teardown),
        cmocka_unit_test_setup_teardown(who_rewinds_gets_the_same_again, setup, teardown),
        cmocka_unit_test_setup_teardown(windows_after_each_other_are_the_member, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_payload_is_never_given_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(inflated_it_is_the_rows, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
