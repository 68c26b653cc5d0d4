#include "tests/unit/segment/segment_test.h"

#include "common/segment/head.h"

static void test_round_trip(void **state UNUSED)
{
    struct segment_head head = {.db = "My Db",
                                .table = "T.1",
                                .format = SEGMENT_JSON,
                                .schema = "a:int,b:string",
                                .id = 0x2f5b6d4057fe4000,
                                .instance = "nöde \"1\""};
    struct segment_head back;
    static char out[MEMBER_HEAD_JSON_MAX];
    size_t bytes;

    assert_int_equal(segment_head_write(&head, out, sizeof(out), &bytes), SEGMENT_HEAD_OK);
    const char *expected =
        "{\"v\":1,\"db\":\"My Db\",\"table\":\"T.1\",\"format\":\"json\",\"schema\":\"a:int,b:string\","
        "\"id\":\"2f5b6d4057fe4000\",\"instance\":\"nöde \\\"1\\\"\"}";
    assert_int_equal(bytes, strlen(expected));
    assert_memory_equal(out, expected, bytes);
    assert_int_equal(segment_head_read(out, bytes, &back), SEGMENT_HEAD_OK);
    assert_string_equal(back.db, head.db);
    assert_string_equal(back.table, head.table);
    assert_int_equal(back.format, SEGMENT_JSON);
    assert_string_equal(back.schema, head.schema);
    assert_true(back.id == head.id);
    assert_string_equal(back.instance, head.instance);
    segment_head_fini(&back);
    segment_head_fini(&back);
    assert_int_equal(segment_head_write(&head, out, 20, &bytes), SEGMENT_HEAD_TOO_LARGE);
}

static void check_read(const char *json, enum segment_head_status status)
{
    struct segment_head head;
    enum segment_head_status got = segment_head_read(json, strlen(json), &head);

    if (got != status)
        fail_msg("%s: %s", json, segment_head_status_text(got));
    segment_head_fini(&head);
}

#define REST                                                                                       \
    "\"db\":\"d\",\"table\":\"t\",\"format\":\"csv\",\"schema\":\"\",\"id\":\"2f5b6d4057fe4000\"," \
    "\"instance\":\"\"}"

static void test_strict_reader(void **state UNUSED)
{
    check_read("{\"v\":1," REST, SEGMENT_HEAD_OK);
    check_read("{\"v\":1,\"new\":[{}]," REST, SEGMENT_HEAD_OK); /* unknown keys are tolerated */
    check_read("{\"v\":1,\"db\":\"d\",\"table\":\"t\",\"format\":\"csv\",\"id\":\"2f5b6d4057fe4000\"}",
               SEGMENT_HEAD_OK);
    check_read("{\"v\":2," REST, SEGMENT_HEAD_OTHER_VERSION);
    check_read("{\"v\":0," REST, SEGMENT_HEAD_OTHER_VERSION);
    check_read("{\"v\":\"1\"," REST, SEGMENT_HEAD_BAD_VERSION);
    check_read("{" REST, SEGMENT_HEAD_BAD_VERSION);
    check_read("", SEGMENT_HEAD_NOT_JSON);
    check_read("[]", SEGMENT_HEAD_NOT_JSON);
    check_read("{\"v\":1," REST "x", SEGMENT_HEAD_NOT_JSON);
    check_read("{\"v\":1,\"v\":1," REST, SEGMENT_HEAD_NOT_JSON);
    check_read("{\"v\":1,\"x\":\"\xff\"," REST, SEGMENT_HEAD_NOT_JSON);
    check_read("{\"v\":1,\"table\":\"t\"}", SEGMENT_HEAD_BAD_FORMAT);
    check_read("{\"v\":1,\"format\":\"csv\",\"id\":\"2f5b6d4057fe4000\",\"table\":\"t\"}",
               SEGMENT_HEAD_BAD_DB);
    check_read("{\"v\":1,\"format\":\"csv\",\"id\":\"2f5b6d4057fe4000\",\"db\":\"a/b\",\"table\":\"t\"}",
               SEGMENT_HEAD_BAD_DB);
    check_read("{\"v\":1,\"format\":\"csv\",\"id\":\"2f5b6d4057fe4000\",\"db\":\"d\"}",
               SEGMENT_HEAD_BAD_TABLE);
    check_read("{\"v\":1,\"format\":\"tsv\",\"id\":\"2f5b6d4057fe4000\",\"db\":\"d\",\"table\":\"t\"}",
               SEGMENT_HEAD_BAD_FORMAT);
    check_read("{\"v\":1,\"format\":\"csv\",\"id\":\"2f5b\",\"db\":\"d\",\"table\":\"t\"}",
               SEGMENT_HEAD_BAD_ID);
    check_read("{\"v\":1,\"format\":\"csv\",\"id\":5,\"db\":\"d\",\"table\":\"t\"}", SEGMENT_HEAD_BAD_ID);
    check_read("{\"v\":1,\"schema\":\"a\",\"format\":\"csv\",\"id\":\"2f5b6d4057fe4000\",\"db\":\"d\","
               "\"table\":\"t\"}",
               SEGMENT_HEAD_BAD_SCHEMA);
    check_read(
        "{\"v\":1,\"schema\":1,\"format\":\"csv\",\"id\":\"2f5b6d4057fe4000\",\"db\":\"d\",\"table\":\"t\"}",
        SEGMENT_HEAD_BAD_SCHEMA);
    check_read("{\"v\":1,\"instance\":1,\"format\":\"csv\",\"id\":\"2f5b6d4057fe4000\",\"db\":\"d\","
               "\"table\":\"t\"}",
               SEGMENT_HEAD_BAD_INSTANCE);
}

