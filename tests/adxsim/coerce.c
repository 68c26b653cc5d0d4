#include "tests/adxsim/coerce.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <strings.h>

struct type_names {
    const char *name;
    const char *net;
    const char *aliases[2];
};

static const struct type_names names[TYPES] = {
    [TYPE_BOOL] = {"bool", "SByte", {"boolean", NULL}},
    [TYPE_DATETIME] = {"datetime", "DateTime", {"date", NULL}},
    [TYPE_DECIMAL] = {"decimal", "SqlDecimal", {NULL, NULL}},
    [TYPE_DYNAMIC] = {"dynamic", "Object", {NULL, NULL}},
    [TYPE_GUID] = {"guid", "Guid", {"uuid", "uniqueid"}},
    [TYPE_INT] = {"int", "Int32", {NULL, NULL}},
    [TYPE_LONG] = {"long", "Int64", {NULL, NULL}},
    [TYPE_REAL] = {"real", "Double", {"double", NULL}},
    [TYPE_STRING] = {"string", "String", {NULL, NULL}},
    [TYPE_TIMESPAN] = {"timespan", "TimeSpan", {"time", NULL}},
};

int type_parse(const char *name, enum kusto_type *type)
{
    for (unsigned t = 0; t < TYPES; t++) {
        bool found = strcmp(name, names[t].name) == 0;
        for (size_t i = 0; i < ARRAY_LEN(names[t].aliases) && names[t].aliases[i]; i++)
            found |= strcmp(name, names[t].aliases[i]) == 0;
        if (found) {
            *type = (enum kusto_type)t;
            return 0;
        }
    }
    return -EINVAL;
}

const char *type_name(enum kusto_type type)
{
    return names[type].name;
}

const char *type_net_name(enum kusto_type type)
{
    return names[type].net;
}

static void set_text(struct value *v, const char *text, size_t len)
{
    v->kind = VALUE_TEXT;
    v->text = text;
    v->len = len;
}

static void set_integer(struct value *v, int64_t integer)
{
    v->kind = VALUE_INTEGER;
    v->integer = integer;
}

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(text, word, len) == 0;
}

static void to_bool(const char *text, size_t len, struct value *v)
{
    if (is_word(text, len, "true") || is_word(text, len, "1"))
        set_integer(v, 1);
    else if (is_word(text, len, "false") || is_word(text, len, "0"))
        set_integer(v, 0);
}

static void to_integer(const char *text, size_t len, int64_t min, int64_t max, struct value *v)
{
    bool negative = text[0] == '-';
    size_t at = (text[0] == '-' || text[0] == '+') ? 1 : 0;
    uint64_t limit = negative ? (uint64_t)max + (uint64_t)(min != -max) : (uint64_t)max;
    uint64_t n = 0;

    if (at == len)
        return;
    for (; at < len; at++) {
        unsigned digit = (unsigned)text[at] - '0';
        if (digit > 9 || n > (limit - digit) / 10)
            return;
        n = n * 10 + digit;
    }
    set_integer(v, negative ? (int64_t)(0 - n) : (int64_t)n);
}

/* Digits, a point, an exponent: what strtod takes beyond it (hex, blanks, "nan(...)") is not a number here.
 */
static bool is_decimal(const char *text, size_t len, bool exponent_too)
{
    size_t at = (text[0] == '-' || text[0] == '+') ? 1 : 0, digits = 0;

    for (; at < len && isdigit((unsigned char)text[at]); at++)
        digits++;
    if (at < len && text[at] == '.')
        for (at++; at < len && isdigit((unsigned char)text[at]); at++)
            digits++;
    if (!digits)
        return false;
    if (exponent_too && at < len && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        at += at < len && (text[at] == '-' || text[at] == '+') ? 1 : 0;
        if (at == len)
            return false;
        while (at < len && isdigit((unsigned char)text[at]))
            at++;
    }
    return at == len;
}

static void to_real(const char *text, size_t len, struct value *v)
{
    static const char *const infinities[] = {"inf", "+inf", "infinity", "+infinity", "-inf", "-infinity"};
    char number[400];

    if (is_word(text, len, "nan")) {
        set_text(v, "NaN", 3);
        return;
    }
    v->kind = VALUE_REAL;
    for (size_t i = 0; i < ARRAY_LEN(infinities); i++) {
        if (is_word(text, len, infinities[i])) {
            v->real = text[0] == '-' ? -HUGE_VAL : HUGE_VAL;
            return;
        }
    }
    v->kind = VALUE_NULL;
    if (len >= sizeof number || !is_decimal(text, len, true))
        return;
    memcpy(number, text, len);
    number[len] = '\0';
    v->kind = VALUE_REAL;
    v->real = strtod(number, NULL);
}

static void to_decimal(const char *text, size_t len, struct value *v)
{
    size_t digits = 0;

    for (size_t i = 0; i < len && text[i] != 'e' && text[i] != 'E'; i++)
        digits += isdigit((unsigned char)text[i]) ? 1 : 0;
    if (digits <= 34 && is_decimal(text, len, true))
        set_text(v, text, len);
}

static void to_guid(const char *text, size_t len, struct value *v)
{
    size_t n = 0;

    if (len == 38 && text[0] == '{' && text[37] == '}')
        text++, len -= 2;
    if (len != 36 && len != 32)
        return;
    for (size_t i = 0; i < len; i++) {
        bool dash = len == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return;
        if (!dash && (n == 8 || n == 13 || n == 18 || n == 23))
            v->fixed[n++] = '-';
        if (!dash)
            v->fixed[n++] = (char)tolower((unsigned char)text[i]);
    }
    set_text(v, v->fixed, n);
}

static void to_dynamic(const char *text, size_t len, struct value *v, struct buf *scratch)
{
    json_t *json = json_loadb(text, len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);

    if (json) {
        set_text(v, text, len);
        json_decref(json);
        return;
    }
    json = json_stringn(text, len);
    char *quoted = json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    if (!quoted) /* not UTF-8 either */
        return;
    buf_clear(scratch);
    buf_puts(scratch, quoted);
    free(quoted);
    set_text(v, scratch->data, scratch->len);
}

void coerce_text(enum kusto_type type, const char *text, size_t len, struct value *v, struct buf *scratch)
{
    v->kind = VALUE_NULL;
    if (type == TYPE_STRING)
        set_text(v, text ? text : "", len);
    if (len == 0)
        return;
    switch (type) {
    case TYPE_BOOL:
        to_bool(text, len, v);
        break;
    case TYPE_DATETIME:
        set_text(v, v->fixed, coerce_datetime(text, len, v->fixed));
        break;
    case TYPE_DECIMAL:
        to_decimal(text, len, v);
        break;
    case TYPE_DYNAMIC:
        to_dynamic(text, len, v, scratch);
        break;
    case TYPE_GUID:
        to_guid(text, len, v);
        break;
    case TYPE_INT:
        to_integer(text, len, INT32_MIN, INT32_MAX, v);
        break;
    case TYPE_LONG:
        to_integer(text, len, INT64_MIN, INT64_MAX, v);
        break;
    case TYPE_REAL:
        to_real(text, len, v);
        break;
    case TYPE_TIMESPAN:
        set_text(v, v->fixed, coerce_timespan(text, len, v->fixed));
        break;
    case TYPE_STRING:
    case TYPES:
        break;
    }
    if ((type == TYPE_DATETIME || type == TYPE_TIMESPAN) && v->len == 0)
        v->kind = VALUE_NULL;
}
