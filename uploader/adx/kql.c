#include "uploader/adx/kql.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>

static int put_escaped(struct buf *out, const char *text)
{
    static const struct {
        char plain;
        const char *escaped;
    } escapes[] = {{'\'', "\\'"}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}};
    int rc = 0;

    for (; *text && rc == 0; text++) {
        const char *escaped = NULL;
        for (size_t i = 0; i < ARRAY_LEN(escapes); i++)
            if (escapes[i].plain == *text)
                escaped = escapes[i].escaped;
        rc = escaped ? buf_puts(out, escaped) : buf_put(out, text, 1);
    }
    return rc;
}

static int put_quoted(struct buf *out, const char *before, const char *text, const char *after)
{
    int rc = buf_puts(out, before);
    if (rc == 0)
        rc = put_escaped(out, text);
    return rc ? rc : buf_puts(out, after);
}

int kql_put_name(struct buf *out, const char *name)
{
    return put_quoted(out, "['", name, "']");
}

int kql_put_string(struct buf *out, const char *text)
{
    return put_quoted(out, "'", text, "'");
}

void kql_mapping_name(const char *table, const struct schema *schema,
                      char name[static KQL_MAPPING_NAME_BYTES])
{
    char plain[NAME_FILE_MAX_BYTES + 1];
    size_t len = 0;

    for (; *table && len < NAME_FILE_MAX_BYTES; table++)
        if (isalnum((unsigned char)*table) || *table == '_')
            plain[len++] = *table;
    plain[len] = '\0';
    snprintf(name, KQL_MAPPING_NAME_BYTES, "%s_%" PRIu64, plain, schema_hash(schema));
}

int kql_create_table(struct buf *out, const char *table, const struct schema *schema)
{
    int rc = put_quoted(out, ".create-merge table ['", table, "'] (");

    for (size_t i = 0; rc == 0 && i < schema->count; i++) {
        rc = put_quoted(out, i > 0 ? ", ['" : "['", schema->columns[i].name, "']:");
        if (rc == 0)
            rc = buf_puts(out, schema_type_name(schema->columns[i].type));
    }
    return rc ? rc : buf_puts(out, ")");
}

/* Where a column's value is: its place in a row of csv, its key in an object of json. */
static json_t *properties(const struct schema_column *column, size_t place, enum segment_format format)
{
    char text[SCHEMA_NAME_MAX + 8];

    if (format == SEGMENT_CSV) {
        snprintf(text, sizeof text, "%zu", place);
        return json_pack("{s:s}", "Ordinal", text);
    }
    snprintf(text, sizeof text, "$['%s']", column->name);
    return json_pack("{s:s}", "Path", text);
}

static char *mapping_json(const struct schema *schema, enum segment_format format)
{
    json_t *list = json_array();

    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_column *column = &schema->columns[i];
        json_t *element =
            json_pack("{s:s, s:s, s:o}", "Column", column->name, "DataType", schema_type_name(column->type),
                      "Properties", properties(column, i, format));
        if (json_array_append_new(list, element)) {
            json_decref(list);
            return NULL;
        }
    }
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

int kql_create_mapping(struct buf *out, const char *table, const struct schema *schema,
                       enum segment_format format)
{
    char name[KQL_MAPPING_NAME_BYTES];
    char *json = mapping_json(schema, format);

    if (!json)
        return -ENOMEM;
    kql_mapping_name(table, schema, name);
    int rc = put_quoted(out, ".create-or-alter table ['", table, "'] ingestion ");
    if (rc == 0)
        rc = buf_printf(out, "%s mapping \"%s\" ", segment_format_name(format), name);
    if (rc == 0)
        rc = kql_put_string(out, json);
    free(json);
    return rc;
}

int kql_ingest_inline(struct buf *out, const char *table, enum segment_format format, const char *mapping)
{
    const char *word = format == SEGMENT_CSV ? "csv" : "multijson";
    int rc = put_quoted(out, ".ingest inline into table ['", table, "'] with (format='");

    if (rc == 0)
        rc = buf_printf(out, "%s'", word);
    if (rc == 0 && mapping)
        rc = put_quoted(out, ", ingestionMappingReference='", mapping, "'");
    return rc ? rc : buf_puts(out, ") <|");
}

const char *kql_stream_format(enum segment_format format)
{
    return format == SEGMENT_CSV ? "Csv" : "MultiJson";
}
