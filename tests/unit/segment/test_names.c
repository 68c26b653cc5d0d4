/* name.h, schema.h and flake.h, with ADX-Mon's own vectors (tests/golden/adxmon-vectors.json). */
#include "tests/unit/segment/segment_test.h"

#include <errno.h>
#include <jansson.h>

#include "common/segment/flake.h"
#include "common/segment/name.h"
#include "common/segment/schema.h"

static json_t *vectors;

static int setup(void **state UNUSED)
{
    const char *repo = getenv("REPO");
    char path[4096];

    snprintf(path, sizeof(path), "%s/tests/golden/adxmon-vectors.json", repo ? repo : ".");
    vectors = json_load_file(path, 0, NULL);
    return vectors ? 0 : -1;
}

static int teardown(void **state UNUSED)
{
    json_decref(vectors);
    return 0;
}

static void test_name_check(void **state UNUSED)
{
    char longest[NAME_MAX_BYTES + 1];

    memset(longest, 'n', sizeof(longest));
    assert_int_equal(name_check("My Db-1.x_y", 11), NAME_OK);
    assert_int_equal(name_check("..", 2), NAME_OK); /* encoded it is harmless */
    assert_int_equal(name_check("", 0), NAME_EMPTY);
    assert_int_equal(name_check(longest, NAME_MAX_BYTES), NAME_OK);
    assert_int_equal(name_check(longest, NAME_MAX_BYTES + 1), NAME_TOO_LONG);
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool is_fine = (c < 128 && c > 0 && strchr("_-. ", c)) || (c >= '0' && c <= '9') ||
                       (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        assert_int_equal(name_check(&byte, 1), is_fine ? NAME_OK : NAME_BAD_BYTE);
    }
}

static void check_encoding(const char *name, const char *encoded)
{
    char out[NAME_FILE_MAX_BYTES + 1];

    assert_int_equal(name_encode(name, out, sizeof(out)), NAME_OK);
    assert_string_equal(out, encoded);
    assert_int_equal(name_decode(encoded, strlen(encoded), out, sizeof(out)), NAME_OK);
    assert_string_equal(out, name);
}

static void test_encoding(void **state UNUSED)
{
    static const char *const refused[] = {"a.b", "a b", "%2e", "%41", "%",   "%2", "a%2",
                                          "%G0", "%2G", "%00", "%2F", "a/b", ","};
    char name[NAME_MAX_BYTES + 1] = {0}, out[NAME_FILE_MAX_BYTES + 1];

    check_encoding("Plain_name-1", "Plain_name-1");
    check_encoding("a.b c", "a%2Eb%20c");
    check_encoding(".", "%2E");
    check_encoding("..", "%2E%2E");
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        assert_int_not_equal(name_decode(refused[i], strlen(refused[i]), out, sizeof(out)), NAME_OK);
    assert_int_equal(name_decode("", 0, out, sizeof(out)), NAME_EMPTY);
    assert_int_equal(name_encode("a/b", out, sizeof(out)), NAME_BAD_BYTE);
    memset(name, 'n', NAME_FILE_MAX_BYTES);
    assert_int_equal(name_encode(name, out, sizeof(out)), NAME_OK);
    assert_int_equal(name_encode(name, out, sizeof(out) - 1), NAME_FILE_TOO_LONG);
    name[0] = '.';
    assert_int_equal(name_encode(name, out, sizeof(out)), NAME_FILE_TOO_LONG);
}

static void check_file_name(const struct segment_name *name, const char *expected)
{
    char file[NAME_FILE_MAX_BYTES + 1], again[NAME_FILE_MAX_BYTES + 1];
    struct segment_name parsed;

    assert_int_equal(segment_name_build(name, file), NAME_OK);
    assert_string_equal(file, expected);
    assert_int_equal(segment_name_parse(file, &parsed), NAME_OK);
    assert_string_equal(parsed.table, name->table);
    assert_int_equal(parsed.has_schema, name->has_schema);
    assert_true(parsed.schema_hash == name->schema_hash && parsed.id == name->id &&
                parsed.format == name->format);
    assert_int_equal(segment_name_build(&parsed, again), NAME_OK);
    assert_string_equal(again, file);
}

