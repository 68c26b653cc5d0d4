#include "tests/adxsim/report.h"

#include <errno.h>

#include "tests/adxsim/ident.h"
#include "tests/adxsim/queue.h"

enum { URL_MAX = 8192 };

static const char *failure_status(const struct sim_error *error)
{
    if (strcmp(error->code, "General_RetryAttemptsExceeded") == 0)
        return "Exhausted";
    return error->permanent ? "Permanent" : "Transient";
}

static json_t *describe(const struct report *report)
{
    const struct message *m = report->message;
    bool failed = report->outcome == OUTCOME_FAILED;
    char now[IDENT_TIME_SIZE];

    ident_now(now);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "OperationId", report->operation_id,
                             "Database", m->database, "Table", m->table, failed ? "FailedOn" : "SucceededOn",
                             now, "IngestionSourceId", m->id, "IngestionSourcePath",
                             json_stringn(m->blob_path, (size_t)message_path_length(m)), "RootActivityId",
                             report->operation_id);
    if (failed) {
        json_t *more =
            json_pack("{s:s, s:s, s:s, s:b, s:b}", "Details", report->error->message, "ErrorCode",
                      report->error->code, "FailureStatus", failure_status(report->error),
                      "OriginatesFromUpdatePolicy", 0, "ShouldRetry", (int)!report->error->permanent);
        json_object_update(json, more);
        json_decref(more);
    }
    return json;
}

static bool find_queue(const struct storage *storage, const char *type, struct resource *resource)
{
    for (size_t i = 0; storage_resource(storage, i, resource); i++)
        if (strcmp(resource->type, type) == 0)
            return true;
    return false;
}

static void to_queue(const struct storage *storage, struct client *client, const struct report *report)
{
    const char *type =
        report->outcome == OUTCOME_FAILED ? "FailedIngestionsQueue" : "SuccessfulIngestionsQueue";
    struct resource resource;
    struct buf url;

    if (!find_queue(storage, type, &resource))
        return;
    json_t *json = describe(report);
    char *text = json_dumps(json, JSON_COMPACT);
    buf_init(&url, URL_MAX);
    storage_owner_url(&resource, &url);
    int rc = queue_post(client, url.data, text, strlen(text));
    if (rc < 0)
        fprintf(stderr, "warning report-lost queue=%s source=%s cause=\"%s\"\n", resource.name,
                report->message->id, strerror(-rc));
    buf_fini(&url);
    free(text);
    json_decref(json);
}

/* "https://host/table?sas" with the keys put in. */
static void entity_url(const struct message *m, struct buf *url)
{
    size_t len = strcspn(m->status_url, "?");

    buf_init(url, URL_MAX);
    buf_printf(url, "%.*s(PartitionKey='%.100s',RowKey='%.100s')%s", (int)len, m->status_url,
               m->status_partition, m->status_row, m->status_url + len);
}

/* Merge into the entity that the client made, with the client's own SAS. */
static void to_table(struct client *client, const struct report *report)
{
    static const char *const statuses[] = {
        [OUTCOME_SUCCEEDED] = "Succeeded", [OUTCOME_SKIPPED] = "Skipped", [OUTCOME_FAILED] = "Failed"};
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Accept: application/json;odata=nometadata", "If-Match: *",
                                          "x-ms-version: 2019-02-02", NULL};
    struct client_response response;
    struct buf url;
    json_t *json = describe(report);

    json_object_set_new(json, "Status", json_string(statuses[report->outcome]));
    char *text = json_dumps(json, JSON_COMPACT);
    entity_url(report->message, &url);
    const struct client_request request = {
        .method = "MERGE", .url = url.data, .headers = headers, .body = text, .len = strlen(text)};
    int rc = client_perform(client, &request, &response);
    if (rc < 0 || response.status != 204)
        fprintf(stderr, "warning report-lost table=yes source=%s status=%d cause=\"%s\"\n",
                report->message->id, response.status, strerror(-rc));
    client_response_fini(&response);
    buf_fini(&url);
    free(text);
    json_decref(json);
}

void report_send(const struct storage *storage, struct client *client, const struct report *report)
{
    const struct message *m = report->message;
    bool wanted =
        report->outcome == OUTCOME_FAILED ? m->report_level != REPORT_NOTHING : m->report_level == REPORT_ALL;

    if (!m->id)
        return;
    if (wanted && (m->report_method == REPORT_TO_QUEUE || m->report_method == REPORT_TO_BOTH))
        to_queue(storage, client, report);
    if (m->status_url && (m->report_method == REPORT_TO_TABLE || m->report_method == REPORT_TO_BOTH))
        to_table(client, report);
}
