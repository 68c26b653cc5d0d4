/* The lease protocol: what is understood, and what is refused with which words. */
#include "tests/unit/unit.h"

#include "common/base/compiler.h"
#include "common/control/lease_message.h"
#include "common/control/message.h"

static int parse(const char *text, struct lease_request *request, struct err *err)
{
    json_t *message;
    assert_int_equal(message_parse(text, strlen(text), &message, err), 0);
    int rc = lease_request_parse(message, request, err);
    json_decref(message);
    return rc;
}

static void all_fields_are_taken(void **state)
{
    (void)state;
    struct lease_request request;
    struct err err;
    assert_int_equal(
        parse("{\"v\":1,\"op\":\"lease\",\"db\":\"My Db\",\"lease\":3,\"seq\":9,\"holding\":5,\"need\":6,"
              "\"want\":7,\"holding_files\":1,\"need_files\":2,\"want_files\":3}",
              &request, &err),
        0);
    assert_string_equal(request.db, "My%20Db");
    assert_int_equal(request.lease, 3);
    assert_int_equal(request.seq, 9);
    assert_int_equal(request.holding, 5);
    assert_int_equal(request.need, 6);
    assert_int_equal(request.want, 7);
    assert_int_equal(request.holding_files, 1);
    assert_int_equal(request.need_files, 2);
    assert_int_equal(request.want_files, 3);
}

static void absent_fields_are_zero_and_want_is_at_least_need(void **state)
{
    (void)state;
    struct lease_request request;
    struct err err;
    assert_int_equal(parse("{\"v\":1,\"db\":\"D\",\"holding\":0}", &request, &err), 0);
    assert_int_equal(request.lease + request.seq, 0);
    assert_int_equal(request.need + request.want, 0);
    assert_int_equal(request.holding_files + request.need_files + request.want_files, 0);
    assert_int_equal(parse("{\"v\":1,\"db\":\"D\",\"holding\":0,\"need\":10,\"want\":3}", &request, &err), 0);
    assert_int_equal(request.want, 10);
}

static void nonsense_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"{\"v\":1,\"holding\":0}", "\"db\""},
        {"{\"v\":1,\"db\":7,\"holding\":0}", "\"db\""},
        {"{\"v\":1,\"db\":\"\",\"holding\":0}", "\"db\""},
        {"{\"v\":1,\"db\":\"a/../b\",\"holding\":0}", "\"db\""},
        {"{\"v\":1,\"db\":\"D\"}", "\"holding\""},
        {"{\"v\":1,\"db\":\"D\",\"holding\":-1}", "-1"},
        {"{\"v\":1,\"db\":\"D\",\"holding\":1.5}", "\"holding\""},
        {"{\"v\":1,\"db\":\"D\",\"holding\":\"12\"}", "\"holding\""},
        {"{\"v\":1,\"db\":\"D\",\"holding\":null}", "\"holding\""},
        {"{\"v\":1,\"db\":\"D\",\"holding\":1125899906842625}", "1125899906842624"},
        {"{\"v\":1,\"db\":\"D\",\"holding\":0,\"need\":-5}", "\"need\""},
        {"{\"v\":1,\"db\":\"D\",\"holding\":0,\"want\":true}", "\"want\""},
        {"{\"v\":1,\"db\":\"D\",\"holding\":0,\"need_files\":-1}", "\"need_files\""},
        {"{\"v\":1,\"db\":\"D\",\"holding\":0,\"holding_files\":1073741825}", "1073741824"},
        {"{\"v\":1,\"db\":\"D\",\"holding\":0,\"seq\":[]}", "\"seq\""},
        {"{\"v\":1,\"db\":\"D\",\"holding\":0,\"lease\":{}}", "\"lease\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct lease_request request;
        struct err err;
        assert_int_equal(parse(cases[i].text, &request, &err), -EINVAL);
        if (!strstr(err.text, cases[i].word))
            fail_msg("%s: \"%s\" does not name %s", cases[i].text, err.text, cases[i].word);
    }
}

static void what_is_built_is_understood(void **state)
{
    (void)state;
    const struct lease_request said = {.lease = 4,
                                       .seq = 77,
                                       .holding = LEASE_BYTES_MAX,
                                       .need = 1,
                                       .want = 2,
                                       .holding_files = 3,
                                       .need_files = 4,
                                       .want_files = 5};
    json_t *message = lease_request_build("settle", "Telemetry", &said);
    struct lease_request heard;
    struct err err;
    assert_string_equal(message_text(message, "op", ""), "settle");
    assert_int_equal(lease_request_parse(message, &heard, &err), 0);
    assert_string_equal(heard.db, "Telemetry");
    assert_int_equal(heard.lease, 4);
    assert_int_equal(heard.seq, 77);
    assert_true(heard.holding == LEASE_BYTES_MAX);
    assert_int_equal(heard.holding_files, 3);
    assert_int_equal(heard.need_files, 4);
    assert_int_equal(heard.want_files, 5);
    json_decref(message);
}

static void a_name_with_a_nul_is_refused(void **state)
{
    (void)state;
    struct lease_request request;
    struct err err;
    json_t *message = json_pack("{s:i, s:o, s:i}", "v", 1, "db", json_stringn("D\0x", 3), "holding", 0);
    assert_non_null(message);
    assert_int_equal(lease_request_parse(message, &request, &err), -EINVAL);
    json_decref(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fields_are_taken),
        cmocka_unit_test(absent_fields_are_zero_and_want_is_at_least_need),
        cmocka_unit_test(nonsense_is_refused_by_name),
        cmocka_unit_test(what_is_built_is_understood),
        cmocka_unit_test(a_name_with_a_nul_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