static void test_file_names(void **state UNUSED)
{
    check_file_name(&(struct segment_name){.table = "Up", .id = 0x2f5b6d4057fe4000},
                    "Up,-,2f5b6d4057fe4000.csv.gz");
    check_file_name(&(struct segment_name){.table = "My table",
                                           .has_schema = true,
                                           .schema_hash = UINT64_MAX,
                                           .id = 1,
                                           .format = SEGMENT_JSON},
                    "My%20table,3w5e11264sgsf,0000000000000001.json.gz");
    check_file_name(&(struct segment_name){.table = "-", .has_schema = true}, "-,0,0000000000000000.csv.gz");
}

static void test_bad_file_names(void **state UNUSED)
{
    static const struct {
        const char *file;
        enum name_status status;
    } cases[] = {
        {"", NAME_BAD_SUFFIX},
        {"Up,-,2f5b6d4057fe4000.csv", NAME_BAD_SUFFIX},
        {"Up,-,2f5b6d4057fe4000.tsv.gz", NAME_BAD_SUFFIX},
        {"Up,-,2f5b6d4057fe4000.csv.gz.why", NAME_BAD_SUFFIX},
        {"Up,-,2f5b6d4057fe4000.CSV.gz", NAME_BAD_SUFFIX},
        {"Up-2f5b6d4057fe4000.csv.gz", NAME_BAD_SHAPE},
        {"Up,2f5b6d4057fe4000.csv.gz", NAME_BAD_SHAPE},
        {"Up,,2f5b6d4057fe4000.csv.gz", NAME_BAD_SCHEMA},
        {"Up,A,2f5b6d4057fe4000.csv.gz", NAME_BAD_SCHEMA},
        {"Up,01,2f5b6d4057fe4000.csv.gz", NAME_BAD_SCHEMA},
        {"Up,--,2f5b6d4057fe4000.csv.gz", NAME_BAD_SCHEMA},
        {"Up,3w5e11264sgsg,2f5b6d4057fe4000.csv.gz", NAME_BAD_SCHEMA}, /* 2^64 */
        {"Up,zzzzzzzzzzzzz,2f5b6d4057fe4000.csv.gz", NAME_BAD_SCHEMA},
        {"Up,11111111111111,2f5b6d4057fe4000.csv.gz", NAME_BAD_SCHEMA},
        {"Up,-,2F5b6d4057fe4000.csv.gz", NAME_BAD_ID},
        {"Up,-,2f5b6d4057fe400.csv.gz", NAME_BAD_ID},
        {"Up,-,2f5b6d4057fe40000.csv.gz", NAME_BAD_ID},
        {"Up,-,x,2f5b6d4057fe4000.csv.gz", NAME_BAD_ID},
        {"Up.x,-,2f5b6d4057fe4000.csv.gz", NAME_BAD_ENCODING},
        {"Up%2e,-,2f5b6d4057fe4000.csv.gz", NAME_BAD_ENCODING},
        {"%2F,-,2f5b6d4057fe4000.csv.gz", NAME_BAD_BYTE},
        {",-,2f5b6d4057fe4000.csv.gz", NAME_EMPTY},
    };
    struct segment_name name;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (segment_name_parse(cases[i].file, &name) != cases[i].status)
            fail_msg("%s: %s", cases[i].file, name_status_text(segment_name_parse(cases[i].file, &name)));
    }
}

static void test_longest_file_name(void **state UNUSED)
{
    struct segment_name name = {.has_schema = true, .schema_hash = UINT64_MAX, .format = SEGMENT_JSON},
                        parsed;
    char file[NAME_FILE_MAX_BYTES + 1];
    size_t longest = NAME_FILE_MAX_BYTES - strlen(",3w5e11264sgsf,0123456789abcdef.json.gz");

    memset(name.table, 'T', longest);
    assert_int_equal(segment_name_build(&name, file), NAME_OK);
    assert_int_equal(strlen(file), NAME_FILE_MAX_BYTES);
    assert_int_equal(segment_name_parse(file, &parsed), NAME_OK);
    name.table[longest] = 'T';
    assert_int_equal(segment_name_build(&name, file), NAME_FILE_TOO_LONG);
}

