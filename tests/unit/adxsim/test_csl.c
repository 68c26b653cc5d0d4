/* The stand-in's lexer of commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/compiler.h"
#include "tests/adxsim/csl.h"

/* Tokens as text: w:word n:number e:entity s:string, a punctuation as itself, D data, ! bad. */
static void render(const char *text, struct buf *out)
{
    static const char marks[] = {[CSL_WORD] = 'w', [CSL_NUMBER] = 'n', [CSL_NAME] = 'e', [CSL_STRING] = 's'};
    struct csl csl;

    for (csl_init(&csl, text, strlen(text)); csl.kind != CSL_END; csl_next(&csl)) {
        if (out->len)
            buf_putc(out, ' ');
        if (csl.kind == CSL_PUNCT) {
            buf_putc(out, csl.punct);
        } else if (csl.kind == CSL_BAD) {
            buf_putc(out, '!');
            break;
        } else if (csl.kind == CSL_DATA) {
            buf_printf(out, "D:%.*s", (int)(csl.end - csl.at), csl.at);
            break;
        } else {
            buf_printf(out, "%c:%s", marks[csl.kind], buf_text(&csl.text));
        }
    }
    csl_fini(&csl);
}

static void test_tokens(void **state)
{
    static const struct {
        const char *csl;
        const char *wanted;
    } cases[] = {
        {"", ""},
        {" \n\t// nothing\n", ""},
        {".show version", "w:.show w:version"},
        {".create-merge table T(a:string)", "w:.create-merge w:table w:T ( w:a : w:string )"},
        {"a-b", "w:a - w:b"},
        {"take 10", "w:take n:10"},
        {"['a b'] [\"c\"] [ 'd' ]", "e:a b e:c e:d"},
        {"['it\\'s']", "e:it's"},
        {"[1]", "[ n:1 ]"},
        {"'a\\'b' \"a'b\" \"\\\"\"", "s:a'b s:a'b s:\""},
        {"'\\\\ \\n \\t \\r'", "s:\\ \n \t \r"},
        {"'\\u00e9\\x41\\U0001F600\\uD83D\\uDE00'", "s:\xc3\xa9"
                                                    "A\xf0\x9f\x98\x80\xf0\x9f\x98\x80"},
        {"@'a\\b''c' @\"d\"\"e\"", "s:a\\b'c s:d\"e"},
        {"h'x' H@'y' h \"z\"", "s:x s:y w:h s:z"},
        {"```a\n'b'```", "s:a\n'b'"},
        {"a // c\n b", "w:a w:b"},
        {"T <| a,b // not a comment", "w:T D: a,b // not a comment"},
        {"T <|", "w:T D:"},
        {"a == 'b'", "w:a = = s:b"},
        {"'open", "!"},
        {"'line\nbreak'", "!"},
        {"'\\q'", "!"},
        {"'\\", "!"},
        {"'\\u12'", "!"},
        {"'\\uD83D'", "!"},
        {"'\\uDE00'", "!"},
        {"@'open", "!"},
        {"```open", "!"},
        {"['open", "!"},
        {"['a' b", "!"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        buf_init(&out, 1 << 16);
        render(cases[i].csl, &out);
        assert_string_equal(buf_text(&out), cases[i].wanted);
        buf_fini(&out);
    }
}

static void test_adjacent_literals_are_one(void **state)
{
    static const char text[] = "'a' \"b\"\n@'c' d";
    struct csl csl;
    char *joined;

    (void)state;
    csl_init(&csl, text, strlen(text));
    assert_true(csl_take_string(&csl, &joined));
    assert_string_equal(joined, "abc");
    assert_true(csl_is_word(&csl, "d"));
    free(joined);
    csl_fini(&csl);
}

static void test_take_refuses_the_wrong_kind(void **state)
{
    struct csl csl;
    char *out;

    (void)state;
    csl_init(&csl, "5 x", 3);
    assert_false(csl_take_name(&csl, &out));
    assert_null(out);
    assert_false(csl_take_string(&csl, &out));
    assert_false(csl_take_name_or_string(&csl, &out));
    assert_false(csl_accept_word(&csl, "x"));
    csl_next(&csl);
    assert_true(csl_take_name_or_string(&csl, &out));
    assert_string_equal(out, "x");
    assert_int_equal(csl.kind, CSL_END);
    free(out);
    csl_fini(&csl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_adjacent_literals_are_one),
        cmocka_unit_test(test_take_refuses_the_wrong_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
