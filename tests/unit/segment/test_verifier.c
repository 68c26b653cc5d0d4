#include "tests/unit/segment/segment_test.h"

#include "common/segment/scan.h"
#include "common/segment/verifier.h"

static struct codec *codec;
static struct verifier verifier;

static int setup(void **state UNUSED)
{
    codec = codec_new();
    return codec ? 0 : -1;
}

static int teardown(void **state UNUSED)
{
    codec_free(codec);
    return 0;
}

static struct image make_stream(size_t blocks, size_t block_bytes)
{
    struct image image = {0};

    image_append_head(&image, SAMPLE_HEAD);
    for (size_t i = 0; i < blocks; i++)
        image_append_rows(&image, codec, 1 + random_below(block_bytes));
    return image;
}

/* Push all of it in pieces; compare each member with what the scanner finds. Returns how many there were. */
static size_t push_all(const struct image *image, size_t piece_max, enum verifier_event *last)
{
    struct scan scan;
    struct scan_item item;
    size_t at = 0, members = 0;

    verifier_init(&verifier);
    scan_init(&scan, image->data, image->bytes, SCAN_VALID);
    *last = VERIFIER_MORE;
    while (at < image->bytes && *last != VERIFIER_BAD) {
        size_t piece = 1 + random_below(piece_max), used;
        if (piece > image->bytes - at)
            piece = image->bytes - at;
        /* A copy, so that nothing of an earlier piece can be relied on. */
        uint8_t *copy = malloc(piece);
        assert_non_null(copy);
        memcpy(copy, image->data + at, piece);
        *last = verifier_push(&verifier, copy, piece, &used);
        free(copy);
        assert_true(*last != VERIFIER_MORE || used == piece);
        at += used;
        assert_int_equal(verifier.stream_bytes, at);
        if (*last != VERIFIER_MEMBER)
            continue;
        members++;
        assert_true(scan_next(&scan, &item) && item.is_member);
        assert_int_equal(verifier.member.offset, item.offset);
        assert_int_equal(verifier.member.rows, item.member.rows);
        assert_int_equal(verifier.member.isize, item.member.isize);
        assert_int_equal(verifier.member.crc32, item.member.crc32);
        assert_int_equal(verifier.member.is_head, item.member.is_head);
        if (item.member.is_head)
            assert_memory_equal(verifier.member.head_json, SAMPLE_HEAD, strlen(SAMPLE_HEAD));
    }
    scan_fini(&scan);
    return members;
}

static void test_whole_streams_in_pieces(void **state UNUSED)
{
    static const size_t pieces[] = {1, 2, 11, 50, 1000, 1000000};
    enum verifier_event last;

    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        for (int round = 0; round < 20; round++) {
            struct image image = make_stream(5, 2000);
            assert_int_equal(push_all(&image, pieces[i], &last), 6);
            assert_int_equal(last, VERIFIER_MEMBER);
            assert_true(verifier_is_at_end(&verifier));
            image_free(&image);
        }
    }
}

static void test_cut_streams_are_not_at_their_end(void **state UNUSED)
{
    struct image image = make_stream(2, 300);
    size_t whole = image.bytes, ends = 0;
    enum verifier_event last;

    for (size_t bytes = 0; bytes <= whole; bytes++) {
        image.bytes = bytes;
        push_all(&image, 100, &last);
        assert_int_not_equal(last, VERIFIER_BAD);
        ends += verifier_is_at_end(&verifier);
    }
    assert_int_equal(ends, 4); /* 0, and behind each member */
    image_free(&image);
}

static void test_flips_are_found(void **state UNUSED)
{
    enum verifier_event last;

    for (int round = 0; round < 500; round++) {
        struct image image = make_stream(3, 300);
        struct scan_summary sum;
        image.data[random_below(image.bytes)] ^= (uint8_t)(1u << random_below(8));
        enum scan_verdict verdict = scan_summarize(image.data, image.bytes, SCAN_VALID, &sum);
        push_all(&image, 400, &last);
        bool is_whole = last == VERIFIER_MEMBER && verifier_is_at_end(&verifier);
        assert_int_equal(is_whole, verdict == SCAN_WHOLE); /* a flip in a trailer is for --deep */
        if (last == VERIFIER_BAD) {
            size_t used;
            assert_int_equal(verifier.member.offset, sum.damage_offset);
            assert_int_not_equal(verifier.status, MEMBER_OK);
            assert_int_equal(verifier_push(&verifier, "x", 1, &used), VERIFIER_BAD); /* sticky */
            assert_int_equal(used, 0);
        }
        image_free(&image);
    }
}

static void test_a_large_head(void **state UNUSED)
{
    static char json[MEMBER_HEAD_JSON_MAX];
    static uint8_t out[2 * MEMBER_HEADER_MAX];
    size_t bytes, used, at = 0;
    enum verifier_event event = VERIFIER_MORE;

    memset(json, 'j', sizeof(json));
    assert_int_equal(member_encode_head(json, sizeof(json), 0, out, sizeof(out), &bytes), 0);
    verifier_init(&verifier);
    for (; at < bytes; at += used) {
        assert_int_equal(event, VERIFIER_MORE);
        event = verifier_push(&verifier, out + at, bytes - at < 1000 ? bytes - at : 1000, &used);
    }
    assert_int_equal(event, VERIFIER_MEMBER);
    assert_int_equal(verifier.member.head_json_bytes, sizeof(json));
    assert_memory_equal(verifier.member.head_json, json, sizeof(json));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_streams_in_pieces),
        cmocka_unit_test(test_cut_streams_are_not_at_their_end),
        cmocka_unit_test(test_flips_are_found),
        cmocka_unit_test(test_a_large_head),
    };

    random_seed();
    return cmocka_run_group_tests(tests, setup, teardown);
}
