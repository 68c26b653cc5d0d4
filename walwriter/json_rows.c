#include "walwriter/json_rows.h"

#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What is read goes from `at` to `end`; `why` is set where it cannot go on. */
struct cursor {
    const uint8_t *at, *end;
    const char *why;
    uint8_t is_array[JSON_ROW_DEPTH_MAX / 8]; /* of the containers that are open: an array (or an object)? */
    unsigned depth;
};

static bool fail(struct cursor *c, const char *why)
{
    c->why = why;
    return false;
}

static inline void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
        c->at++;
}

/* --- strings ---------------------------------------------------------------------------------------- */

/* Pass over what is neither a quote, a backslash, a control character nor beyond ASCII. */
static inline void skip_plain(struct cursor *c)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    while (c->end - c->at >= 16) {
        __m128i text = _mm_loadu_si128((const __m128i *)(const void *)c->at);
        __m128i special =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(text, quote), _mm_cmpeq_epi8(text, backslash)),
                         _mm_cmplt_epi8(text, space)); /* signed: beyond ASCII is negative */
        unsigned mask = (unsigned)_mm_movemask_epi8(special);
        if (mask) {
            c->at += __builtin_ctz(mask);
            return;
        }
        c->at += 16;
    }
#endif
    while (c->at < c->end && *c->at >= ' ' && *c->at < 0x80 && *c->at != '"' && *c->at != '\\')
        c->at++;
}

static int hex_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9'                 ? byte - '0'
           : (byte | 32) >= 'a' && (byte | 32) <= 'f' ? (byte | 32) - 'a' + 10
                                                      : -1;
}

