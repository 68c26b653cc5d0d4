#include "peerd/receive/transfer_target.h"

#include <errno.h>
#include <stdarg.h>

#include "common/http/target.h"
#include "common/segment/name.h"
#include "common/spool/origin.h"

static bool refuse(struct transfer_target *target, const char *format, ...) PRINTF(2, 3);
static bool refuse(struct transfer_target *target, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(target->why, sizeof target->why, format, args);
    va_end(args);
    target->kind = TARGET_BAD;
    return false;
}

static bool take_name(struct transfer_target *target, const char *what, const char *value, const char **name)
{
    char encoded[NAME_FILE_MAX_BYTES + 1];
    enum name_status status = name_encode(value, encoded, sizeof encoded);
    *name = value;
    return status == NAME_OK || refuse(target, "%s '%.60s': %s", what, value, name_status_text(status));
}

/* A hash in base 36, as schema_hash_text() writes it. */
static bool parse_hash(const char *text, uint64_t *hash)
{
    char again[SCHEMA_HASH_TEXT_BYTES];
    *hash = 0;
    for (const char *c = text; *c; c++) {
        int digit = *c >= '0' && *c <= '9' ? *c - '0' : *c >= 'a' && *c <= 'z' ? *c - 'a' + 10 : -1;
        if (digit < 0 || c - text >= SCHEMA_HASH_TEXT_BYTES)
            return false;
        *hash = *hash * 36 + (uint64_t)digit;
    }
    schema_hash_text(*hash, again);
    return strcmp(again, text) == 0;
}

static bool take_schema(struct transfer_target *target, const char *value)
{
    if (!value || strcmp(value, "-") == 0)
        return true;
    target->has_schema = true;
    return parse_hash(value, &target->schema_hash) ||
           refuse(target, "schema '%.60s': neither - nor the hash of a schema in base 36", value);
}

static bool take_format(struct transfer_target *target, const char *value)
{
    return segment_format_parse(value, strlen(value), &target->format) ||
           refuse(target, "format '%.60s': csv or json", value);
}

static bool take_id(struct transfer_target *target, const char *value)
{
    target->id = value;
    return transfer_word_is_valid(value, TRANSFER_ID_MAX) ||
           refuse(target, "id: 1 to %d of A-Z a-z 0-9 . _ -", TRANSFER_ID_MAX);
}

/* A file of this table must be nameable. */
static bool check_file(struct transfer_target *target)
{
    char file[NAME_FILE_MAX_BYTES + 1];
    struct segment_name name = {.has_schema = true, .schema_hash = UINT64_MAX, .format = SEGMENT_JSON};
    if (strlen(target->table) >= sizeof name.table)
        return refuse(target, "table '%.60s': too long for a file's name", target->table);
    snprintf(name.table, sizeof name.table, "%s", target->table);
    enum name_status status = segment_name_build(&name, file);
    if (status == NAME_OK && strlen(file) > ORIGIN_FILE_MAX)
        return refuse(target, "table '%.60s': too long: its files' names would be over %d bytes",
                      target->table, ORIGIN_FILE_MAX);
    return status == NAME_OK || refuse(target, "table '%.60s': %s", target->table, name_status_text(status));
}

static void take_query(struct transfer_target *target, char *query)
{
    enum { DB, TABLE, SCHEMA, FORMAT, ID, PARAMETERS };
    static const char *const names[PARAMETERS] = {
        [DB] = "db", [TABLE] = "table", [SCHEMA] = "schema", [FORMAT] = "format", [ID] = "id"};
    const char *values[PARAMETERS], *which;
    enum http_query_status status = http_query_take(query, names, PARAMETERS, true, values, &which);
    target->kind = TARGET_TRANSFER;
    if (status != HTTP_QUERY_OK) {
        refuse(target, "parameter '%.60s': %s", which,
               status == HTTP_QUERY_TWICE ? "given twice" : "has no percent-encoded value");
        return;
    }
    for (size_t i = 0; i < PARAMETERS; i++)
        if (!values[i] && i != SCHEMA) {
            refuse(target, "parameter '%s': missing", names[i]);
            return;
        }
    (void)(take_name(target, "db", values[DB], &target->db) &&
           take_name(target, "table", values[TABLE], &target->table) && take_schema(target, values[SCHEMA]) &&
           take_format(target, values[FORMAT]) && take_id(target, values[ID]) && check_file(target));
}

int transfer_target_init(struct transfer_target *target, const char *text)
{
    static const struct {
        const char *path;
        enum transfer_kind kind;
    } fixed[] = {{"/peer/state", TARGET_STATE},
                 {"/healthz", TARGET_HEALTHZ},
                 {"/readyz", TARGET_READYZ},
                 {"/metrics", TARGET_METRICS}};
    *target = (struct transfer_target){.storage = strdup(text)};
    char *path = target->storage;
    if (!path)
        return -ENOMEM;
    char *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        if (strcmp(path, fixed[i].path) == 0)
            target->kind = fixed[i].kind;
    if (strcmp(path, "/transfer") == 0)
        take_query(target, query);
    return 0;
}

void transfer_target_fini(struct transfer_target *target)
{
    free(target->storage);
    target->storage = NULL;
}
