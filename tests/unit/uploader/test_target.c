#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "uploader/adx/adx.h"
#include "uploader/adx/target.h"

static void good_targets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *db, *place;
        enum target_kind kind;
        bool may_get_token;
    } cases[] = {
        {"D=https://c.westeurope.kusto.windows.net", "D", "https://c.westeurope.kusto.windows.net",
         TARGET_ADX, true},
        {"D=https://c.net:8443///", "D", "https://c.net:8443", TARGET_ADX, true},
        {"A b.c=http://127.0.0.1:80", "A b.c", "http://127.0.0.1:80", TARGET_ADX, true},
        {"D=http://localhost:80/", "D", "http://localhost:80", TARGET_ADX, true},
        {"D=http://[::1]:80", "D", "http://[::1]:80", TARGET_ADX, true},
        {"D=http://127.evil.example", "D", "http://127.evil.example", TARGET_ADX, false},
        {"D=http://10.0.0.1", "D", "http://10.0.0.1", TARGET_ADX, false},
        {"D=dir:/tmp/x=y", "D", "/tmp/x=y", TARGET_DIR, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct target target;
        struct err err = {0};
        if (target_parse(cases[i].text, &target, &err) != 0)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_string_equal(target.db, cases[i].db);
        assert_string_equal(target.place, cases[i].place);
        assert_int_equal(target.kind, cases[i].kind);
        if (cases[i].kind == TARGET_ADX)
            assert_int_equal(target.may_get_token, cases[i].may_get_token);
    }
}

static void bad_targets(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "D",
                                        "=dir:/x",
                                        "D=",
                                        "D=dir:",
                                        "D=dir:x",
                                        "D=c.net",
                                        "D=ftp://h/",
                                        "D=http://",
                                        "D=https://u@h",
                                        "D=http://h?x",
                                        "D=http://h#x",
                                        "a/b=dir:/x",
                                        "D=file:///x",
                                        "D=http://h h"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct target target;
        struct err err = {0};
        if (target_parse(cases[i], &target, &err) == 0)
            fail_msg("taken: %s", cases[i]);
        assert_non_null(strstr(err.text, "--database"));
    }
}

static void what_was_made_is_known_until_it_is_forgotten(void **state)
{
    (void)state;
    struct adx_endpoint endpoint;
    adx_endpoint_init(&endpoint);
    uint64_t key = adx_key("T", SEGMENT_CSV, "n:long");
    assert_false(adx_is_known(&endpoint, key));
    for (unsigned i = 0; i < 1000; i++)
        adx_learn(&endpoint, i * 0x9e3779b97f4a7c15u);
    adx_learn(&endpoint, key);
    adx_learn(&endpoint, key);
    assert_true(adx_is_known(&endpoint, key));
    assert_int_equal(endpoint.known_count, 1001);
    assert_true(key != adx_key("T", SEGMENT_JSON, "n:long"));
    assert_true(key != adx_key("T", SEGMENT_CSV, "n:int"));
    adx_forget(&endpoint, key);
    adx_forget(&endpoint, key);
    assert_false(adx_is_known(&endpoint, key));
    assert_int_equal(endpoint.known_count, 1000);
    for (size_t i = 1; i < endpoint.known_count; i++)
        assert_true(endpoint.known[i - 1] < endpoint.known[i]);
    adx_endpoint_fini(&endpoint);
}

static void data_management_is_beside_the_engine(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"https://c.westeurope.kusto.windows.net", "https://ingest-c.westeurope.kusto.windows.net"},
        {"https://ingest-c.kusto.windows.net", "https://ingest-c.kusto.windows.net"},
        {"https://adx.example.com:8443/x", "https://ingest-adx.example.com:8443/x"},
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080"},
        {"http://[::1]:8080", "http://[::1]:8080"},
        {"http://localhost:1", "http://localhost:1"},
        {"https://my.localhost.example", "https://my.localhost.example"},
        {"https://onebox.dev.kusto.windows.net", "https://onebox.dev.kusto.windows.net"},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct target engine, dm;
        char text[256];
        snprintf(text, sizeof text, "D=%s", pairs[i][0]);
        assert_int_equal(target_parse(text, &engine, NULL), 0);
        assert_int_equal(target_data_management(&engine, &dm), 0);
        assert_string_equal(dm.place, pairs[i][1]);
        assert_int_equal(dm.may_get_token, engine.may_get_token);
        target_to_engine(&dm);
        if (!strstr(pairs[i][0], "ingest-"))
            assert_string_equal(dm.place, pairs[i][0]);
        else
            assert_string_equal(dm.place, "https://c.kusto.windows.net");
    }
}

static void streaming_stays_off_for_its_table_and_its_time(void **state)
{
    (void)state;
    struct adx_endpoint endpoint;
    adx_endpoint_init(&endpoint);
    assert_false(adx_is_stream_off(&endpoint, "T"));
    adx_set_stream_off(&endpoint, "T", 60000);
    adx_set_stream_off(&endpoint, "T", 60000);
    adx_set_stream_off(&endpoint, "U", 0);
    assert_true(adx_is_stream_off(&endpoint, "T"));
    assert_false(adx_is_stream_off(&endpoint, "U"));
    for (unsigned i = 0; i < 2 * ADX_STREAM_OFF_MAX; i++) {
        char table[16];
        snprintf(table, sizeof table, "T%u", i);
        adx_set_stream_off(&endpoint, table, 60000);
        assert_true(adx_is_stream_off(&endpoint, table));
    }
    assert_true(endpoint.off_count <= ADX_STREAM_OFF_MAX);
    adx_endpoint_fini(&endpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_targets),
        cmocka_unit_test(bad_targets),
        cmocka_unit_test(what_was_made_is_known_until_it_is_forgotten),
        cmocka_unit_test(data_management_is_beside_the_engine),
        cmocka_unit_test(streaming_stays_off_for_its_table_and_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