static void test_strict_writer(void **state UNUSED)
{
    static char long_instance[SEGMENT_INSTANCE_MAX + 2];
    const struct segment_head good = {.db = "d", .table = "t", .schema = "", .instance = ""};
    struct segment_head bad;
    char out[1000];
    size_t bytes;

    assert_int_equal(segment_head_write(&good, out, sizeof(out), &bytes), SEGMENT_HEAD_OK);
    bad = good, bad.db = "";
    assert_int_equal(segment_head_write(&bad, out, sizeof(out), &bytes), SEGMENT_HEAD_BAD_DB);
    bad = good, bad.table = "a,b";
    assert_int_equal(segment_head_write(&bad, out, sizeof(out), &bytes), SEGMENT_HEAD_BAD_TABLE);
    bad = good, bad.schema = "a:b";
    assert_int_equal(segment_head_write(&bad, out, sizeof(out), &bytes), SEGMENT_HEAD_BAD_SCHEMA);
    bad = good, bad.instance = "\xff";
    assert_int_equal(segment_head_write(&bad, out, sizeof(out), &bytes), SEGMENT_HEAD_BAD_INSTANCE);
    memset(long_instance, 'i', SEGMENT_INSTANCE_MAX + 1);
    bad = good, bad.instance = long_instance;
    assert_int_equal(segment_head_write(&bad, out, sizeof(out), &bytes), SEGMENT_HEAD_BAD_INSTANCE);
}

/* The longest of everything still fits S h. */
static void test_largest_head_fits(void **state UNUSED)
{
    static char name[NAME_MAX_BYTES + 1], schema[SEGMENT_SCHEMA_MAX + 1], instance[SEGMENT_INSTANCE_MAX + 1];
    static char out[MEMBER_HEAD_JSON_MAX];
    struct segment_head head = {.db = name, .table = name, .schema = schema, .instance = instance}, back;
    size_t used = 0, bytes;

    memset(name, 'n', NAME_MAX_BYTES);
    memset(instance, 1, SEGMENT_INSTANCE_MAX); /* \u0001: six bytes each */
    for (unsigned i = 0; used + 600 < SEGMENT_SCHEMA_MAX; i++)
        used += (size_t)snprintf(schema + used, sizeof(schema) - used, "%s%0500u:string", i ? "," : "", i);
    snprintf(schema + used, sizeof(schema) - used, ",%0*u:int", (int)(SEGMENT_SCHEMA_MAX - used - 5), 9u);
    assert_int_equal(strlen(schema), SEGMENT_SCHEMA_MAX);
    assert_int_equal(segment_head_write(&head, out, sizeof(out), &bytes), SEGMENT_HEAD_OK);
    assert_int_equal(segment_head_read(out, bytes, &back), SEGMENT_HEAD_OK);
    assert_string_equal(back.schema, schema);
    segment_head_fini(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_strict_reader),
        cmocka_unit_test(test_strict_writer),
        cmocka_unit_test(test_largest_head_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
