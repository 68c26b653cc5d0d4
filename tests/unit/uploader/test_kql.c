#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "uploader/adx/kql.h"

static void expect(struct buf *buf, int rc, const char *text)
{
    assert_int_equal(rc, 0);
    assert_string_equal(buf->data, text);
    buf_clear(buf);
}

static void names_and_strings_are_quoted(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4096);
    expect(&buf, kql_put_name(&buf, "plain"), "['plain']");
    expect(&buf, kql_put_name(&buf, "two words"), "['two words']");
    expect(&buf, kql_put_name(&buf, "it's \\ here"), "['it\\'s \\\\ here']");
    expect(&buf, kql_put_string(&buf, "a'b\\c\nd\re\tf"), "'a\\'b\\\\c\\nd\\re\\tf'");
    expect(&buf, kql_put_string(&buf, ""), "''");
    buf_fini(&buf);
}

static void commands_have_the_form_of_the_manual(void **state)
{
    (void)state;
    struct buf buf;
    struct schema schema;
    char name[KQL_MAPPING_NAME_BYTES], expected[1024];
    buf_init(&buf, 4096);
    assert_int_equal(schema_parse("n:long,Two words:string", &schema, NULL), 0);
    expect(&buf, kql_create_table(&buf, "My-T", &schema),
           ".create-merge table ['My-T'] (['n']:long, ['Two words']:string)");
    kql_mapping_name("My-T", &schema, name);
    snprintf(expected, sizeof expected,
             ".create-or-alter table ['My-T'] ingestion csv mapping \"%s\" "
             "'[{\"Column\":\"n\",\"DataType\":\"long\","
             "\"Properties\":{\"Ordinal\":\"0\"}},{\"Column\":\"Two "
             "words\",\"DataType\":\"string\",\"Properties\":"
             "{\"Ordinal\":\"1\"}}]'",
             name);
    expect(&buf, kql_create_mapping(&buf, "My-T", &schema, SEGMENT_CSV), expected);
    snprintf(expected, sizeof expected,
             ".create-or-alter table ['My-T'] ingestion json mapping \"%s\" "
             "'[{\"Column\":\"n\",\"DataType\":\"long\","
             "\"Properties\":{\"Path\":\"$[\\'n\\']\"}},{\"Column\":\"Two "
             "words\",\"DataType\":\"string\",\"Properties\":"
             "{\"Path\":\"$[\\'Two words\\']\"}}]'",
             name);
    expect(&buf, kql_create_mapping(&buf, "My-T", &schema, SEGMENT_JSON), expected);
    expect(&buf, kql_ingest_inline(&buf, "T", SEGMENT_CSV, "M_1"),
           ".ingest inline into table ['T'] with (format='csv', ingestionMappingReference='M_1') <|");
    expect(&buf, kql_ingest_inline(&buf, "T", SEGMENT_JSON, NULL),
           ".ingest inline into table ['T'] with (format='multijson') <|");
    schema_fini(&schema);
    buf_fini(&buf);
}

static void a_mapping_is_named_after_its_columns(void **state)
{
    (void)state;
    struct schema one, other;
    char name[KQL_MAPPING_NAME_BYTES], second[KQL_MAPPING_NAME_BYTES], expected[KQL_MAPPING_NAME_BYTES];
    assert_int_equal(schema_parse("n:long", &one, NULL), 0);
    assert_int_equal(schema_parse("n:int", &other, NULL), 0);
    kql_mapping_name("a-b c.d_1", &one, name);
    snprintf(expected, sizeof expected, "abcd_1_%llu", (unsigned long long)schema_hash(&one));
    assert_string_equal(name, expected);
    kql_mapping_name("a-b c.d_1", &other, second);
    assert_string_not_equal(name, second);
    schema_fini(&one);
    schema_fini(&other);
}

static void a_full_buffer_is_an_error(void **state)
{
    (void)state;
    struct schema schema;
    struct buf buf;
    assert_int_equal(schema_parse("n:long", &schema, NULL), 0);
    for (size_t max = 0; max < 38; max++) {
        buf_init(&buf, max);
        assert_int_not_equal(kql_create_table(&buf, "T", &schema), 0);
        buf_fini(&buf);
    }
    schema_fini(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_strings_are_quoted),
        cmocka_unit_test(commands_have_the_form_of_the_manual),
        cmocka_unit_test(a_mapping_is_named_after_its_columns),
        cmocka_unit_test(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
