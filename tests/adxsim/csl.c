#include "tests/adxsim/csl.h"

#include <ctype.h>
#include <stdint.h>

void csl_init(struct csl *csl, const char *text, size_t len)
{
    *csl = (struct csl){.at = text, .end = text + len};
    buf_init(&csl->text, SIZE_MAX / 4);
    csl_next(csl);
}

void csl_fini(struct csl *csl)
{
    buf_fini(&csl->text);
}

static size_t left(const struct csl *csl)
{
    return (size_t)(csl->end - csl->at);
}

static void add(struct csl *csl, const char *text, size_t len)
{
    if (buf_append(&csl->text, text, len) < 0)
        abort();
}

static bool looking_at(const struct csl *csl, const char *text)
{
    size_t len = strlen(text);

    return left(csl) >= len && memcmp(csl->at, text, len) == 0;
}

static void skip_blanks_and_comments(struct csl *csl)
{
    for (;;) {
        while (csl->at < csl->end && isspace((unsigned char)*csl->at))
            csl->at++;
        if (!looking_at(csl, "//"))
            return;
        const char *eol = memchr(csl->at, '\n', left(csl));
        csl->at = eol ? eol + 1 : csl->end;
    }
}

static void add_utf8(struct csl *csl, unsigned c)
{
    char out[4];
    size_t n = 0;

    if (c < 0x80) {
        out[n++] = (char)c;
    } else if (c < 0x800) {
        out[n++] = (char)(0xc0 | (c >> 6));
        out[n++] = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        out[n++] = (char)(0xe0 | (c >> 12));
        out[n++] = (char)(0x80 | ((c >> 6) & 0x3f));
        out[n++] = (char)(0x80 | (c & 0x3f));
    } else {
        out[n++] = (char)(0xf0 | (c >> 18));
        out[n++] = (char)(0x80 | ((c >> 12) & 0x3f));
        out[n++] = (char)(0x80 | ((c >> 6) & 0x3f));
        out[n++] = (char)(0x80 | (c & 0x3f));
    }
    add(csl, out, n);
}

static bool take_hex(struct csl *csl, size_t digits, unsigned *out)
{
    char text[9] = "";

    if (left(csl) < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (!isxdigit((unsigned char)csl->at[i]))
            return false;
        text[i] = csl->at[i];
    }
    csl->at += digits;
    *out = (unsigned)strtoul(text, NULL, 16);
    return true;
}

/* \uD83D\uDE00 is one character. */
static bool escape_utf16(struct csl *csl)
{
    unsigned high, low;

    if (!take_hex(csl, 4, &high))
        return false;
    if (high >= 0xd800 && high < 0xdc00) {
        if (!looking_at(csl, "\\u"))
            return false;
        csl->at += 2;
        if (!take_hex(csl, 4, &low) || low < 0xdc00 || low > 0xdfff)
            return false;
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    } else if (high >= 0xdc00 && high < 0xe000) {
        return false;
    }
    add_utf8(csl, high);
    return true;
}

/* After the backslash. */
static bool escape(struct csl *csl)
{
    static const char from[] = "abfnrtv\\'\"0", to[] = "\a\b\f\n\r\t\v\\'\"";
    unsigned c;

    if (csl->at == csl->end)
        return false;
    char letter = *csl->at++;
    if (letter == 'u')
        return escape_utf16(csl);
    if (letter == 'x' || letter == 'U') {
        if (!take_hex(csl, letter == 'x' ? 2 : 8, &c) || c > 0x10ffff)
            return false;
        add_utf8(csl, c);
        return true;
    }
    const char *found = letter ? strchr(from, letter) : NULL;
    if (!found)
        return false;
    add(csl, &to[found - from], 1);
    return true;
}

/* After the opening quote. */
static bool plain_string(struct csl *csl, char quote)
{
    for (;;) {
        const char *run = csl->at;
        while (csl->at < csl->end && *csl->at != quote && *csl->at != '\\' && *csl->at != '\n')
            csl->at++;
        add(csl, run, (size_t)(csl->at - run));
        if (csl->at == csl->end || *csl->at == '\n')
            return false;
        if (*csl->at++ == quote)
            return true;
        if (!escape(csl))
            return false;
    }
}

/* After @ and the opening quote: only the quote is special, doubled. */
static bool verbatim_string(struct csl *csl, char quote)
{
    for (;;) {
        const char *stop = memchr(csl->at, quote, left(csl));
        if (!stop)
            return false;
        add(csl, csl->at, (size_t)(stop - csl->at));
        csl->at = stop + 1;
        if (csl->at == csl->end || *csl->at != quote)
            return true;
        add(csl, &quote, 1);
        csl->at++;
    }
}

