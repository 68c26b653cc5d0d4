/* Streaming ingestion. */
#include "tests/adxsim/api.h"

#include <errno.h>
#include <strings.h>

#include "tests/adxsim/fault.h"
#include "tests/adxsim/gunzip.h"
#include "tests/adxsim/ingest.h"
#include "tests/adxsim/mgmt.h"
#include "tests/adxsim/reply.h"
#include "tests/adxsim/settings.h"

/* {db}/{table} of the path, decoded. */
static bool parse_target(const struct request *request, char **database, char **table)
{
    const char *at = request->path + strlen("/v1/rest/ingest/"), *slash = strchr(at, '/');

    *database = *table = NULL;
    if (!slash || strchr(slash + 1, '/'))
        return false;
    *database = http_decode(at, (size_t)(slash - at), false);
    *table = http_decode(slash + 1, strlen(slash + 1), false);
    return *database && **database && *table && **table;
}

/* The raw bytes: *raw, which is the request's own body, stays so or becomes room, inflated. */
static int unpack(const struct request *request, struct buf *room, const struct buf **raw,
                  struct sim_error *error)
{
    int rc = 0;

    if (request->content_encoding && strcasecmp(request->content_encoding, "gzip") == 0) {
        rc = gunzip(request->body.data, request->body.len, room);
        *raw = room;
    } else if (request->content_encoding && strcasecmp(request->content_encoding, "identity") != 0) {
        return error_set(error, ERROR_COMPRESSION, "Content-Encoding '%.40s' is not known",
                         request->content_encoding);
    }
    if (rc == -EBADMSG)
        return error_set(error, ERROR_COMPRESSION, "The body is not whole and valid gzip");
    if (rc == -E2BIG || (*raw)->len > INGEST_RAW_MAX)
        return error_set(error, ERROR_STREAM_TOO_LARGE, "The input stream is larger than %d bytes of data",
                         INGEST_RAW_MAX);
    if ((*raw)->len == 0)
        return error_set(error, ERROR_NO_DATA, "There is no data to ingest");
    return 0;
}

/* With the store's lock held. */
static int stream_into(const struct sim *sim, const char *database, const char *name,
                       const struct ingest *ingest, struct sim_error *error)
{
    struct ingest_outcome outcome;
    struct table table;
    int rc;

    if (!store_has_database(sim->store, database))
        return mgmt_no_database(sim, database, error);
    rc = store_find_table(sim->store, database, name, &table);
    bool enabled = table.streaming == POLICY_DEFAULT ? sim->streaming_default : table.streaming == POLICY_ON;
    if (rc == -ENOENT)
        rc = error_set(error, ERROR_TABLE_NOT_EXIST, "Entity ID '%.200s' of kind 'Table' was not found.",
                       name);
    else if (rc < 0)
        rc = error_set(error, ERROR_INTERNAL, "The store failed; see adxsim's standard error");
    else if (sim->emulator || !enabled)
        rc = error_set(error, ERROR_STREAMING_POLICY,
                       "Streaming ingestion policy is not enabled on table '%s' in database '%s'", name,
                       database);
    else
        rc = ingest_run(sim->store, &table, ingest, &outcome, error);
    table_fini(&table);
    return rc;
}

static int check_arguments(const struct sim *sim, const struct request *request, const char *format,
                           struct sim_error *error)
{
    char *source = http_argument(request, "sourceKind");
    bool body = !source || strcasecmp(source, "stream") == 0;

    free(source);
    if (!settings_get(sim->settings, SETTING_STREAMING))
        return error_set(error, ERROR_STREAMING_OFF, "Streaming ingestion is not enabled on this cluster");
    if (!format || !*format)
        return error_set(error, ERROR_BAD_REQUEST, "The query argument streamFormat is missing");
    return body ? 0 : error_set(error, ERROR_BAD_REQUEST, "adxsim streams what the body holds, from no blob");
}

static int stream(const struct sim *sim, const struct request *request, const char *database,
                  const char *table, struct sim_error *error)
{
    char *format = http_argument(request, "streamFormat"), *mapping = http_argument(request, "mappingName");
    const struct buf *raw = &request->body;
    struct buf room;
    int rc;

    buf_init(&room, INGEST_RAW_MAX);
    rc = check_arguments(sim, request, format, error);
    if (rc == 0)
        rc = unpack(request, &room, &raw, error);
    if (rc == 0) {
        const struct ingest ingest = {.kind = "streaming",
                                      .format = format,
                                      .mapping_name = mapping && *mapping ? mapping : NULL,
                                      .request_id = request->request_id,
                                      .data = raw->data,
                                      .len = raw->len};
        store_lock(sim->store);
        rc = stream_into(sim, database, table, &ingest, error);
        store_unlock(sim->store);
    }
    buf_fini(&room);
    free(format);
    free(mapping);
    return rc;
}

static void reply_streamed(struct reply *reply)
{
    struct result result;

    result_init(&result);
    result_add_columns(&result,
                       "ConsumedRecordsCount:long,UpdatePolicyStatus:string,UpdatePolicyFailureCode:guid,"
                       "UpdatePolicyFailureReason:string");
    /* 0 is what the service was seen to say: a client must not count on it. */
    result_take_row(&result, json_pack("[i,s,s,n]", 0, "Inactive", IDENT_ZERO_GUID));
    reply_result(reply, &result, false);
    result_fini(&result);
}

void api_ingest(const struct sim *sim, struct request *request, struct reply *reply)
{
    char *database, *table;
    struct sim_error error;
    struct fault fault;

    if (!parse_target(request, &database, &table)) {
        error_set(&error, ERROR_BAD_REQUEST, "The path must be /v1/rest/ingest/{database}/{table}");
        reply_error(reply, request, &error);
    } else {
        const struct fault_subject subject = {.endpoint = "ingest", .database = database, .table = table};
        request->database = mem_strdup(database);
        fault_take(sim->faults, &subject, &fault);
        if (!fault_before(sim, &fault, request, reply)) {
            if (stream(sim, request, database, table, &error) == 0)
                reply_streamed(reply);
            else
                reply_error(reply, request, &error);
            fault_after(&fault, request, reply);
        }
    }
    free(database);
    free(table);
}
