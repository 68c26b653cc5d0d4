/* The press: what goes in comes out, in order, whole, whoever is faster. */
#include "tests/unit/unit.h"

#include "walwriter/press.h"

enum { BLOCK_BYTES = 64 << 10, RAW_MAX = 80 << 10, BLOCKS = 300 };

static void fill(char *raw, size_t bytes, unsigned number)
{
    for (size_t i = 0; i < bytes; i++)
        raw[i] = (i + 1) % 16 == 0 ? '\n' : (char)('a' + (i * (number + 1) >> 4) % 26);
}

static size_t size_of(unsigned number)
{
    return 16 * (1 + (size_t)number * 7919 % (BLOCK_BYTES / 16)); /* whole rows of fill() */
}

/* The number-th block, inflated, holds what fill() put there. */
static void check_block(const struct pressed *done, unsigned number)
{
    static struct codec *codec;
    static char expected[RAW_MAX], raw[RAW_MAX];
    struct member m;
    if (!codec)
        codec = codec_new();
    assert_int_equal(done->rc, 0);
    assert_int_equal(done->raw_bytes, size_of(number));
    fill(expected, size_of(number), number);
    assert_int_equal(member_parse(done->member, done->member_bytes, &m), MEMBER_OK);
    assert_int_equal(member_check_deep(codec, done->member, &m, SEGMENT_CSV, raw, sizeof raw), MEMBER_OK);
    assert_int_equal(m.rows, done->rows);
    assert_memory_equal(raw, expected, size_of(number));
}

static unsigned take_done(struct press *press, unsigned taken)
{
    for (const struct pressed *done; (done = press_take(press)) != NULL; press_drop(press))
        check_block(done, taken++);
    return taken;
}

static void blocks_come_out_in_order(void **state)
{
    (void)state;
    struct press *press;
    unsigned taken = 0;
    assert_int_equal(press_new(&press, BLOCK_BYTES, RAW_MAX, COMPRESSION_AUTO), 0);
    assert_true(press_is_idle(press));
    press_wait(press, true);
    assert_null(press_take(press));
    for (unsigned i = 0; i < BLOCKS; i++) {
        size_t bytes = size_of(i);
        char *raw = press_buffer(press);
        fill(raw, bytes, i);
        if (press_is_full(press))
            press_wait(press, false);
        taken = take_done(press, taken);
        assert_false(press_is_full(press));
        press_give(press,
                   &(struct member_block){.raw = raw, .raw_bytes = bytes, .rows = (uint32_t)bytes / 16});
        assert_false(press_is_idle(press));
        assert_ptr_not_equal(press_buffer(press), raw);
        if (i % 50 == 0)
            press_wait(press, false);
    }
    press_wait(press, true);
    assert_int_equal(take_done(press, taken), BLOCKS);
    assert_true(press_is_idle(press));
    press_free(press);
}

static void what_is_not_taken_is_dropped(void **state)
{
    (void)state;
    for (unsigned given = 0; given < 3; given++) {
        struct press *press;
        assert_int_equal(press_new(&press, 16 << 20, RAW_MAX, COMPRESSION_SMALL),
                         0); /* large blocks: few buffers */
        for (unsigned i = 0; i < given; i++) {
            char *raw = press_buffer(press);
            fill(raw, BLOCK_BYTES, i);
            assert_false(press_is_full(press));
            press_give(press, &(struct member_block){.raw = raw, .raw_bytes = BLOCK_BYTES, .rows = 4096});
        }
        assert_int_equal(press_is_full(press), given == 2);
        press_free(press);
    }
    press_free(NULL);
}

static void a_block_that_cannot_be_deflated_says_so(void **state)
{
    (void)state;
    struct press *press;
    assert_int_equal(press_new(&press, 4096, 4096, COMPRESSION_FAST), 0);
    press_give(press, &(struct member_block){.raw = press_buffer(press), .raw_bytes = (64 << 20) + 1});
    press_wait(press, true);
    const struct pressed *done = press_take(press);
    assert_non_null(done);
    assert_int_equal(done->rc, -EINVAL);
    press_free(press);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_come_out_in_order),
        cmocka_unit_test(what_is_not_taken_is_dropped),
        cmocka_unit_test(a_block_that_cannot_be_deflated_says_so),
    };
    return cmocka_run_group_tests_name("walwriter/press", tests, NULL, NULL);
}