static void test_schema_round_trip(void **state UNUSED)
{
    struct schema schema;
    char out[SCHEMA_TEXT_MAX + 1], error[SCHEMA_ERROR_BYTES];
    const char *text =
        "a:bool,b:datetime,c:decimal,d:dynamic,e:guid,f:int,g:long,h:real,i:string,My col-1.x:timespan";
    size_t bytes;

    assert_int_equal(schema_parse(text, &schema, error), 0);
    assert_int_equal(schema.count, 10);
    assert_string_equal(schema.columns[9].name, "My col-1.x");
    assert_int_equal(schema.columns[9].type, SCHEMA_TIMESPAN);
    assert_int_equal(schema_print(&schema, out, sizeof(out), &bytes), 0);
    assert_string_equal(out, text);
    assert_int_equal(bytes, strlen(text));
    assert_int_equal(schema_print(&schema, out, bytes, &bytes), -ENOBUFS);
    schema_fini(&schema);

    assert_int_equal(schema_parse(" a : bool,\tb:int ,\n", &schema, error), 0);
    assert_int_equal(schema_print(&schema, out, sizeof(out), &bytes), 0);
    assert_string_equal(out, "a:bool,b:int");
    schema_fini(&schema);
}

static void check_bad_schema(const char *text, int rc, const char *word)
{
    struct schema schema;
    char error[SCHEMA_ERROR_BYTES] = "";

    assert_int_equal(schema_parse(text, &schema, error), rc);
    if (!strstr(error, word))
        fail_msg("%s: \"%s\" lacks \"%s\"", text, error, word);
    assert_int_equal(schema_parse(text, &schema, NULL), rc);
    assert_null(schema.columns);
}

static void test_bad_schemas(void **state UNUSED)
{
    static char text[SCHEMA_TEXT_MAX + 10];
    size_t used = 0;

    check_bad_schema("", -EINVAL, "empty");
    check_bad_schema(",", -EINVAL, "empty");
    check_bad_schema("a", -EINVAL, "column 1");
    check_bad_schema("a:int,b", -EINVAL, "column 2");
    check_bad_schema("a:int,,b:int", -EINVAL, "column 2");
    check_bad_schema("a:int,b:float", -EINVAL, "'b'");
    check_bad_schema("a:int,b:float", -EINVAL, "timespan"); /* what would be accepted */
    check_bad_schema("a:Int", -EINVAL, "unknown type 'Int'");
    check_bad_schema("a:int:int", -EINVAL, "unknown type 'int:int'");
    check_bad_schema("a:", -EINVAL, "unknown type ''");
    check_bad_schema(":int", -EINVAL, "empty");
    check_bad_schema("a/b:int", -EINVAL, "letters");
    check_bad_schema("a:int,b:int,a:long", -EINVAL, "'a' is there twice");
    memset(text, 'a', SCHEMA_TEXT_MAX + 1);
    check_bad_schema(text, -E2BIG, "60000");
    memset(text, 0, sizeof(text));
    memset(text, 'a', SCHEMA_NAME_MAX + 1);
    memcpy(text + SCHEMA_NAME_MAX + 1, ":int", 5);
    check_bad_schema(text, -E2BIG, "1024");
    for (int i = 0; i <= SCHEMA_COLUMNS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "c%x:int,", (unsigned)i);
    check_bad_schema(text, -E2BIG, "4097");
}

static void test_schema_hash_is_that_of_adxmon(void **state UNUSED)
{
    static const char *const kinds[] = {"metrics", "logs"};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char key[64], text[SCHEMA_HASH_TEXT_BYTES];
        struct schema schema;
        const json_t *v = json_object_get(vectors, "schema");
        snprintf(key, sizeof(key), "%s_header", kinds[i]);
        assert_int_equal(schema_parse(json_string_value(json_object_get(v, key)), &schema, NULL), 0);
        schema_hash_text(schema_hash(&schema), text);
        snprintf(key, sizeof(key), "%s_hash_base36", kinds[i]);
        assert_string_equal(text, json_string_value(json_object_get(v, key)));
        schema_fini(&schema);
    }
}

static void test_flake_is_that_of_adxmon(void **state UNUSED)
{
    const json_t *flakes = json_object_get(vectors, "flake");

    assert_true(json_array_size(flakes) > 0);
    for (size_t i = 0; i < json_array_size(flakes); i++) {
        const char *created = json_string_value(json_object_get(json_array_get(flakes, i), "created"));
        const char *epoch = json_string_value(json_object_get(json_array_get(flakes, i), "epoch"));
        char text[FLAKE_TEXT_BYTES + 1];
        struct flake parts;
        struct tm tm = {0};
        uint64_t id;
        const char *rest = strptime(created, "%Y-%m-%dT%H:%M:%S", &tm);
        assert_non_null(rest);
        uint64_t ms = (uint64_t)timegm(&tm) * 1000 + strtoull(rest + 1, NULL, 10) / 1000000;
        assert_true(flake_parse(epoch, strlen(epoch), &id));
        flake_decompose(id, &parts);
        assert_int_equal(parts.unix_ms, ms);
        assert_true(flake_compose(&parts) == id);
        flake_print(id, text);
        assert_string_equal(text, epoch);
    }
}

