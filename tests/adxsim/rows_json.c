/* JSON records into rows. */
#include "tests/adxsim/rows.h"

#include <errno.h>
#include <jansson.h>

/* A step of a path, "a" of ".a" or "['a']", or the 3 of "[3]"; *path moves past it. NULL: no such element. */
static const json_t *step(const json_t *at, const char **path)
{
    const char *p = *path, *end;
    char key[1024];

    if (*p == '.') {
        p++;
        end = p + strcspn(p, ".[");
    } else if (p[0] == '[' && (p[1] == '\'' || p[1] == '"')) {
        end = strchr(p + 2, p[1]);
        p += 2;
        if (!end || end[1] != ']')
            return NULL;
    } else if (*p == '[') {
        size_t index = (size_t)strtoul(p + 1, (char **)(uintptr_t)&end, 10);
        if (*end != ']')
            return NULL;
        *path = end + 1;
        return json_array_get(at, index);
    } else {
        return NULL;
    }
    size_t len = (size_t)(end - p);
    if (len >= sizeof key)
        return NULL;
    memcpy(key, p, len);
    key[len] = '\0';
    *path = *end == '\'' || *end == '"' ? end + 2 : end;
    return json_object_get(at, key);
}

static const json_t *follow(const json_t *record, const char *path)
{
    const json_t *at = record;

    path++; /* the $ */
    while (at && *path)
        at = step(at, &path);
    return at;
}

static void set_from_json(struct rows *rows, size_t column, const json_t *value)
{
    bool dynamic = rows->table->columns[column].type == TYPE_DYNAMIC;

    if (!value || json_is_null(value)) {
        rows_set(rows, column, NULL, 0);
    } else if (json_is_string(value) && !dynamic) {
        rows_set(rows, column, json_string_value(value), json_string_length(value));
    } else {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(17));
        rows_set_copy(rows, column, text, text ? strlen(text) : 0);
        free(text);
    }
}

static int json_row(struct rows *rows, const json_t *record)
{
    for (size_t i = 0; i < rows->mapping->nsources; i++) {
        const struct source *source = &rows->mapping->sources[i];
        if (source->kind == SOURCE_CONST)
            rows_set(rows, i, source->text, strlen(source->text));
        else
            set_from_json(rows, i, source->kind == SOURCE_PATH ? follow(record, source->text) : NULL);
    }
    return rows_end_row(rows);
}

static int bad_json(struct sim_error *error, const struct rows *rows, const char *cause)
{
    return error_set(error, ERROR_WRONG_FORMAT, "JSON record %lld: %s", (long long)rows->count + 1, cause);
}

static bool is_blank(const char *text, size_t len)
{
    return strspn(text, " \t\r") >= len;
}

int rows_read_json_lines(struct rows *rows, const char *data, size_t len, struct sim_error *error)
{
    const char *at = data, *end = data + len;
    int rc = 0;

    while (at < end && rc == 0) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((eol ? eol : end) - at);
        json_error_t bad;
        if (!is_blank(at, n)) {
            json_t *record = json_loadb(at, n, JSON_ALLOW_NUL, &bad);
            if (!record)
                rc = bad_json(error, rows, bad.text);
            else if (!json_is_object(record))
                rc = bad_json(error, rows, "not an object");
            else
                rc = json_row(rows, record);
            json_decref(record);
        }
        at += n + 1;
    }
    return rc;
}

static int multijson_value(struct rows *rows, const json_t *value, struct sim_error *error)
{
    int rc = 0;

    if (json_is_object(value))
        return json_row(rows, value);
    if (!json_is_array(value))
        return bad_json(error, rows, "neither an object nor an array");
    for (size_t i = 0; i < json_array_size(value) && rc == 0; i++)
        rc = json_is_object(json_array_get(value, i)) ? json_row(rows, json_array_get(value, i))
                                                      : bad_json(error, rows, "not an object");
    return rc;
}

int rows_read_multijson(struct rows *rows, const char *data, size_t len, struct sim_error *error)
{
    const char *at = data, *end = data + len;
    int rc = 0;

    while (rc == 0) {
        json_error_t bad;
        while (at < end && strchr(" \t\r\n,", *at))
            at++;
        if (at >= end)
            break;
        json_t *value = json_loadb(at, (size_t)(end - at), JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK, &bad);
        rc = value ? multijson_value(rows, value, error) : bad_json(error, rows, bad.text);
        json_decref(value);
        at += bad.position;
    }
    return rc;
}
