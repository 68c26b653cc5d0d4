#include "common/cli/row_json.h"

#include <ctype.h>

#include "common/cli/jsonline.h"

/* The field at `at`, without its quotes, into json->field (RFC 4180, as common/segment/rows.h reads it).
 * Returns where it ends: at a comma, a newline, or `end`. */
static const char *take_field(struct row_json *json, const char *at, const char *end, int *rc)
{
    buf_clear(&json->field);
    bool is_quoted = at < end && *at == '"';
    at += is_quoted;
    while (at < end && *rc == 0) {
        if (is_quoted && *at == '"') {
            is_quoted = at + 1 < end && at[1] == '"';
            at++;
            if (!is_quoted)
                continue;
        } else if (!is_quoted && (*at == ',' || *at == '\n')) {
            break;
        }
        *rc = buf_put(&json->field, at++, 1);
    }
    if (at < end && *at == '\n' && json->field.len && json->field.data[json->field.len - 1] == '\r')
        json->field.data[--json->field.len] = '\0';
    return at;
}

/* Behind one digit or more; NULL when there is none. */
static const char *skip_digits(const char *text)
{
    if (!isdigit((unsigned char)*text))
        return NULL;
    while (isdigit((unsigned char)*text))
        text++;
    return text;
}

/* RFC 8259, section 6. */
static bool is_json_number(const char *text)
{
    text += *text == '-';
    if (text[0] == '0' && isdigit((unsigned char)text[1]))
        return false;
    text = skip_digits(text);
    if (text && *text == '.')
        text = skip_digits(text + 1);
    if (text && (*text == 'e' || *text == 'E'))
        text = skip_digits(text + (text[1] == '+' || text[1] == '-' ? 2 : 1));
    return text && !*text;
}

static bool is_bare(enum schema_type type, const char *text)
{
    switch (type) {
    case SCHEMA_INT:
    case SCHEMA_LONG:
    case SCHEMA_REAL:
        return is_json_number(text);
    case SCHEMA_BOOL:
        return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
    case SCHEMA_DATETIME:
    case SCHEMA_DECIMAL:
    case SCHEMA_DYNAMIC:
    case SCHEMA_GUID:
    case SCHEMA_STRING:
    case SCHEMA_TIMESPAN:
    case SCHEMA_TYPES:
        break;
    }
    return false;
}

static void print_field(struct row_json *json, struct jsonline *line, size_t number)
{
    char name[32];
    const char *text = json->field.len ? json->field.data : "";
    if (!json->schema || number >= json->schema->count) {
        snprintf(name, sizeof name, "c%zu", number + 1);
        jsonline_text(line, name, text);
        return;
    }
    const struct schema_column *column = &json->schema->columns[number];
    if (!*text && column->type != SCHEMA_STRING)
        jsonline_raw(line, column->name, "null");
    else if (is_bare(column->type, text))
        jsonline_raw(line, column->name, text);
    else
        jsonline_text(line, column->name, text);
}

int row_json_print(struct row_json *json, const char *rows, size_t bytes)
{
    const char *end = rows + bytes;
    int rc = 0;
    if (json->format == SEGMENT_JSON) {
        fwrite(rows, 1, bytes, stdout);
        return 0;
    }
    while (rows < end && rc == 0) {
        struct jsonline line;
        jsonline_begin(&line);
        for (size_t number = 0;; number++, rows++) {
            rows = take_field(json, rows, end, &rc);
            print_field(json, &line, number);
            if (rc || rows == end || *rows == '\n')
                break;
        }
        jsonline_end(&line);
        rows += rows < end;
    }
    return rc;
}
