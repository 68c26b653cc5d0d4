/* The check of JSON rows against jansson: on cases that matter, and on random mutations of them. SEED=n
 * repeats a run; it is printed when it fails. */
#include "tests/unit/unit.h"

#include <jansson.h>

#include "common/base/clock.h"
#include "walwriter/json_rows.h"

/* What jansson refuses and JSON does not: numbers beyond a double, and NUL in a name. */
static bool is_own_limit(const json_error_t *error)
{
    return json_error_code(error) == json_error_numeric_overflow ||
           json_error_code(error) == json_error_null_byte_in_key;
}

static bool reference(const char *line, size_t bytes, bool *is_unknown)
{
    json_error_t error;
    json_t *row = json_loadb(line, bytes, JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
    bool is_good = json_is_object(row);
    *is_unknown = !row && is_own_limit(&error);
    json_decref(row);
    return is_good;
}

static bool is_good(const char *line, size_t bytes)
{
    char why[JSON_ROW_WHY_BYTES] = "";
    char *copy = malloc(bytes + (bytes == 0)); /* of exactly this size: a sanitizer sees each byte too many */
    memcpy(copy, line, bytes);
    bool result = json_row_is_good(copy, bytes, why);
    assert_true(result || strlen(why) > 10);
    free(copy);
    return result;
}

static const char *const cases[] = {
    "{}",
    " { } \r\n",
    "{\"a\":1}",
    "{\"a\":1,\"b\":[true,false,null,-0.5e+10,\"x\"],\"c\":{\"d\":{}}}",
    "{\"a\":[]}",
    "{\"a\":[[],[{}],[{\"b\":[1,2]}]]}",
    "{\"time\":\"2026-11-22T06:00:00.123Z\",\"level\":\"info\",\"message\":\"a text that is longer than sixteen bytes\","
    "\"n\":12345678901234567890123}",
    "{\"a\":\"\\u00e9\\u0000\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"}",
    "{\"a\":\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbd \xed\x9f\xbf \xf4\x8f\xbf\xbf\"}",
    "{\"a\":\"\xc0\x80\"}",
    "{\"a\":\"\xed\xa0\x80\"}",
    "{\"a\":\"\xf4\x90\x80\x80\"}",
    "{\"a\":\"\xe2\x82\"}",
    "{\"a\":\"\x80\"}",
    "{\"a\":\"\\ud83d\"}",
    "{\"a\":\"\\ude00\"}",
    "{\"a\":\"\\ud83d\\u0041\"}",
    "{\"a\":\"\\u12\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\t\"}",
    "{\"a\":\"\x7f\"}",
    "{\"a\":01}",
    "{\"a\":-}",
    "{\"a\":1.}",
    "{\"a\":.5}",
    "{\"a\":1e}",
    "{\"a\":+1}",
    "{\"a\":1e5,\"b\":1E-5,\"c\":-0,\"d\":0.0}",
    "{\"a\":nul}",
    "{\"a\":nulll}",
    "{\"a\":true,}",
    "{,}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1 \"b\":2}",
    "{a:1}",
    "{\"a\":[1,]}",
    "{\"a\":[,1]}",
    "{\"a\":[1}",
    "{\"a\":{\"b\":1]}",
    "{\"a\":1}}",
    "{\"a\":1} x",
    "{\"a\":1}{\"b\":2}",
    "{\"a\":1",
    "{\"a\":\"",
    "{\"a\":\"\\",
    "{\"a\":\"\\u",
    "{",
    "",
    " ",
    "[]",
    "[1]",
    "17",
    "\"a\"",
    "null",
    "nonsense",
    "\xef\xbb\xbf{}",
    "{\"a\":1,\"a\":2}",
};

static void agrees_with_jansson_on_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool is_unknown;
        size_t bytes = strlen(cases[i]);
        if (is_good(cases[i], bytes) != reference(cases[i], bytes, &is_unknown))
            fail_msg("case %zu: %s", i, cases[i]);
    }
    assert_false(is_good("{\"a\":\"b\0c\"}", 11));
    assert_true(is_good("{\"a\":1e999}", 11));
    assert_true(is_good("{\"a\\u0000b\":1}", 14));
}

/* --- mutations -------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Change a few bytes: another byte, one that means something in JSON, a cut, a piece of itself again. */
static size_t mutate(char *text, size_t bytes, size_t max, uint64_t *seed)
{
    static const char special[] = "{}[]\",:\\/u0189eE+-. \t\n\rtfn\x7f\x80\xc3\xa9\xed\xa0\xf4\x90\x1f";
    for (uint64_t changes = 1 + next_random(seed) % 3; changes > 0 && bytes > 0; changes--) {
        size_t at = next_random(seed) % bytes;
        switch (next_random(seed) % 5) {
        case 0:
            text[at] = (char)next_random(seed);
            break;
        case 1:
            text[at] = special[next_random(seed) % (sizeof special - 1)];
            break;
        case 2:
            memmove(text + at, text + at + 1, bytes - at - 1);
            bytes--;
            break;
        case 3:
            if (bytes < max) {
                memmove(text + at + 1, text + at, bytes - at);
                text[at] = special[next_random(seed) % (sizeof special - 1)];
                bytes++;
            }
            break;
        default:
            bytes = next_random(seed) % 8 == 0 ? at : bytes;
        }
    }
    return bytes;
}

static void agrees_with_jansson_on_mutations(void **state)
{
    (void)state;
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)mono_now().ns | 1, first = seed;
    unsigned good = 0;
    for (unsigned i = 0; i < 200000; i++) {
        char text[1024];
        bool is_unknown;
        const char *base = cases[next_random(&seed) % ARRAY_LEN(cases)];
        size_t bytes = strlen(base);
        memcpy(text, base, bytes);
        bytes = mutate(text, bytes, sizeof text, &seed);
        bool want = reference(text, bytes, &is_unknown), got = is_good(text, bytes);
        if (memchr(text, '\0', bytes))
            want = is_unknown = false; /* jansson 2.14 passes over a NUL after a number */
        if (!is_unknown && want != got) {
            for (size_t k = 0; k < bytes; k++)
                fprintf(stderr, text[k] >= ' ' && text[k] < 0x7f ? "%c" : "<%02x>", (unsigned char)text[k]);
            fail_msg("SEED=%llu: jansson %d, we %d", (unsigned long long)first, want, got);
        }
        good += got;
    }
    assert_true(good > 1000);
}

static void depth_is_limited(void **state)
{
    (void)state;
    enum { MAX = JSON_ROW_DEPTH_MAX };
    char *text = malloc(2 * MAX + 64);
    for (unsigned depth = MAX - 1; depth <= MAX; depth++) {
        size_t n = 0;
        bool is_unknown;
        memcpy(text, "{\"a\":", 5);
        n += 5;
        memset(text + n, '[', depth);
        memset(text + n + depth, ']', depth);
        n += 2 * depth;
        text[n++] = '}';
        assert_int_equal(is_good(text, n), depth < MAX);
        assert_int_equal(reference(text, n, &is_unknown), depth < MAX);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_jansson_on_cases),
        cmocka_unit_test(agrees_with_jansson_on_mutations),
        cmocka_unit_test(depth_is_limited),
    };
    return cmocka_run_group_tests_name("walwriter/json_rows", tests, NULL, NULL);
}
