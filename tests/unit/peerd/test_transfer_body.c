/* Bodies of transfers as they arrive, in pieces of any size: what is whole, what is refused and why, and that
 * the memory comes back. */
#include "tests/unit/unit.h"

#include "common/segment/codec.h"
#include "common/segment/flake.h"
#include "common/spool/origin.h"
#include "peerd/receive/transfer_body.h"

struct fixture {
    struct transfer_target target;
    struct codec *codec;
    struct memory memory;
    uint8_t data[65536]; /* a head and blocks of 100 rows each */
    size_t bytes, head_bytes, rows;
    size_t ends[3], end_count; /* of the members that set_up() wrote */
};

static size_t put_head_of(struct fixture *f, const char *table, const char *schema, uint64_t id)
{
    struct segment_origin origin;
    struct err err;
    size_t bytes;
    uint8_t *head = malloc(ORIGIN_HEAD_MAX);
    assert_int_equal(origin_init(&origin, "D", table, schema, SEGMENT_CSV, "n0", &err), 0);
    assert_int_equal(origin_encode_head(&origin, id, head, &bytes), 0);
    memcpy(f->data + f->bytes, head, bytes);
    f->bytes += bytes;
    origin_fini(&origin);
    free(head);
    return bytes;
}

static size_t put_head(struct fixture *f, const char *table, const char *schema)
{
    return put_head_of(f, table, schema, 1);
}

static void put_block(struct fixture *f)
{
    char raw[4096];
    size_t used = 0, bytes;
    for (unsigned i = 0; i < 100; i++)
        used += (size_t)snprintf(raw + used, sizeof raw - used, "%zu\n", f->rows++);
    const struct member_block block = {.raw = raw, .raw_bytes = used, .rows = 100, .mtime = 1};
    assert_int_equal(
        member_encode_data(f->codec, &block, f->data + f->bytes, sizeof f->data - f->bytes, &bytes), 0);
    f->bytes += bytes;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->codec = codec_new();
    f->memory.limit = 1 << 20;
    assert_int_equal(transfer_target_init(&f->target, "/transfer?db=D&table=T&format=csv&id=1"), 0);
    assert_int_equal(f->target.kind, TARGET_TRANSFER);
    f->head_bytes = put_head(f, "T", "");
    f->ends[0] = f->bytes;
    put_block(f);
    f->ends[1] = f->bytes;
    put_block(f);
    f->ends[2] = f->bytes;
    f->end_count = 3;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    assert_true(f->memory.used == 0); /* all of it came back */
    transfer_target_fini(&f->target);
    codec_free(f->codec);
    free(f);
    return 0;
}

/* Feed all of it, `step` bytes at a time, as if each full piece were handed on. */
static enum transfer_body_status feed(struct transfer_body *body, const uint8_t *data, size_t bytes,
                                      size_t step)
{
    enum transfer_body_status status = BODY_OK;
    for (size_t at = 0; at < bytes && status == BODY_OK;) {
        size_t n = bytes - at < step ? bytes - at : step, left = n;
        status = transfer_body_take(body, (const char *)data + at, &left);
        at += n - left;
        if (status == BODY_FULL) {
            assert_true(body->fill == body->piece_max);
            transfer_body_next(body);
            status = BODY_OK;
        }
    }
    return status == BODY_OK ? transfer_body_finish(body) : status;
}

static void check_bad(struct fixture *f, const uint8_t *data, size_t bytes, const char *why)
{
    static const size_t steps[] = {1, 13, 65536};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct transfer_body *body = transfer_body_new(&f->target, &f->memory, 1 << 16, bytes);
        assert_non_null(body);
        assert_int_equal(feed(body, data, bytes, steps[i]), BODY_BAD);
        if (!strstr(body->why, why))
            fail_msg("'%s' does not say '%s'", body->why, why);
        transfer_body_free(body);
    }
}

static void test_whole_in_any_steps(void **state)
{
    struct fixture *f = *state;
    static const size_t steps[] = {1, 7, 100, 65536}, pieces[] = {64, 1000, 1 << 16};
    struct digest_value first = {0};
    for (size_t i = 0; i < ARRAY_LEN(steps) * ARRAY_LEN(pieces); i++) {
        struct transfer_body *body =
            transfer_body_new(&f->target, &f->memory, pieces[i % ARRAY_LEN(pieces)], i % 2 ? f->bytes : 0);
        assert_non_null(body);
        assert_int_equal(feed(body, f->data, f->bytes, steps[i / ARRAY_LEN(pieces)]), BODY_OK);
        assert_true(body->rows == 200 && body->bytes == f->bytes);
        assert_string_equal(body->schema, "");
        struct digest_value digest = digest_value(&body->digest);
        if (i == 0)
            first = digest;
        assert_true(digest.bytes == f->bytes && digest_is_equal(digest, first));
        transfer_body_free(body);
    }
}