static void test_flake_limits(void **state UNUSED)
{
    struct flake parts = {.unix_ms = 1};
    uint64_t id;

    assert_true(flake_compose(&parts) == 0);
    parts = (struct flake){UINT64_MAX, FLAKE_HOST_MAX, FLAKE_SEQUENCE_MAX};
    assert_true(flake_compose(&parts) == UINT64_MAX);
    assert_false(flake_parse("2F5b6d4057fe4000", 16, &id));
    assert_false(flake_parse("2f5b6d4057fe400", 15, &id));
    assert_false(flake_parse("2f5b6d4057fe400g", 16, &id));
    assert_true(flake_next(UINT64_MAX, 0, 0) == 0); /* no id is left */
}

static void test_flake_next_only_grows(void **state UNUSED)
{
    uint64_t last = 0, now = FLAKE_EPOCH_UNIX_MS + 1000000;
    struct flake parts;

    for (int i = 0; i < 100000; i++) {
        uint32_t host = random_below(100) == 0 ? (uint32_t)random_below(1024) : 7;
        if (random_below(50) == 0)
            now = now + random_below(20) - 10; /* the clock goes either way */
        uint64_t id = flake_next(last, now, host);
        assert_true(id > last);
        flake_decompose(id, &parts);
        assert_int_equal(parts.host, host);
        last = id;
    }
    /* Another millisecond: from its beginning. */
    last = flake_next(last, now + 100000000, 7);
    flake_decompose(last, &parts);
    assert_int_equal(parts.sequence, 0);
    assert_int_equal(parts.unix_ms, now + 100000000);
    /* The sequence of one millisecond is used up. */
    for (int i = 0; i < FLAKE_SEQUENCE_NEXT_MAX; i++)
        last = flake_next(last, now + 100000000, 7);
    flake_decompose(last, &parts);
    assert_int_equal(parts.sequence, FLAKE_SEQUENCE_NEXT_MAX);
    last = flake_next(last, now + 100000000, 7);
    flake_decompose(last, &parts);
    assert_int_equal(parts.sequence, 0);
    assert_int_equal(parts.unix_ms, now + 100000001);
}

/* Of one time, as many as anybody makes: each another, none younger than the time, none that flake_next()
 * gives. */
static void test_flake_of_a_time_that_has_been(void **state UNUSED)
{
    enum { COUNT = 20000 };
    const uint64_t then = FLAKE_EPOCH_UNIX_MS + (UINT64_C(1) << 38);
    struct flake parts;
    uint64_t last = UINT64_MAX;

    for (uint64_t i = 0; i < COUNT; i++) { /* they go down */
        uint64_t id = flake_at(then, 7, i);
        assert_true(id < last);
        last = id;
        flake_decompose(id, &parts);
        assert_true(parts.sequence > FLAKE_SEQUENCE_NEXT_MAX && parts.host == 7);
        assert_true(parts.unix_ms <= then && parts.unix_ms > then - 1000);
        assert_true(i > FLAKE_SEQUENCE_NEXT_MAX || flake_unix_ms(id) == then);
    }
    for (uint64_t i = UINT64_C(1) << 40; i < (UINT64_C(1) << 40) + COUNT; i++)
        assert_true(flake_unix_ms(flake_at(then, 7, i)) > then - 1000);
    assert_true(flake_unix_ms(0) == FLAKE_EPOCH_UNIX_MS);
    assert_false(flake_has_time(0) || flake_has_time(flake_at(1000, 3, 0))); /* a clock that was never set */
    assert_true(flake_has_time(flake_at(FLAKE_EPOCH_UNIX_MS + 86400000, 3, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_check),
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_file_names),
        cmocka_unit_test(test_bad_file_names),
        cmocka_unit_test(test_longest_file_name),
        cmocka_unit_test(test_schema_round_trip),
        cmocka_unit_test(test_bad_schemas),
        cmocka_unit_test(test_schema_hash_is_that_of_adxmon),
        cmocka_unit_test(test_flake_is_that_of_adxmon),
        cmocka_unit_test(test_flake_limits),
        cmocka_unit_test(test_flake_next_only_grows),
        cmocka_unit_test(test_flake_of_a_time_that_has_been),
    };

    random_seed();
    return cmocka_run_group_tests(tests, setup, teardown);
}
