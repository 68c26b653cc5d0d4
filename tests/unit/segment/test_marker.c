/* Commit markers: written and read back, what is none, and where the last one ends whatever is round it. */
#include "tests/unit/segment/segment_test.h"

#include "common/segment/marker.h"

static const char head[] =
    "{\"v\":1,\"db\":\"D\",\"table\":\"T\",\"format\":\"csv\",\"schema\":\"\",\"id\":\"x\","
    "\"instance\":\"n\",\"received\":true,\"hops\":1}";

static char owner[MARKER_OWNER_BYTES];

static struct marker marker_of(const char *id)
{
    struct marker marker = {.from = "n0", .digest = {.bytes = 77, .hash = 0xabc}};
    snprintf(marker.id, sizeof marker.id, "%s", id);
    return marker;
}

static void test_words(void **state UNUSED)
{
    char longest[TRANSFER_ID_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[TRANSFER_ID_MAX + 1] = '\0';
    assert_false(transfer_word_is_valid(longest, TRANSFER_ID_MAX));
    longest[TRANSFER_ID_MAX] = '\0';
    assert_true(transfer_word_is_valid(longest, TRANSFER_ID_MAX));
    assert_true(transfer_word_is_valid("n0-0123.A_z", TRANSFER_ID_MAX));
    static const char *const bad[] = {"", "a b", "a/b", "a\"b", "a\n", "\xc3\xa4", "a%2f"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(transfer_word_is_valid(bad[i], TRANSFER_ID_MAX));
}

static void test_round_trip(void **state UNUSED)
{
    struct marker wrote = {.digest = {.bytes = UINT64_MAX, .hash = UINT64_MAX}}, found;
    char text[sizeof head + MARKER_EXTRA_MAX];
    memset(wrote.id, 'i', TRANSFER_ID_MAX);
    memset(wrote.from, 'f', TRANSFER_FROM_MAX);
    size_t bytes = marker_write(&wrote, head, strlen(head), text);
    assert_true(bytes < sizeof text); /* the longest of all fits */
    assert_true(marker_read(text, bytes, &found, owner));
    assert_string_equal(owner, "x n");
    assert_string_equal(found.id, wrote.id);
    assert_string_equal(found.from, wrote.from);
    assert_true(digest_is_equal(found.digest, wrote.digest));
    wrote = (struct marker){.id = "1", .digest = {.bytes = 1}}; /* a foreign sender has no name */
    bytes = marker_write(&wrote, head, strlen(head), text);
    assert_true(marker_read(text, bytes, &found, owner));
    assert_string_equal(found.from, "");
}

static void test_what_is_none(void **state UNUSED)
{
    static const char *const texts[] = {
        "",
        "{}",
        head,
        "{\"transfer\":{}}",
        "{\"transfer\":7}",
        "{\"transfer\":{\"id\":\"a b\",\"digest\":\"1-0000000000000001\",\"from\":\"\"}}",
        "{\"transfer\":{\"id\":\"\",\"digest\":\"1-0000000000000001\",\"from\":\"\"}}",
        "{\"transfer\":{\"id\":\"a\",\"digest\":\"1\",\"from\":\"\"}}",
        "{\"transfer\":{\"id\":\"a\",\"digest\":\"1-0000000000000001\"}}",
        "{\"transfer\":{\"id\":\"a\",\"digest\":\"1-0000000000000001\",\"from\":\"\"}",
    };
    struct marker found;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (marker_read(texts[i], strlen(texts[i]), &found, owner))
            fail_msg("read as a marker: %s", texts[i]);
    static const char good[] =
        "{\"transfer\":{\"id\":\"a\",\"digest\":\"1-0000000000000001\",\"from\":\"\"}}";
    assert_true(marker_read(good, strlen(good), &found, owner));
}

/* --- walking ---------------------------------------------------------------------------------------- */

struct file {
    uint8_t data[16384];
    size_t bytes;
};

static void put_head(struct file *file, const char *text)
{
    size_t written;
    assert_int_equal(member_encode_head(text, strlen(text), 1, file->data + file->bytes,
                                        sizeof file->data - file->bytes, &written),
                     0);
    file->bytes += written;
}

static void put_marker_of(struct file *file, const char *segment, const char *id)
{
    char text[sizeof head + MARKER_EXTRA_MAX];
    struct marker marker = marker_of(id);
    text[marker_write(&marker, segment, strlen(segment), text)] = '\0';
    put_head(file, text);
}

static void put_marker(struct file *file, const char *id)
{
    put_marker_of(file, head, id);
}

struct seen {
    char ids[64];
    int end_after; /* so many */
};

static int note(void *arg, const struct marker *marker)
{
    struct seen *seen = arg;
    size_t used = strlen(seen->ids);
    snprintf(seen->ids + used, sizeof seen->ids - used, "%s ", marker->id);
    return --seen->end_after == 0 ? 7 : 0;
}

static void test_walk(void **state UNUSED)
{
    struct file file = {0};
    struct seen seen = {0};
    uint64_t end = 1;
    assert_int_equal(marker_walk(file.data, 0, note, &seen, &end), 0);
    assert_true(end == 0);
    put_head(&file, head);
    assert_int_equal(marker_walk(file.data, file.bytes, note, &seen, &end), 0);
    assert_true(end == 0);
    put_marker(&file, "a");
    size_t first = file.bytes;
    memcpy(file.data + file.bytes, "damage", 6);
    file.bytes += 6;
    put_head(&file, head);
    put_marker(&file, "b");
    size_t second = file.bytes;
    put_head(&file, head); /* behind the last one */
    put_marker(&file, "torn");
    file.bytes -= 3;
    assert_int_equal(marker_walk(file.data, file.bytes, note, &seen, &end), 0);
    assert_string_equal(seen.ids, "a b ");
    assert_true(end == second);
    assert_int_equal(marker_walk(file.data, file.bytes, NULL, NULL, &end), 0);
    assert_true(end == second);
    seen = (struct seen){.end_after = 1};
    assert_int_equal(marker_walk(file.data, file.bytes, note, &seen, &end), 7);
    assert_string_equal(seen.ids, "a ");
    assert_true(end == first);
}

/* What a peer had received before it sent it: its markers say nothing of what was received here. */
static void test_markers_of_other_segments_end_nothing(void **state UNUSED)
{
    static const char *const others[] = {
        "{\"v\":1,\"id\":\"y\",\"instance\":\"n\",\"received\":true,\"hops\":1}",
        "{\"v\":1,\"id\":\"x\",\"instance\":\"m\",\"received\":true,\"hops\":1}"};
    struct file file = {0};
    struct seen seen = {0};
    uint64_t end;
    put_head(&file, head);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        put_head(&file, others[i]);
        put_marker_of(&file, others[i], "theirs");
    }
    assert_int_equal(marker_walk(file.data, file.bytes, note, &seen, &end), 0);
    assert_true(end == 0); /* a body that was not whole */
    put_marker(&file, "ours");
    size_t whole = file.bytes;
    put_head(&file, others[0]);
    put_marker_of(&file, others[0], "theirs");
    assert_int_equal(marker_walk(file.data, file.bytes, note, &seen, &end), 0);
    assert_string_equal(seen.ids, "ours ");
    assert_true(end == whole);
    /* Where the first head is damaged, whose file it is is not known: nothing of it is thrown away for that.
     */
    file.data[0] ^= 1;
    assert_int_equal(marker_walk(file.data, file.bytes, NULL, NULL, &end), 0);
    assert_true(end == file.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_markers_of_other_segments_end_nothing),
    };
    return cmocka_run_group_tests_name("segment/marker", tests, NULL, NULL);
}