/* Of a member's trailer (CRC32, ISIZE) whoever inflates nothing says nothing. */
static bool is_in_trailer(const struct fixture *f, size_t at)
{
    for (size_t i = 0; i < f->end_count; i++)
        if (at >= f->ends[i] - 8 && at < f->ends[i])
            return true;
    return false;
}

static void test_damage_and_ends(void **state)
{
    struct fixture *f = *state;
    check_bad(f, f->data, f->bytes - 1, "stops in the middle");
    check_bad(f, f->data, f->head_bytes, "no rows");
    check_bad(f, f->data, 0, "no rows");
    check_bad(f, f->data + f->head_bytes, f->bytes - f->head_bytes, "does not begin with the head");
    for (size_t at = 0; at < f->bytes; at++) { /* each byte that is flipped is found */
        struct transfer_body *body = transfer_body_new(&f->target, &f->memory, 1 << 16, 0);
        f->data[at] ^= 0x40;
        enum transfer_body_status status = feed(body, f->data, f->bytes, 65536);
        f->data[at] ^= 0x40;
        if (status == BODY_OK && !is_in_trailer(f, at))
            fail_msg("a flipped byte at %zu was not found", at);
        transfer_body_free(body);
    }
    memset(f->data, 'x', 100);
    check_bad(f, f->data, f->bytes, "not valid at byte 0");
}

static void test_heads_are_compared(void **state)
{
    struct fixture *f = *state;
    size_t good = f->bytes;
    put_head(f, "U", "");
    put_block(f);
    check_bad(f, f->data, f->bytes, "table 'U'");
    f->bytes = good;
    put_head(f, "T", "A:long");
    put_block(f);
    check_bad(f, f->data, f->bytes, "schema");
    f->bytes = good;
    put_head(f, "T", ""); /* segments of one table, one after another */
    put_block(f);
    struct transfer_body *body = transfer_body_new(&f->target, &f->memory, 1 << 16, 0);
    assert_int_equal(feed(body, f->data, f->bytes, 65536), BODY_OK);
    assert_true(body->rows == 300);
    transfer_body_free(body);
}

/* By all heads; what says nothing of a time says nothing. */
static void test_its_age_is_that_of_its_oldest_rows(void **state)
{
    struct fixture *f = *state;
    const uint64_t now = FLAKE_EPOCH_UNIX_MS + (UINT64_C(1) << 38);
    static const int64_t ages[] = {500, 90000, 1000, -3600000};
    struct transfer_body *body = transfer_body_new(&f->target, &f->memory, 1 << 16, 0);
    assert_int_equal(feed(body, f->data, f->bytes, 100), BODY_OK);
    assert_true(body->since_ms == UINT64_MAX); /* its one head has the id of a clock that was never set */
    transfer_body_free(body);
    for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
        put_head_of(f, "T", "", flake_at(now - (uint64_t)ages[i], 3, i));
        put_block(f);
        body = transfer_body_new(&f->target, &f->memory, 1 << 16, 0);
        assert_int_equal(feed(body, f->data, f->bytes, 100), BODY_OK);
        assert_true(body->since_ms == now - (i == 0 ? 500 : 90000));
        transfer_body_free(body);
    }
}

static void test_memory_has_a_ceiling(void **state)
{
    struct fixture *f = *state;
    size_t left = f->bytes;
    f->memory.limit = 1000;
    assert_null(transfer_body_new(&f->target, &f->memory, 1 << 16, 0));
    assert_true(f->memory.used == 0);
    f->memory.limit = 16 << 10;
    while (f->bytes < (20 << 10))
        put_block(f);
    left = f->bytes;
    struct transfer_body *body = transfer_body_new(&f->target, &f->memory, 1 << 16, 0);
    assert_non_null(body);
    assert_int_equal(transfer_body_take(body, (const char *)f->data, &left), BODY_NO_MEMORY);
    assert_true(left == f->bytes - (16 << 10));
    transfer_body_free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_in_any_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage_and_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_heads_are_compared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_its_age_is_that_of_its_oldest_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_has_a_ceiling, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("peerd/transfer_body", tests, NULL, NULL);
}
