#include "common/segment/name.h"

#include <stdio.h>
#include <string.h>

#include "common/segment/flake.h"

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* What stands for itself in a file name. */
static bool is_plain(unsigned char c)
{
    return is_alnum(c) || c == '_' || c == '-';
}

enum name_status name_check(const char *name, size_t bytes)
{
    if (bytes == 0)
        return NAME_EMPTY;
    if (bytes > NAME_MAX_BYTES)
        return NAME_TOO_LONG;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)name[i];
        if (!is_plain(c) && c != '.' && c != ' ')
            return NAME_BAD_BYTE;
    }
    return NAME_OK;
}

enum name_status name_encode(const char *name, char *out, size_t out_cap)
{
    size_t bytes = strnlen(name, NAME_MAX_BYTES + 1), used = 0;
    enum name_status status = name_check(name, bytes);

    if (status != NAME_OK)
        return status;
    if (out_cap > NAME_FILE_MAX_BYTES + 1)
        out_cap = NAME_FILE_MAX_BYTES + 1;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)name[i];
        size_t width = is_plain(c) ? 1 : 3;
        if (used + width >= out_cap)
            return NAME_FILE_TOO_LONG;
        if (width == 1) {
            out[used] = (char)c;
        } else {
            out[used] = '%';
            out[used + 1] = "0123456789ABCDEF"[c >> 4];
            out[used + 2] = "0123456789ABCDEF"[c & 15];
        }
        used += width;
    }
    out[used] = '\0';
    return NAME_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum name_status name_decode(const char *text, size_t bytes, char *out, size_t out_cap)
{
    size_t used = 0;

    if (bytes > NAME_FILE_MAX_BYTES)
        return NAME_FILE_TOO_LONG;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (used + 1 >= out_cap)
            return NAME_FILE_TOO_LONG;
        if (c == '%') {
            int high = i + 2 < bytes ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < bytes ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return NAME_BAD_ENCODING;
            c = (unsigned char)(high << 4 | low);
            if (is_plain(c))
                return NAME_BAD_ENCODING;
            i += 2;
        } else if (!is_plain(c)) {
            return NAME_BAD_ENCODING;
        }
        out[used++] = (char)c;
    }
    enum name_status status = name_check(out, used);
    if (status == NAME_OK)
        out[used] = '\0';
    return status;
}

enum name_status segment_name_build(const struct segment_name *name, char out[NAME_FILE_MAX_BYTES + 1])
{
    char table[NAME_FILE_MAX_BYTES + 1], schema[SCHEMA_HASH_TEXT_BYTES] = "-", id[FLAKE_TEXT_BYTES + 1];
    enum name_status status = name_encode(name->table, table, sizeof(table));

    if (status != NAME_OK)
        return status;
    if (name->has_schema)
        schema_hash_text(name->schema_hash, schema);
    flake_print(name->id, id);
    int n = snprintf(out, NAME_FILE_MAX_BYTES + 1, "%s,%s,%s.%s.gz", table, schema, id,
                     segment_format_name(name->format));
    return n > NAME_FILE_MAX_BYTES ? NAME_FILE_TOO_LONG : NAME_OK;
}

/* Base 36 as schema_hash_text() writes it: no leading zero, and no more than 64 bits. */
static bool parse_hash(const char *text, size_t bytes, uint64_t *hash)
{
    uint64_t value = 0;

    if (bytes == 0 || bytes >= SCHEMA_HASH_TEXT_BYTES || (text[0] == '0' && bytes > 1))
        return false;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        uint64_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'z')
            digit = (uint64_t)(c - 'a' + 10);
        else
            return false;
        if (__builtin_mul_overflow(value, UINT64_C(36), &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *hash = value;
    return true;
}

/* Cut .csv.gz or .json.gz off; the bytes before it are left in *bytes. */
static bool parse_suffix(const char *file, size_t *bytes, enum segment_format *format)
{
    static const enum segment_format formats[] = {SEGMENT_CSV, SEGMENT_JSON};

    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        char suffix[16];
        size_t n = (size_t)snprintf(suffix, sizeof(suffix), ".%s.gz", segment_format_name(formats[i]));
        if (*bytes >= n && memcmp(file + *bytes - n, suffix, n) == 0) {
            *bytes -= n;
            *format = formats[i];
            return true;
        }
    }
    return false;
}

enum name_status segment_name_parse(const char *file, struct segment_name *name)
{
    size_t bytes = strnlen(file, NAME_FILE_MAX_BYTES + 1);

    if (bytes > NAME_FILE_MAX_BYTES)
        return NAME_FILE_TOO_LONG;
    if (!parse_suffix(file, &bytes, &name->format))
        return NAME_BAD_SUFFIX;
    const char *schema = memchr(file, ',', bytes);
    if (!schema)
        return NAME_BAD_SHAPE;
    schema++;
    const char *id = memchr(schema, ',', bytes - (size_t)(schema - file));
    if (!id)
        return NAME_BAD_SHAPE;
    id++;

    size_t schema_bytes = (size_t)(id - schema) - 1;
    name->has_schema = !(schema_bytes == 1 && schema[0] == '-');
    name->schema_hash = 0;
    if (name->has_schema && !parse_hash(schema, schema_bytes, &name->schema_hash))
        return NAME_BAD_SCHEMA;
    if (!flake_parse(id, bytes - (size_t)(id - file), &name->id))
        return NAME_BAD_ID;
    return name_decode(file, (size_t)(schema - file) - 1, name->table, sizeof(name->table));
}

const char *name_status_text(enum name_status status)
{
    static const char *const texts[] = {
        [NAME_OK] = "valid",
        [NAME_EMPTY] = "empty",
        [NAME_TOO_LONG] = "longer than 1024 bytes",
        [NAME_BAD_BYTE] = "a byte outside letters, digits, '_', '-', '.' and space",
        [NAME_FILE_TOO_LONG] = "longer than 255 bytes as a file name",
        [NAME_BAD_ENCODING] = "not encoded as we write it (%XX in upper case, for all outside A-Za-z0-9_-)",
        [NAME_BAD_SUFFIX] = "does not end in .csv.gz or .json.gz",
        [NAME_BAD_SHAPE] = "not <Table>,<schema>,<id>.<format>.gz",
        [NAME_BAD_SCHEMA] = "the schema part is neither - nor a hash in base 36",
        [NAME_BAD_ID] = "the id part is not 16 lower-case hexadecimal digits",
    };
    return texts[status];
}
