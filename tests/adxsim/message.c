#include "tests/adxsim/message.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <strings.h>

#include "tests/adxsim/base64.h"

enum { TEXT_MAX = 64 << 10 };

static bool is_guid(const char *text)
{
    if (strlen(text) != 36)
        return false;
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

static int malformed(const char *name, const char *wanted, struct sim_error *error)
{
    return error_set(error, ERROR_PROPERTY, "Property '%s' is not %s", name, wanted);
}

static const json_t *get(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_null(value) ? NULL : value;
}

static int take_text(const json_t *object, const char *name, const char **out, struct sim_error *error)
{
    const json_t *value = get(object, name);

    *out = json_string_value(value);
    return value && !*out ? malformed(name, "a string", error) : 0;
}

static int take_bool(const json_t *object, const char *name, bool *out, struct sim_error *error)
{
    const json_t *value = get(object, name);

    *out = json_is_true(value);
    return value && !json_is_boolean(value) ? malformed(name, "a boolean", error) : 0;
}

static int take_integer(const json_t *object, const char *name, long long fallback, long long max,
                        long long *out, struct sim_error *error)
{
    const json_t *value = get(object, name);

    *out = value ? json_integer_value(value) : fallback;
    if (value && (!json_is_integer(value) || *out < 0 || *out > max))
        return malformed(name, "an integer in its range", error);
    return 0;
}

/* SDKs write true or "true". */
static int take_flag(const json_t *object, const char *name, bool *out, struct sim_error *error)
{
    const json_t *value = get(object, name);
    const char *text = json_string_value(value);

    if (!text)
        return take_bool(object, name, out, error);
    *out = strcasecmp(text, "true") == 0;
    return *out || strcasecmp(text, "false") == 0 ? 0 : malformed(name, "true or false", error);
}

/* Keys in upper or lower case: SDKs differ. */
static const char *get_any_case(const json_t *object, const char *name)
{
    json_t *value, *copy = (json_t *)(uintptr_t)object;
    const char *key;

    json_object_foreach (copy, key, value)
        if (strcasecmp(key, name) == 0)
            return json_string_value(value);
    return NULL;
}

static int take_status(struct message *m, struct sim_error *error)
{
    static const char name[] = "IngestionStatusInTable";
    const json_t *status = get(m->json, name);

    if (!status && (m->report_method == REPORT_TO_TABLE || m->report_method == REPORT_TO_BOTH))
        return malformed(name, "there, though ReportMethod asks for the table", error);
    if (!status)
        return 0;
    m->status_url = get_any_case(status, "TableConnectionString");
    m->status_partition = get_any_case(status, "PartitionKey");
    m->status_row = get_any_case(status, "RowKey");
    return m->status_url && m->status_partition && m->status_row ? 0 : malformed(name, "complete", error);
}

static int take_fields(struct message *m, struct sim_error *error)
{
    long long level, method;
    bool ignored;
    int rc;

    if ((rc = take_integer(m->json, "RawDataSize", -1, 1LL << 50, &m->raw_size, error)) < 0 ||
        (rc = take_bool(m->json, "RetainBlobOnSuccess", &m->retain_blob, error)) < 0 ||
        (rc = take_bool(m->json, "FlushImmediately", &m->flush_immediately, error)) < 0 ||
        (rc = take_bool(m->json, "IgnoreSizeLimit", &ignored, error)) < 0 ||
        (rc = take_integer(m->json, "ReportLevel", REPORT_FAILURES, REPORT_ALL, &level, error)) < 0 ||
        (rc = take_integer(m->json, "ReportMethod", REPORT_TO_QUEUE, REPORT_TO_MONITORING, &method, error)) <
            0)
        return rc;
    m->report_level = (enum report_level)level;
    m->report_method = (enum report_method)method;
    return take_status(m, error);
}

static int take_properties(struct message *m, struct sim_error *error)
{
    const json_t *more = get(m->json, "AdditionalProperties");
    const struct {
        const char *name;
        const char **out;
    } texts[] = {
        {"authorizationContext", &m->identity},          {"format", &m->format},
        {"ingestionMappingReference", &m->mapping_name}, {"ingestionMapping", &m->mapping_json},
        {"ingestionMappingType", &m->mapping_type},      {"tags", &m->tags},
        {"ingestIfNotExists", &m->if_not_exists},
    };

    if (!json_is_object(more))
        return malformed("AdditionalProperties", "an object", error);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (take_text(more, texts[i].name, texts[i].out, error) < 0)
            return -EPROTO;
    return take_flag(more, "ignoreFirstRecord", &m->skip_first, error);
}

static int decode(const char *text, struct message *m, struct sim_error *error)
{
    struct buf plain;
    json_error_t bad;

    buf_init(&plain, TEXT_MAX);
    int rc = base64_decode(text, strlen(text), &plain);
    if (rc == 0)
        m->json = json_loadb(buf_text(&plain), plain.len, 0, &bad);
    buf_fini(&plain);
    if (rc < 0)
        return error_set(error, ERROR_CORRUPTED_MESSAGE, "The message is not padded standard base64");
    if (!json_is_object(m->json))
        return error_set(error, ERROR_CORRUPTED_MESSAGE, "The message is not a JSON object: %s",
                         m->json ? "another value" : bad.text);
    return 0;
}

int message_parse(const char *text, struct message *m, struct sim_error *error)
{
    const char *id;

    *m = (struct message){.raw_size = -1};
    if (decode(text, m, error) < 0)
        return -EPROTO;
    id = json_string_value(get(m->json, "Id"));
    m->id = id && is_guid(id) ? id : NULL;
    m->blob_path = json_string_value(get(m->json, "BlobPath"));
    m->database = json_string_value(get(m->json, "DatabaseName"));
    m->table = json_string_value(get(m->json, "TableName"));
    if (!m->id || !m->blob_path || !m->database || !*m->database || !m->table || !*m->table)
        return error_set(error, ERROR_CORRUPTED_MESSAGE,
                         "Id (a guid), BlobPath, DatabaseName or TableName is missing");
    if (take_fields(m, error) < 0)
        return -EPROTO;
    return take_properties(m, error);
}

void message_fini(struct message *message)
{
    json_decref(message->json);
    *message = (struct message){0};
}

int message_path_length(const struct message *message)
{
    return (int)strcspn(message->blob_path, "?");
}
