#include "uploader/adx/failures.h"

#include <errno.h>

#include "uploader/adx/base64.h"
#include "uploader/adx/kql.h"

void failures_clear(struct failures *failures)
{
    for (size_t i = 0; i < failures->count; i++) {
        free(failures->list[i].blob);
        free(failures->list[i].code);
        free(failures->list[i].details);
    }
    failures->count = 0;
}

void failures_fini(struct failures *failures)
{
    failures_clear(failures);
    free(failures->list);
    *failures = (struct failures){0};
}

/* The last part of a blob's address, without a signature. */
static char *blob_of(const char *path)
{
    size_t len = strcspn(path, "?;"), from = len;
    while (from > 0 && path[from - 1] != '/')
        from--;
    return strndup(path + from, len - from);
}

static int add(struct failures *failures, const char *path, const char *code, const char *details,
               const char *kind)
{
    if (!path || failures->count == FAILURES_MAX)
        return 0;
    if (failures->count == failures->capacity) {
        size_t capacity = failures->capacity > 0 ? 2 * failures->capacity : 16;
        struct failure *list = realloc(failures->list, capacity * sizeof *list);
        if (!list)
            return -ENOMEM;
        failures->list = list;
        failures->capacity = capacity;
    }
    struct failure *one = &failures->list[failures->count++];
    *one = (struct failure){.blob = blob_of(path),
                            .code = strdup(code ? code : ""),
                            .details = strdup(details ? details : ""),
                            .is_permanent = kind && strcasecmp(kind, "Permanent") == 0};
    return one->blob && one->code && one->details ? 0 : -ENOMEM;
}

const struct failure *failures_find(const struct failures *failures, const char *blob)
{
    for (size_t i = 0; i < failures->count; i++)
        if (failures->list[i].blob && strcmp(failures->list[i].blob, blob) == 0 &&
            failure_verdict(&failures->list[i]) != VERDICT_SUCCESS)
            return &failures->list[i];
    return NULL;
}

/* --- .show ingestion failures ----------------------------------------------------------------------- */

int failures_command(const char *db, int64_t since_ms, int64_t now_ms, struct buf *out)
{
    int64_t age_ms = (now_ms > since_ms ? now_ms - since_ms : 0) + FAILURES_MARGIN_MS;
    int rc = buf_puts(out, ".show ingestion failures | where Database == ");
    if (rc == 0)
        rc = kql_put_string(out, db);
    if (rc == 0)
        rc = buf_printf(
            out, " and FailedOn > ago(%lldm) | project IngestionSourcePath, ErrorCode, Details, FailureKind",
            (long long)(age_ms / 60000 + 1));
    return rc;
}

int failures_add_table(struct failures *failures, const json_t *table)
{
    static const char *const names[] = {"IngestionSourcePath", "ErrorCode", "Details", "FailureKind"};
    size_t at[ARRAY_LEN(names)], i, found = 0;
    const json_t *column, *row;
    json_array_foreach (json_object_get(table, "Columns"), i, column) {
        const char *name = json_string_value(json_object_get(column, "ColumnName"));
        for (size_t k = 0; name && k < ARRAY_LEN(names); k++) {
            if (strcmp(name, names[k]) != 0)
                continue;
            at[k] = i;
            found |= (size_t)1 << k;
        }
    }
    if (found != ((size_t)1 << ARRAY_LEN(names)) - 1)
        return -EPROTO;
    int rc = 0;
    json_array_foreach (json_object_get(table, "Rows"), i, row) {
        const char *cells[ARRAY_LEN(names)];
        for (size_t k = 0; k < ARRAY_LEN(names); k++)
            cells[k] = json_string_value(json_array_get(row, at[k]));
        if (rc == 0)
            rc = add(failures, cells[0], cells[1], cells[2], cells[3]);
    }
    return rc;
}

/* --- failure queues --------------------------------------------------------------------------------- */

static int add_message(struct failures *failures, const char *text, size_t len)
{
    struct buf plain;
    buf_init(&plain, 256 << 10);
    json_t *root =
        base64_take(text, len, &plain) == 0 && plain.len ? json_loadb(plain.data, plain.len, 0, NULL) : NULL;
    int rc = add(failures, json_string_value(json_object_get(root, "IngestionSourcePath")),
                 json_string_value(json_object_get(root, "ErrorCode")),
                 json_string_value(json_object_get(root, "Details")),
                 json_string_value(json_object_get(root, "FailureStatus")));
    json_decref(root);
    buf_fini(&plain);
    return rc;
}

int failures_add_messages(struct failures *failures, const char *xml, size_t len)
{
    static const char before[] = "<MessageText>", after[] = "</MessageText>";
    const char *at = xml, *end = xml + len;
    int rc = 0;
    while (rc == 0 && len > 0 && (at = memmem(at, (size_t)(end - at), before, sizeof before - 1))) {
        at += sizeof before - 1;
        const char *close = memmem(at, (size_t)(end - at), after, sizeof after - 1);
        if (!close)
            break;
        rc = add_message(failures, at, (size_t)(close - at));
        at = close;
    }
    return rc;
}

/* --- what it means ---------------------------------------------------------------------------------- */

/* Said to be for good, but of the message, the blob or the table, and not of the rows: made anew they go in.
 */
static const struct {
    const char *word;
    enum verdict verdict;
} words[] = {
    {"BlobAlreadyReceived", VERDICT_SUCCESS},
    {"DatabaseNotExist", VERDICT_RETRY},
    {"TableNotExist", VERDICT_GONE},
    {"EntityNotFound", VERDICT_GONE},
    {"MappingReferenceWasNotFound", VERDICT_GONE},
    {"AccessDenied", VERDICT_RETRY},
    {"InvalidKustoIdentityToken", VERDICT_RETRY},
    {"CorruptedMessage", VERDICT_RETRY},
    {"Download_", VERDICT_RETRY},
    {"Forbidden", VERDICT_RETRY},
    {"RetryAttemptsExceeded", VERDICT_RETRY},
};

enum verdict failure_verdict(const struct failure *failure)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasestr(failure->code, words[i].word))
            return words[i].verdict;
    return failure->is_permanent ? VERDICT_REFUSED : VERDICT_RETRY;
}
