#include "uploader/adx/queue_message.h"

#include <errno.h>
#include <jansson.h>

#include "uploader/adx/base64.h"

/* A list of one string, as JSON inside a string: that is how ADX wants tags. */
static json_t *list_as_text(const char *before, const char *key)
{
    json_t *list = json_pack("[s+]", before, key);
    char *text = list ? json_dumps(list, JSON_COMPACT) : NULL;
    json_t *string = text ? json_string(text) : NULL;
    free(text);
    json_decref(list);
    return string;
}

static json_t *make_properties(const struct queue_message *m)
{
    bool is_csv = m->format == SEGMENT_CSV;
    json_t *root =
        json_pack("{s:s, s:s}", "authorizationContext", m->identity, "format", is_csv ? "csv" : "json");
    int rc = root ? 0 : -1;
    if (rc == 0 && m->dedup_key) {
        rc = json_object_set_new(root, "tags", list_as_text("ingest-by:", m->dedup_key));
        if (rc == 0)
            rc = json_object_set_new(root, "ingestIfNotExists", list_as_text("", m->dedup_key));
    }
    if (rc == 0 && m->mapping) {
        rc = json_object_set_new(root, "ingestionMappingReference", json_string(m->mapping));
        if (rc == 0)
            rc = json_object_set_new(root, "ingestionMappingType", json_string(is_csv ? "Csv" : "Json"));
    }
    if (rc) {
        json_decref(root);
        return NULL;
    }
    return root;
}

static json_t *make_message(const struct queue_message *m)
{
    static const char version[] = "Spillway.Client:{" SPILLWAY_VERSION "}";
    return json_pack("{s:n, s:s, s:s, s:s, s:I, s:s, s:s, s:b, s:b, s:b, s:i, s:i, s:s, s:s, s:o}",
                     "IngestionStatusInTable", "ApplicationForTracing", "spillway", "ClientVersionForTracing",
                     version, "BlobPath", m->blob_path, "RawDataSize", (json_int_t)m->raw_bytes,
                     "DatabaseName", m->db, "TableName", m->table, "RetainBlobOnSuccess", 1,
                     "FlushImmediately", 0, "IgnoreSizeLimit", 0, "ReportLevel", 0, "ReportMethod", 0,
                     "SourceMessageCreationTime", m->created, "Id", m->id, "AdditionalProperties",
                     make_properties(m));
}

int queue_message_json(const struct queue_message *message, struct buf *out)
{
    json_t *root = make_message(message);
    if (!root)
        return -EILSEQ;
    char *text = json_dumps(root, JSON_COMPACT);
    int rc = !text ? -ENOMEM : strlen(text) > QUEUE_MESSAGE_MAX ? -ENOSPC : buf_puts(out, text);
    free(text);
    json_decref(root);
    return rc;
}

int queue_message_body(const char *json, size_t len, struct buf *out)
{
    int rc = buf_puts(out, "<QueueMessage><MessageText>");
    if (rc == 0)
        rc = base64_put(json, len, out);
    return rc ? rc : buf_puts(out, "</MessageText></QueueMessage>");
}
