#include "common/segment/schema.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* the struct of the state, for the stack */
#include <xxhash.h>

#include "common/segment/name.h"

#define TYPES_TEXT "bool, datetime, decimal, dynamic, guid, int, long, real, string, timespan"

static const char *const type_names[SCHEMA_TYPES] = {
    "bool", "datetime", "decimal", "dynamic", "guid", "int", "long", "real", "string", "timespan",
};

const char *schema_type_name(enum schema_type type)
{
    return type_names[type];
}

static bool find_type(const char *text, size_t bytes, enum schema_type *type)
{
    for (size_t i = 0; i < SCHEMA_TYPES; i++) {
        if (strlen(type_names[i]) == bytes && memcmp(type_names[i], text, bytes) == 0) {
            *type = (enum schema_type)i;
            return true;
        }
    }
    return false;
}

/* Print to error if the caller wants it. */
#define REFUSE(error, ...) ((error) ? (void)snprintf((error), SCHEMA_ERROR_BYTES, __VA_ARGS__) : (void)0)

static void trim(const char **text, size_t *bytes)
{
    while (*bytes > 0 && ((*text)[0] == ' ' || (*text)[0] == '\t'))
        (*text)++, (*bytes)--;
    while (*bytes > 0 && ((*text)[*bytes - 1] == ' ' || (*text)[*bytes - 1] == '\t'))
        (*bytes)--;
}

/* One 'Col:type' of `bytes` into column; its name goes to *storage, which is moved on. */
static int parse_column(const char *text, size_t bytes, size_t number, struct schema_column *column,
                        char **storage, char *error)
{
    const char *colon = memchr(text, ':', bytes);

    if (!colon) {
        REFUSE(error, "column %zu: '%.*s' is not Col:type", number, (int)(bytes < 100 ? bytes : 100), text);
        return -EINVAL;
    }
    const char *name = text, *type = colon + 1;
    size_t name_bytes = (size_t)(colon - text), type_bytes = bytes - name_bytes - 1;
    trim(&name, &name_bytes);
    trim(&type, &type_bytes);
    int shown = (int)(name_bytes < 60 ? name_bytes : 60);
    enum name_status status = name_check(name, name_bytes);
    if (status != NAME_OK) {
        REFUSE(error, "column %zu: name '%.*s': %s", number, shown, name, name_status_text(status));
        return status == NAME_TOO_LONG ? -E2BIG : -EINVAL;
    }
    if (!find_type(type, type_bytes, &column->type)) {
        REFUSE(error, "column %zu ('%.*s'): unknown type '%.*s'; accepted: " TYPES_TEXT, number, shown, name,
               (int)(type_bytes < 40 ? type_bytes : 40), type);
        return -EINVAL;
    }
    memcpy(*storage, name, name_bytes);
    (*storage)[name_bytes] = '\0';
    column->name = *storage;
    *storage += name_bytes + 1;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int refuse_duplicates(const struct schema *schema, char *error)
{
    const char **names = calloc(schema->count, sizeof(*names));
    int rc = 0;

    if (!names) {
        REFUSE(error, "out of memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < schema->count; i++)
        names[i] = schema->columns[i].name;
    qsort(names, schema->count, sizeof(*names), compare_names);
    for (size_t i = 1; i < schema->count && rc == 0; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            REFUSE(error, "column '%.60s' is there twice", names[i]);
            rc = -EINVAL;
        }
    }
    free(names);
    return rc;
}

static size_t count_columns(const char *text, size_t bytes)
{
    size_t count = 1;

    for (size_t i = 0; i < bytes; i++)
        count += text[i] == ',';
    return count;
}

int schema_parse(const char *text, struct schema *schema, char *error)
{
    size_t bytes = strnlen(text, SCHEMA_TEXT_MAX + 1);

    *schema = (struct schema){0};
    if (bytes > SCHEMA_TEXT_MAX) {
        REFUSE(error, "the schema is longer than %d bytes", SCHEMA_TEXT_MAX);
        return -E2BIG;
    }
    trim(&text, &bytes);
    static const char forgiven[] = "\n,";
    for (size_t i = 0; forgiven[i] != '\0'; i++) {
        if (bytes > 0 && text[bytes - 1] == forgiven[i])
            bytes--;
        trim(&text, &bytes);
    }
    if (bytes == 0) {
        REFUSE(error, "the schema is empty; wanted: Col:type,... with types " TYPES_TEXT);
        return -EINVAL;
    }
    schema->count = count_columns(text, bytes);
    if (schema->count > SCHEMA_COLUMNS_MAX) {
        REFUSE(error, "the schema has %zu columns; at most %d are possible", schema->count,
               SCHEMA_COLUMNS_MAX);
        return -E2BIG;
    }
    schema->columns = calloc(schema->count, sizeof(*schema->columns));
    schema->storage = malloc(bytes + 1);
    int rc = schema->columns && schema->storage ? 0 : -ENOMEM;
    if (rc != 0)
        REFUSE(error, "out of memory");
    char *storage = schema->storage;
    const char *end = text + bytes;
    for (size_t i = 0; i < schema->count && rc == 0; i++) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma ? comma : end;
        rc = parse_column(text, (size_t)(stop - text), i + 1, &schema->columns[i], &storage, error);
        text = stop + 1;
    }
    if (rc == 0)
        rc = refuse_duplicates(schema, error);
    if (rc != 0)
        schema_fini(schema);
    return rc;
}

void schema_fini(struct schema *schema)
{
    free(schema->columns);
    free(schema->storage);
    *schema = (struct schema){0};
}

int schema_print(const struct schema *schema, char *out, size_t out_cap, size_t *out_bytes)
{
    size_t used = 0;

    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_column *column = &schema->columns[i];
        int n = snprintf(out + used, out_cap - used, "%s%s:%s", i > 0 ? "," : "", column->name,
                         schema_type_name(column->type));
        if (n < 0 || (size_t)n >= out_cap - used)
            return -ENOBUFS;
        used += (size_t)n;
    }
    *out_bytes = used;
    return 0;
}

uint64_t schema_hash(const struct schema *schema)
{
    XXH64_state_t state;

    XXH64_reset(&state, 0);
    for (size_t i = 0; i < schema->count; i++) {
        const char *type = schema_type_name(schema->columns[i].type);
        XXH64_update(&state, schema->columns[i].name, strlen(schema->columns[i].name));
        XXH64_update(&state, type, strlen(type));
    }
    return XXH64_digest(&state);
}

void schema_hash_text(uint64_t hash, char out[SCHEMA_HASH_TEXT_BYTES])
{
    char digits[SCHEMA_HASH_TEXT_BYTES];
    size_t n = 0;

    do {
        digits[n++] = "0123456789abcdefghijklmnopqrstuvwxyz"[hash % 36];
        hash /= 36;
    } while (hash > 0);
    for (size_t i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    out[n] = '\0';
}