/* The four digits after \u: their value, or -1. */
static int32_t read_unit(struct cursor *c)
{
    int32_t unit = 0;
    if (c->end - c->at < 4)
        return -1;
    for (unsigned i = 0; i < 4; i++) {
        int digit = hex_digit(c->at[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    c->at += 4;
    return unit;
}

static bool skip_unicode_escape(struct cursor *c)
{
    int32_t unit = read_unit(c);
    if (unit < 0)
        return fail(c, "\\u without four hexadecimal digits");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return fail(c, "half of a surrogate pair");
    if (unit < 0xd800 || unit > 0xdbff)
        return true;
    if (c->end - c->at < 6 || c->at[0] != '\\' || c->at[1] != 'u')
        return fail(c, "half of a surrogate pair");
    c->at += 2;
    unit = read_unit(c);
    return (unit >= 0xdc00 && unit <= 0xdfff) || fail(c, "half of a surrogate pair");
}

static bool skip_escape(struct cursor *c)
{
    if (c->end - c->at < 2)
        return fail(c, "a string that does not end");
    uint8_t kind = c->at[1];
    c->at += 2;
    if (kind == 'u')
        return skip_unicode_escape(c);
    return memchr("\"\\/bfnrt", kind, 8) || fail(c, "an unknown escape");
}

/* One character beyond ASCII, as in the Unicode standard's table of well-formed sequences. */
static bool skip_utf8(struct cursor *c)
{
    static const struct {
        uint8_t first_min, first_max, second_min, second_max, bytes;
    } forms[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
                 {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                 {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    for (unsigned i = 0; i < ARRAY_LEN(forms); i++) {
        if (c->at[0] < forms[i].first_min || c->at[0] > forms[i].first_max)
            continue;
        if (c->end - c->at < forms[i].bytes || c->at[1] < forms[i].second_min ||
            c->at[1] > forms[i].second_max)
            break;
        for (unsigned k = 2; k < forms[i].bytes; k++)
            if ((c->at[k] & 0xc0) != 0x80)
                return fail(c, "not UTF-8");
        c->at += forms[i].bytes;
        return true;
    }
    return fail(c, "not UTF-8");
}

/* From behind the opening quote to behind the closing one. */
static bool skip_string(struct cursor *c)
{
    for (;;) {
        skip_plain(c);
        if (c->at == c->end)
            return fail(c, "a string that does not end");
        if (*c->at == '"') {
            c->at++;
            return true;
        }
        if (*c->at < ' ')
            return fail(c, "a control character in a string");
        if (*c->at == '\\' ? !skip_escape(c) : !skip_utf8(c))
            return false;
    }
}

/* --- numbers and words ------------------------------------------------------------------------------ */

static inline bool skip_digits(struct cursor *c)
{
    const uint8_t *from = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return c->at > from;
}

static bool skip_number(struct cursor *c)
{
    if (*c->at == '-')
        c->at++;
    if (c->at < c->end && *c->at == '0')
        c->at++;
    else if (!skip_digits(c))
        return fail(c, "not a number");
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if (!skip_digits(c))
            return fail(c, "not a number");
    }
    if (c->at < c->end && (*c->at | 32) == 'e') {
        c->at++;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-'))
            c->at++;
        if (!skip_digits(c))
            return fail(c, "not a number");
    }
    return true;
}

static bool skip_word(struct cursor *c, const char *word, size_t bytes)
{
    if ((size_t)(c->end - c->at) < bytes || memcmp(c->at, word, bytes) != 0)
        return fail(c, "not a value");
    c->at += bytes;
    return true;
}

/* --- structure -------------------------------------------------------------------------------------- */

static bool open_container(struct cursor *c, bool is_array)
{
    if (c->depth == JSON_ROW_DEPTH_MAX)
        return fail(c, "nested too deeply");
    uint8_t bit = (uint8_t)(1u << c->depth % 8), *byte = &c->is_array[c->depth / 8];
    uint8_t outer = bit == 1 ? 0 : *byte; /* the first of eight: nothing is there yet */
    *byte = (uint8_t)(is_array ? outer | bit : outer & ~bit);
    c->depth++;
    c->at++;
    return true;
}

static inline bool is_in_array(const struct cursor *c)
{
    return c->is_array[(c->depth - 1) / 8] >> (c->depth - 1) % 8 & 1;
}

/* "name" : */
static inline bool skip_key(struct cursor *c)
{
    skip_space(c);
    if (c->at == c->end || *c->at != '"')
        return fail(c, "a name in quotes is missing");
    c->at++;
    if (!skip_string(c))
        return false;
    skip_space(c);
    if (c->at == c->end || *c->at != ':')
        return fail(c, "a : is missing");
    c->at++;
    return true;
}

/* What stands where a value must: a whole simple one, or the opening of a container (`*opened`). */
static inline bool skip_simple(struct cursor *c, bool *opened)
{
    *opened = false;
    skip_space(c);
    if (c->at == c->end)
        return fail(c, "it ends too early");
    switch (*c->at) {
    case '"':
        c->at++;
        return skip_string(c);
    case '{':
    case '[':
        *opened = true;
        return open_container(c, *c->at == '[');
    case 't':
        return skip_word(c, "true", 4);
    case 'f':
        return skip_word(c, "false", 5);
    case 'n':
        return skip_word(c, "null", 4);
    default:
        return (*c->at == '-' || (*c->at >= '0' && *c->at <= '9')) ? skip_number(c) : fail(c, "not a value");
    }
}

/* After a container was opened: is it empty? Else, in an object, the first name. */
static inline bool enter(struct cursor *c, bool *closed)
{
    skip_space(c);
    *closed = c->at < c->end && *c->at == (is_in_array(c) ? ']' : '}');
    return *closed || is_in_array(c) || skip_key(c);
}

/* After a value: a comma (and in an object the next name), or the end of one container or more. */
static inline bool leave(struct cursor *c)
{
    while (c->depth > 0) {
        skip_space(c);
        if (c->at == c->end)
            return fail(c, "it ends too early");
        bool in_array = is_in_array(c);
        if (*c->at == ',') {
            c->at++;
            return in_array || skip_key(c);
        }
        if (*c->at != (in_array ? ']' : '}'))
            return fail(c, in_array ? "a , or ] is missing" : "a , or } is missing");
        c->at++;
        c->depth--;
    }
    return true;
}

static bool skip_object(struct cursor *c)
{
    bool opened, closed;
    do {
        if (!skip_simple(c, &opened))
            return false;
        if (opened) {
            if (!enter(c, &closed))
                return false;
            if (!closed)
                continue;
        }
        if (!leave(c))
            return false;
    } while (c->depth > 0);
    return true;
}

bool json_row_is_good(const char *line, size_t bytes, char why[static JSON_ROW_WHY_BYTES])
{
    struct cursor c;
    c.at = (const uint8_t *)line;
    c.end = c.at + bytes;
    c.depth = 0;
    c.why = NULL;
    skip_space(&c);
    bool is_good = c.at < c.end && *c.at == '{' ? skip_object(&c) : fail(&c, "not an object");
    if (is_good) {
        skip_space(&c);
        is_good = c.at == c.end || fail(&c, "something follows the object");
    }
    if (!is_good)
        snprintf(why, JSON_ROW_WHY_BYTES, "not a JSON object: %s, at byte %zu", c.why,
                 (size_t)(c.at - (const uint8_t *)line) + 1);
    return is_good;
}
