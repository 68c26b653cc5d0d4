#include "common/cli/jsonline.h"

#include <inttypes.h>
#include <stddef.h>

/* Length of the UTF-8 character at `text`, 0 when there is none. Overlong forms and surrogates are none. */
static size_t character_bytes(const unsigned char *text)
{
    unsigned char lead = text[0];
    if (lead < 0x80)
        return 1;
    size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    for (size_t i = 1; i < bytes; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] > 0x9f) ||
        (lead == 0xf0 && text[1] < 0x90) || (lead == 0xf4 && text[1] > 0x8f))
        return 0;
    return bytes;
}

static void put_text(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    putchar_unlocked('"');
    while (*at) {
        size_t bytes = character_bytes(at);
        if (bytes == 0) {
            fputs_unlocked("\\ufffd", stdout);
            bytes = 1;
        } else if (*at < 0x20) {
            printf("\\u%04x", *at);
        } else {
            if (*at == '"' || *at == '\\')
                putchar_unlocked('\\');
            fwrite_unlocked(at, 1, bytes, stdout);
        }
        at += bytes;
    }
    putchar_unlocked('"');
}

static void put_key(struct jsonline *line, const char *key)
{
    putchar_unlocked(line->has_keys ? ',' : '{');
    putchar_unlocked('"');
    fputs_unlocked(key, stdout);
    fputs_unlocked("\":", stdout);
    line->has_keys = true;
}

void jsonline_begin(struct jsonline *line)
{
    line->has_keys = false;
}

void jsonline_text(struct jsonline *line, const char *key, const char *value)
{
    put_key(line, key);
    put_text(value);
}

void jsonline_number(struct jsonline *line, const char *key, int64_t value)
{
    put_key(line, key);
    printf("%" PRId64, value);
}

void jsonline_bool(struct jsonline *line, const char *key, bool value)
{
    put_key(line, key);
    fputs_unlocked(value ? "true" : "false", stdout);
}

void jsonline_raw(struct jsonline *line, const char *key, const char *json)
{
    put_key(line, key);
    fputs_unlocked(json, stdout);
}

void jsonline_end(struct jsonline *line)
{
    fputs_unlocked(line->has_keys ? "}\n" : "{}\n", stdout);
}
