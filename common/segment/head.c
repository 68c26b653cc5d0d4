#include "common/segment/head.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "common/segment/flake.h"
#include "common/segment/schema.h"

static enum segment_head_status check_schema(const char *text)
{
    struct schema schema;

    if (*text == '\0')
        return SEGMENT_HEAD_OK;
    if (schema_parse(text, &schema, NULL) != 0)
        return SEGMENT_HEAD_BAD_SCHEMA;
    schema_fini(&schema);
    return SEGMENT_HEAD_OK;
}

/* What holds for a head in either direction. */
static enum segment_head_status check_texts(const struct segment_head *head)
{
    if (name_check(head->db, strnlen(head->db, NAME_MAX_BYTES + 1)) != NAME_OK)
        return SEGMENT_HEAD_BAD_DB;
    if (name_check(head->table, strnlen(head->table, NAME_MAX_BYTES + 1)) != NAME_OK)
        return SEGMENT_HEAD_BAD_TABLE;
    if (strnlen(head->instance, SEGMENT_INSTANCE_MAX + 1) > SEGMENT_INSTANCE_MAX)
        return SEGMENT_HEAD_BAD_INSTANCE;
    return check_schema(head->schema);
}

enum segment_head_status segment_head_write(const struct segment_head *head, char *out, size_t out_cap,
                                            size_t *out_bytes)
{
    char id[FLAKE_TEXT_BYTES + 1];
    enum segment_head_status status = check_texts(head);

    if (status != SEGMENT_HEAD_OK)
        return status;
    flake_print(head->id, id);
    json_t *json = json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:s}", "v", SEGMENT_HEAD_VERSION, "db", head->db,
                             "table", head->table, "format", segment_format_name(head->format), "schema",
                             head->schema, "id", id, "instance", head->instance);
    if (!json) { /* all the rest is ASCII by now, so it is the instance, or the memory */
        json_t *instance = json_string(head->instance);
        bool is_text = instance != NULL;
        json_decref(instance);
        return is_text ? SEGMENT_HEAD_NOMEM : SEGMENT_HEAD_BAD_INSTANCE;
    }
    size_t n = json_dumpb(json, out, out_cap, JSON_COMPACT);
    json_decref(json);
    if (n == 0)
        return SEGMENT_HEAD_NOMEM;
    if (n > out_cap || n > MEMBER_HEAD_JSON_MAX)
        return SEGMENT_HEAD_TOO_LARGE;
    *out_bytes = n;
    return SEGMENT_HEAD_OK;
}

static enum segment_head_status check_version(const json_t *json)
{
    const json_t *version = json_object_get(json, "v");

    if (!json_is_integer(version))
        return SEGMENT_HEAD_BAD_VERSION;
    return json_integer_value(version) == SEGMENT_HEAD_VERSION ? SEGMENT_HEAD_OK : SEGMENT_HEAD_OTHER_VERSION;
}

/* "" if the key is absent, which no check of a name lets through; schema and instance may be. */
static const char *get_text(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text ? text : "";
}

static bool is_text_or_absent(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    return !value || json_is_string(value);
}

static enum segment_head_status read_fields(const json_t *json, struct segment_head *head)
{
    const char *format = get_text(json, "format"), *id = get_text(json, "id");

    *head = (struct segment_head){
        .db = get_text(json, "db"),
        .table = get_text(json, "table"),
        .schema = get_text(json, "schema"),
        .instance = get_text(json, "instance"),
    };
    if (!is_text_or_absent(json, "schema"))
        return SEGMENT_HEAD_BAD_SCHEMA;
    if (!is_text_or_absent(json, "instance"))
        return SEGMENT_HEAD_BAD_INSTANCE;
    if (!segment_format_parse(format, strlen(format), &head->format))
        return SEGMENT_HEAD_BAD_FORMAT;
    if (!flake_parse(id, strlen(id), &head->id))
        return SEGMENT_HEAD_BAD_ID;
    return check_texts(head);
}

enum segment_head_status segment_head_read(const char *json_text, size_t json_bytes,
                                           struct segment_head *head)
{
    enum segment_head_status status;

    *head = (struct segment_head){0};
    if (json_bytes > MEMBER_HEAD_JSON_MAX)
        return SEGMENT_HEAD_TOO_LARGE;
    /* Jansson refuses what is not UTF-8, NUL inside strings, and nesting over 2048. */
    json_t *json = json_loadb(json_text, json_bytes, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return SEGMENT_HEAD_NOT_JSON;
    }
    status = check_version(json);
    if (status == SEGMENT_HEAD_OK)
        status = read_fields(json, head);
    head->storage = json;
    if (status != SEGMENT_HEAD_OK)
        segment_head_fini(head);
    return status;
}

void segment_head_fini(struct segment_head *head)
{
    json_decref(head->storage);
    *head = (struct segment_head){0};
}

const char *segment_head_status_text(enum segment_head_status status)
{
    static const char *const texts[] = {
        [SEGMENT_HEAD_OK] = "valid",
        [SEGMENT_HEAD_NOMEM] = "out of memory",
        [SEGMENT_HEAD_TOO_LARGE] = "the head is larger than a gzip header can hold",
        [SEGMENT_HEAD_NOT_JSON] = "the head is not one JSON object",
        [SEGMENT_HEAD_OTHER_VERSION] = "the head has another version than 1: written by a newer spillway?",
        [SEGMENT_HEAD_BAD_VERSION] = "the head has no version (\"v\")",
        [SEGMENT_HEAD_BAD_DB] = "\"db\" is not a valid ADX name",
        [SEGMENT_HEAD_BAD_TABLE] = "\"table\" is not a valid ADX name",
        [SEGMENT_HEAD_BAD_FORMAT] = "\"format\" is neither csv nor json",
        [SEGMENT_HEAD_BAD_SCHEMA] = "\"schema\" is neither empty nor Col:type,...",
        [SEGMENT_HEAD_BAD_ID] = "\"id\" is not 16 lower-case hexadecimal digits",
        [SEGMENT_HEAD_BAD_INSTANCE] = "\"instance\" is not a text of at most 255 bytes",
    };
    return texts[status];
}