static bool fenced_string(struct csl *csl)
{
    const char *stop = memmem(csl->at, left(csl), "```", 3);

    if (!stop)
        return false;
    add(csl, csl->at, (size_t)(stop - csl->at));
    csl->at = stop + 3;
    return true;
}

/* True when a literal starts here; then *good says whether it also ends. */
static bool string(struct csl *csl, bool *good)
{
    const char *p = csl->at;
    bool verbatim = false;

    if (looking_at(csl, "```")) {
        csl->at += 3;
        *good = fenced_string(csl);
        return true;
    }
    if (p < csl->end && (*p == 'h' || *p == 'H'))
        p++;
    if (p < csl->end && *p == '@')
        verbatim = true, p++;
    if (p == csl->end || (*p != '\'' && *p != '"'))
        return false;
    csl->at = p + 1;
    *good = verbatim ? verbatim_string(csl, *p) : plain_string(csl, *p);
    return true;
}

/* ['name'] with blanks allowed inside the brackets. */
static bool bracketed_name(struct csl *csl, bool *good)
{
    const char *start = csl->at;
    size_t len = csl->text.len;

    csl->at++;
    skip_blanks_and_comments(csl);
    if (!string(csl, good)) {
        csl->at = start;
        csl->text.len = len;
        return false;
    }
    skip_blanks_and_comments(csl);
    if (*good && looking_at(csl, "]"))
        csl->at++;
    else
        *good = false;
    return true;
}

static void word(struct csl *csl, bool hyphens)
{
    const char *start = csl->at++;

    while (csl->at < csl->end &&
           (isalnum((unsigned char)*csl->at) || *csl->at == '_' || (hyphens && *csl->at == '-')))
        csl->at++;
    add(csl, start, (size_t)(csl->at - start));
}

static enum csl_kind next_kind(struct csl *csl)
{
    bool good = false;

    skip_blanks_and_comments(csl);
    if (csl->at == csl->end)
        return CSL_END;
    if (looking_at(csl, "<|")) {
        csl->at += 2;
        return CSL_DATA;
    }
    if (string(csl, &good))
        return good ? CSL_STRING : CSL_BAD;
    if (*csl->at == '[' && bracketed_name(csl, &good))
        return good ? CSL_NAME : CSL_BAD;
    if (isdigit((unsigned char)*csl->at)) {
        word(csl, false);
        return CSL_NUMBER;
    }
    bool command = *csl->at == '.' && left(csl) > 1 && isalpha((unsigned char)csl->at[1]);
    if (command || isalpha((unsigned char)*csl->at) || *csl->at == '_') {
        word(csl, command);
        return CSL_WORD;
    }
    csl->punct = *csl->at++;
    return CSL_PUNCT;
}

void csl_next(struct csl *csl)
{
    buf_clear(&csl->text);
    csl->punct = '\0';
    csl->kind = next_kind(csl);
}

bool csl_is_word(const struct csl *csl, const char *text)
{
    return csl->kind == CSL_WORD && strcmp(buf_text(&csl->text), text) == 0;
}

bool csl_is_punct(const struct csl *csl, char c)
{
    return csl->kind == CSL_PUNCT && csl->punct == c;
}

bool csl_accept_word(struct csl *csl, const char *text)
{
    if (!csl_is_word(csl, text))
        return false;
    csl_next(csl);
    return true;
}

bool csl_accept_punct(struct csl *csl, char c)
{
    if (!csl_is_punct(csl, c))
        return false;
    csl_next(csl);
    return true;
}

bool csl_take_name(struct csl *csl, char **out)
{
    *out = NULL;
    if (csl->kind != CSL_WORD && csl->kind != CSL_NAME)
        return false;
    *out = mem_strdup(buf_text(&csl->text));
    csl_next(csl);
    return true;
}

bool csl_take_string(struct csl *csl, char **out)
{
    struct buf joined;

    *out = NULL;
    if (csl->kind != CSL_STRING)
        return false;
    buf_init(&joined, SIZE_MAX / 4);
    for (; csl->kind == CSL_STRING; csl_next(csl))
        buf_puts(&joined, buf_text(&csl->text));
    *out = mem_strdup(buf_text(&joined));
    buf_fini(&joined);
    return true;
}

bool csl_take_name_or_string(struct csl *csl, char **out)
{
    return csl->kind == CSL_STRING ? csl_take_string(csl, out) : csl_take_name(csl, out);
}
