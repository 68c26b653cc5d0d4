#include "tests/unit/unit.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/mman.h>

#include "common/cli/arena.h"
#include "common/cli/inventory.h"
#include "common/cli/jsonline.h"

/* What jsonline prints of one text, as jansson reads it back; the caller frees it. */
static json_t *round_trip(const char *text)
{
    char line[4096];
    int file = memfd_create("line", MFD_CLOEXEC), saved = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    struct jsonline json;
    jsonline_begin(&json);
    jsonline_text(&json, "text", text);
    jsonline_number(&json, "least", INT64_MIN);
    jsonline_bool(&json, "yes", true);
    jsonline_raw(&json, "list", "[1]");
    jsonline_end(&json);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    ssize_t len = pread(file, line, sizeof line, 0);
    close(saved);
    close(file);
    assert_true(len > 0 && line[len - 1] == '\n');
    json_t *root = json_loadb(line, (size_t)len, 0, NULL);
    assert_non_null(root);
    assert_int_equal(json_integer_value(json_object_get(root, "least")), INT64_MIN);
    assert_true(json_is_true(json_object_get(root, "yes")));
    assert_int_equal(json_array_size(json_object_get(root, "list")), 1);
    return root;
}

static void expect_text(const char *text, const char *expected)
{
    json_t *root = round_trip(text);
    assert_string_equal(json_string_value(json_object_get(root, "text")), expected);
    json_decref(root);
}

static void test_texts_come_back(void **state)
{
    (void)state;
    expect_text("", "");
    expect_text("a\"b\\c\n\t\x01/", "a\"b\\c\n\t\x01/");
    expect_text("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
}

static void test_what_is_not_utf8_is_replaced(void **state)
{
    (void)state;
    expect_text("a\xff"
                "b",
                "a\xef\xbf\xbd"
                "b");
    expect_text("\xc3", "\xef\xbf\xbd");                                                 /* cut */
    expect_text("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");                                 /* overlong */
    expect_text("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");                 /* a surrogate */
    expect_text("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* beyond Unicode */
}

static void test_any_bytes_give_json(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 3000; i++) {
        char text[64];
        size_t len = 0;
        while (len < sizeof text - 1) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            text[len++] = (char)(random >> 40 | (i % 3 == 0 ? 0x80 : 0));
        }
        text[len] = '\0';
        json_decref(round_trip(text));
    }
}

static void test_names_behind_a_number(void **state)
{
    struct segment_name name;
    (void)state;
    assert_int_equal(inventory_read_name("T,-,00000000000000ab.csv.gz", &name), INVENTORY_SEGMENT);
    assert_int_equal(inventory_read_name("12,T,-,00000000000000ab.csv.gz", &name), INVENTORY_RENAMED);
    assert_int_equal(name.id, 0xab);
    assert_string_equal(name.table, "T");
    assert_int_equal(inventory_read_name("1234,T,-,00000000000000ab.csv.gz", &name), INVENTORY_OTHER);
    assert_int_equal(inventory_read_name("1,1,T,-,00000000000000ab.csv.gz", &name), INVENTORY_OTHER);
    assert_int_equal(inventory_read_name("x.gz", &name), INVENTORY_OTHER);
}

static void test_an_arena_keeps_what_it_gave(void **state)
{
    struct arena arena = {0};
    const char *texts[5000];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char text[64];
        snprintf(text, sizeof text, "%zu", i);
        texts[i] = arena_text(&arena, text);
        uint64_t *number = arena_take(&arena, sizeof *number * (i % 50));
        assert_int_equal((uintptr_t)number % 16, 0);
        memset(number, 0xff, sizeof *number * (i % 50));
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(strtoul(texts[i], NULL, 10), i);
    assert_non_null(arena_take(&arena, 32 << 10));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_come_back),
        cmocka_unit_test(test_what_is_not_utf8_is_replaced),
        cmocka_unit_test(test_any_bytes_give_json),
        cmocka_unit_test(test_names_behind_a_number),
        cmocka_unit_test(test_an_arena_keeps_what_it_gave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
