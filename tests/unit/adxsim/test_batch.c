/* When a batch of queued ingestion is sealed, and what it holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/adxsim/base64.h"
#include "tests/adxsim/batch.h"

/* A message of the queue with that id, about the blob; more: further top-level JSON, with a comma before it.
 */
static struct item make_item(const char *queue_id, const char *blob, const char *more, const char *properties)
{
    struct item item = {0};
    struct sim_error error;
    struct buf text;
    char *json;

    if (asprintf(
            &json,
            "{\"Id\":\"00000000-0000-0000-0000-000000000001\",\"BlobPath\":\"%s\",\"DatabaseName\":\"D\","
            "\"TableName\":\"T\"%s,\"AdditionalProperties\":{%s}}",
            blob, more, properties) < 0)
        abort();
    buf_init(&text, 4096);
    base64_encode(json, strlen(json), &text);
    assert_int_equal(message_parse(text.data, &item.message, &error), 0);
    item.posted.id = mem_strdup(queue_id);
    item.posted.pop_receipt = mem_strdup("r");
    item.posted.text = mem_strdup("");
    buf_fini(&text);
    free(json);
    return item;
}

static void place(struct batches *batches, const struct settings *settings, const char *id, const char *more,
                  const char *properties)
{
    struct item item = make_item(id, id, more, properties);

    assert_int_equal(batches_place(batches, &item, settings, 0), PLACED);
}

/* The next sealed batch is for this cause, with so many items. */
static void expect(struct batches *batches, int64_t now_ms, const char *sealed_by, size_t nitems)
{
    struct batch *batch = batches_take_sealed(batches, now_ms);

    assert_non_null(batch);
    assert_string_equal(batch->sealed_by, sealed_by);
    assert_int_equal(batch->nitems, nitems);
    batch_free(batch);
}

static void prepare(struct batches *batches, struct settings *settings)
{
    *batches = (struct batches){0};
    settings_init(settings);
    assert_int_equal(settings_parse(settings, "batch-count=3"), 0);
    assert_int_equal(settings_parse(settings, "batch-bytes=100"), 0);
    assert_int_equal(settings_parse(settings, "batch-ms=1000"), 0);
}

static void test_limits(void **state)
{
    struct batches batches;
    struct settings settings;

    (void)state;
    prepare(&batches, &settings);
    place(&batches, &settings, "a", ",\"RawDataSize\":1", "");
    assert_null(batches_take_sealed(&batches, 999));
    place(&batches, &settings, "b", ",\"RawDataSize\":1", "");
    expect(&batches, 1000, "Time", 2);
    place(&batches, &settings, "c", ",\"RawDataSize\":99", "");
    assert_null(batches_take_sealed(&batches, 0));
    place(&batches, &settings, "d", ",\"RawDataSize\":1", "");
    expect(&batches, 0, "Size", 2);
    for (const char *id = "efg"; *id; id++)
        place(&batches, &settings, (char[]){*id, '\0'}, ",\"RawDataSize\":1", "");
    expect(&batches, 0, "Count", 3);
    assert_null(batches_take_sealed(&batches, INT64_MAX));
    batches_fini(&batches);
}

static void test_alone(void **state)
{
    static const struct {
        const char *more, *properties, *sealed_by;
    } cases[] = {
        {",\"RawDataSize\":1,\"FlushImmediately\":true", "", "SingleBlob_FlushImmediately"},
        {",\"RawDataSize\":1", "\"ingestIfNotExists\":\"[]\"", "SingleBlob_IngestIfNotExists"},
        {",\"RawDataSize\":1", "\"tags\":\"[\\\"ingest-by:x\\\"]\"", "SingleBlob_IngestByTag"},
        {",\"RawDataSize\":1", "\"tags\":\"[\\\"a\\\",\\\"drop-by:x\\\"]\"", "SingleBlob_DropByTag"},
        {"", "", "SingleBlob_SizeUnknown"},
        {",\"RawDataSize\":null", "", "SingleBlob_SizeUnknown"},
    };
    struct batches batches;
    struct settings settings;

    (void)state;
    prepare(&batches, &settings);
    place(&batches, &settings, "shared", ",\"RawDataSize\":1", "");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        place(&batches, &settings, (char[]){(char)('0' + i), '\0'}, cases[i].more, cases[i].properties);
        expect(&batches, 0, cases[i].sealed_by, 1);
    }
    expect(&batches, 1000, "Time", 1);
    batches_fini(&batches);
}

static void test_properties_part_batches(void **state)
{
    struct batches batches;
    struct settings settings;

    (void)state;
    prepare(&batches, &settings);
    place(&batches, &settings, "a", ",\"RawDataSize\":1", "\"tags\":\"[\\\"x\\\"]\"");
    place(&batches, &settings, "b", ",\"RawDataSize\":1", "\"tags\":\"[\\\"y\\\"]\"");
    place(&batches, &settings, "c", ",\"RawDataSize\":1", "\"tags\":\"[\\\"x\\\"]\"");
    expect(&batches, 1000, "Time", 2);
    expect(&batches, 1000, "Time", 1);
    batches_fini(&batches);
}

static void test_duplicates(void **state)
{
    struct batches batches;
    struct settings settings;

    (void)state;
    prepare(&batches, &settings);
    struct item first = make_item("1", "http://x/b?sig=1", ",\"RawDataSize\":1", "");
    struct item same = make_item("2", "http://x/b?sig=2", ",\"RawDataSize\":1", "");
    struct item again = make_item("1", "http://x/b?sig=1", ",\"RawDataSize\":1", "");
    assert_int_equal(batches_place(&batches, &first, &settings, 0), PLACED);
    assert_int_equal(batches_place(&batches, &same, &settings, 0), PLACED_DUPLICATE);
    item_fini(&same);
    free(again.posted.pop_receipt);
    again.posted.pop_receipt = mem_strdup("newer");
    assert_int_equal(batches_place(&batches, &again, &settings, 0), PLACED_AGAIN);
    struct batch *batch = batches_take_sealed(&batches, 1000);
    assert_int_equal(batch->nitems, 1);
    assert_string_equal(batch->items[0].posted.pop_receipt, "newer");
    batch_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_properties_part_batches),
        cmocka_unit_test(test_duplicates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
