/* The message to ADX beside one that Kusto's Node client wrote (tests/golden/queue-message.json; adx.md
 * §2.4). */
#include "tests/unit/unit.h"

#include <jansson.h>

#include "uploader/adx/base64.h"
#include "uploader/adx/queue_message.h"
#include "uploader/adx/uuid.h"

static struct queue_message example(void)
{
    return (struct queue_message){.id = "d0954e3b-0000-5000-8000-000000000000",
                                  .blob_path = "https://a.blob.core.windows.net/c/b.csv.gz?sv=1&sig=x",
                                  .raw_bytes = 14,
                                  .db = "db1",
                                  .table = "tbl1",
                                  .format = SEGMENT_CSV,
                                  .mapping = "map1",
                                  .identity = "__auth_ctx__",
                                  .dedup_key = "batch-42",
                                  .created = "2026-11-22T06:34:07.404Z"};
}

static json_t *make(const struct queue_message *message)
{
    struct buf text;
    buf_init(&text, QUEUE_MESSAGE_MAX);
    assert_int_equal(queue_message_json(message, &text), 0);
    json_t *root = json_loadb(text.data, text.len, 0, NULL);
    buf_fini(&text);
    assert_non_null(root);
    return root;
}

static json_t *golden(void)
{
    json_t *root = json_load_file("tests/golden/queue-message.json", 0, NULL);
    if (!root)
        fail_msg("tests/golden/queue-message.json: run the tests from the root of the sources");
    return root;
}

/* Of each field of `theirs` that matters: ours has it, with the same type, and where it is said, the same
 * value. */
static void compare(json_t *theirs, const json_t *ours, const json_t *except)
{
    const char *key;
    json_t *value;
    json_object_foreach (theirs, key, value) {
        const json_t *mine = json_object_get(ours, key);
        const char *how = json_string_value(json_object_get(except, key));
        if (how && strcmp(how, "absent") == 0) {
            if (mine)
                fail_msg("%s is there", key);
            continue;
        }
        if (!mine || json_typeof(mine) != json_typeof(value))
            fail_msg("%s is not there, or of another type", key);
        if (json_is_object(value))
            compare(value, mine, json_object_get(except, key));
        else if (!how && !json_equal(value, mine))
            fail_msg("%s has another value", key);
    }
}

static void a_message_equals_that_of_the_clients(void **state)
{
    (void)state;
    struct queue_message message = example();
    json_t *ours = make(&message), *file = golden();
    compare(json_object_get(file, "message"), ours, json_object_get(file, "differs"));
    assert_string_equal(json_string_value(json_object_get(ours, "BlobPath")), message.blob_path);
    const json_t *properties = json_object_get(ours, "AdditionalProperties");
    assert_string_equal(json_string_value(json_object_get(properties, "tags")), "[\"ingest-by:batch-42\"]");
    assert_string_equal(json_string_value(json_object_get(properties, "ingestionMappingType")), "Csv");
    json_decref(file);
    json_decref(ours);
}

static void without_mapping_and_dedup_nothing_is_said_of_them(void **state)
{
    (void)state;
    struct queue_message message = example();
    message.mapping = message.dedup_key = NULL;
    message.format = SEGMENT_JSON;
    json_t *ours = make(&message);
    const json_t *properties = json_object_get(ours, "AdditionalProperties");
    assert_int_equal(json_object_size(properties), 2);
    assert_string_equal(json_string_value(json_object_get(properties, "format")), "json");
    message.mapping = "m";
    json_decref(ours);
    ours = make(&message);
    assert_string_equal(json_string_value(json_object_get(json_object_get(ours, "AdditionalProperties"),
                                                          "ingestionMappingType")),
                        "Json");
    json_decref(ours);
}

static void what_is_not_utf8_or_too_long_is_an_error(void **state)
{
    (void)state;
    struct queue_message message = example();
    struct buf text;
    buf_init(&text, 1 << 20);
    message.table = "\xff";
    assert_int_equal(queue_message_json(&message, &text), -EILSEQ);
    char *path = malloc(QUEUE_MESSAGE_MAX + 1);
    assert_non_null(path);
    memset(path, 'x', QUEUE_MESSAGE_MAX);
    path[QUEUE_MESSAGE_MAX] = '\0';
    message = example();
    message.blob_path = path;
    assert_int_equal(queue_message_json(&message, &text), -ENOSPC);
    free(path);
    buf_fini(&text);
}

static void base64_is_padded_and_read_back(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""},        {"f", "Zg=="},          {"fo", "Zm8="},
                                           {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfb", "//77"}};
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct buf text, back;
        buf_init(&text, 100);
        buf_init(&back, 100);
        assert_int_equal(base64_put(pairs[i][0], strlen(pairs[i][0]), &text), 0);
        assert_string_equal(text.data ? text.data : "", pairs[i][1]);
        assert_int_equal(base64_take(pairs[i][1], strlen(pairs[i][1]), &back), 0);
        assert_string_equal(back.data ? back.data : "", pairs[i][0]);
        assert_int_equal(base64_take("Zg=", 3, &back), -EINVAL);
        assert_int_equal(base64_take("Z!==", 4, &back), -EINVAL);
        buf_fini(&text);
        buf_fini(&back);
    }
}

static void a_name_has_one_uuid(void **state)
{
    (void)state;
    char a[UUID_TEXT_BYTES], b[UUID_TEXT_BYTES];
    uuid_of_name("http://www.example.com/", a); /* as Python's uuid.uuid5(NAMESPACE_URL, …) has it */
    assert_string_equal(a, "fcde3c85-2270-590f-9e7c-ee003d65e0e2");
    uuid_of_name("0123456789012345678901234567890123456789012345678901234567890123456789", a);
    assert_string_equal(a, "5786b54a-a4f4-55cb-b323-3c4cea70cf7a");
    uuid_random(a);
    uuid_random(b);
    assert_string_not_equal(a, b);
    assert_int_equal(a[14], '4');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_equals_that_of_the_clients),
        cmocka_unit_test(without_mapping_and_dedup_nothing_is_said_of_them),
        cmocka_unit_test(what_is_not_utf8_or_too_long_is_an_error),
        cmocka_unit_test(base64_is_padded_and_read_back),
        cmocka_unit_test(a_name_has_one_uuid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
