/* The endpoints that real clusters have. */
#include "tests/adxsim/api.h"

#include <errno.h>
#include <strings.h>

#include "tests/adxsim/fault.h"
#include "tests/adxsim/gunzip.h"
#include "tests/adxsim/ingest.h"
#include "tests/adxsim/mgmt.h"
#include "tests/adxsim/reply.h"

enum { CSL_HEAD_BYTES = 200 };

void api_metadata(const struct sim *sim, struct request *request, struct reply *reply)
{
    static const char document[] =
        "{\"AzureAD\":{\"LoginEndpoint\":\"https://login.microsoftonline.com\",\"LoginMfaRequired\":false,"
        "\"KustoClientAppId\":\"db662dc1-0cfe-4e1c-a843-19a68e65be58\","
        "\"KustoClientRedirectUri\":\"https://microsoft/kustoclient\","
        "\"KustoServiceResourceId\":\"https://kusto.kusto.windows.net\","
        "\"FirstPartyAuthorityUrl\":\"https://login.microsoftonline.com/"
        "f8cdef31-a31e-4b4a-93e4-5f571e91255a\"},"
        "\"dSTS\":{\"CloudEndpointSuffix\":\"windows.net\",\"DstsRealm\":\"realm://dsts.core.windows.net\","
        "\"DstsInstance\":\"prod-dsts.dsts.core.windows.net\",\"KustoDnsHostName\":\"kusto.windows.net\","
        "\"ServiceName\":\"kusto\"}}";
    const struct fault_subject subject = {.endpoint = "metadata"};
    struct fault fault;

    fault_take(sim->faults, &subject, &fault);
    if (fault_before(sim, &fault, request, reply))
        return;
    reply_json_text(reply, 200, document);
    fault_after(&fault, request, reply);
}

static void refuse(struct reply *reply, const struct request *request, const char *why)
{
    struct sim_error error;

    error_set(&error, ERROR_BAD_REQUEST, "%s", why);
    reply_error(reply, request, &error);
}

/* The body of mgmt and query; NULL when it was refused. */
static json_t *parse_command(struct request *request, struct reply *reply, const char **database,
                             const json_t **csl)
{
    static const char json_type[] = "application/json";
    const char *type = request->content_type ? request->content_type : "";
    size_t len = strcspn(type, "; ");
    json_error_t bad;

    if (len != strlen(json_type) || strncasecmp(type, json_type, len) != 0) {
        refuse(reply, request, "The Content-Type must be application/json");
        reply->status = 415;
        return NULL;
    }
    json_t *body = json_loadb(buf_text(&request->body), request->body.len, JSON_ALLOW_NUL, &bad);
    const json_t *db = json_object_get(body, "db");
    *csl = json_object_get(body, "csl");
    if (!body || !json_is_string(*csl) || (db && !json_is_string(db) && !json_is_null(db))) {
        refuse(reply, request, body ? "csl must be a string, and db if there is one" : bad.text);
        json_decref(body);
        return NULL;
    }
    *database = json_string_value(db);
    request->database = *database ? mem_strdup(*database) : NULL;
    len = json_string_length(*csl);
    request->csl_head = mem_strndup(json_string_value(*csl), len < CSL_HEAD_BYTES ? len : CSL_HEAD_BYTES);
    return body;
}

/* The name after the word "table": enough to aim a fault. The caller frees; may be NULL. */
static char *guess_table(const char *text, size_t len)
{
    struct csl csl;
    char *name = NULL;

    csl_init(&csl, text, len);
    while (csl.kind != CSL_END && csl.kind != CSL_BAD && csl.kind != CSL_DATA) {
        if (csl_accept_word(&csl, "table")) {
            (void)csl_take_name(&csl, &name);
            break;
        }
        csl_next(&csl);
    }
    csl_fini(&csl);
    return name;
}

typedef int runner(const struct sim *sim, const char *database, const json_t *csl,
                   const struct request *request, struct result *result, struct sim_error *error);

static int run_mgmt(const struct sim *sim, const char *database, const json_t *csl,
                    const struct request *request, struct result *result, struct sim_error *error)
{
    return mgmt_run(sim, database, json_string_value(csl), json_string_length(csl), request->request_id,
                    result, error);
}

static int run_query(const struct sim *sim, const char *database, const json_t *csl,
                     const struct request *request, struct result *result, struct sim_error *error)
{
    (void)request;
    return query_run(sim, database, json_string_value(csl), json_string_length(csl), result, error);
}

static void serve_command(const struct sim *sim, struct request *request, struct reply *reply,
                          const char *endpoint, runner *run)
{
    const char *database;
    const json_t *csl;
    json_t *body = parse_command(request, reply, &database, &csl);
    struct sim_error error;
    struct result result;
    struct fault fault;

    if (!body)
        return;
    char *table = guess_table(json_string_value(csl), json_string_length(csl));
    const struct fault_subject subject = {endpoint, database, table, json_string_value(csl)};
    fault_take(sim->faults, &subject, &fault);
    if (!fault_before(sim, &fault, request, reply)) {
        result_init(&result);
        if (run(sim, database, csl, request, &result, &error) == 0)
            reply_result(reply, &result);
        else
            reply_error(reply, request, &error);
        result_fini(&result);
        fault_after(&fault, request, reply);
    }
    free(table);
    json_decref(body);
}

void api_mgmt(const struct sim *sim, struct request *request, struct reply *reply)
{
    serve_command(sim, request, reply, "mgmt", run_mgmt);
}

void api_query(const struct sim *sim, struct request *request, struct reply *reply)
{
    serve_command(sim, request, reply, "query", run_query);
}

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
        return error_set(error, ERROR_DATABASE_NOT_FOUND,
                         "Entity ID '%.200s' of kind 'Database' was not found.", database);
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

static int stream(const struct sim *sim, const struct request *request, const char *database,
                  const char *table, struct sim_error *error)
{
    char *format = http_argument(request, "streamFormat"), *mapping = http_argument(request, "mappingName");
    const struct buf *raw = &request->body;
    struct buf room;
    int rc;

    buf_init(&room, INGEST_RAW_MAX);
    rc = format && *format
             ? unpack(request, &room, &raw, error)
             : error_set(error, ERROR_BAD_REQUEST, "The query argument streamFormat is missing");
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
    reply_result(reply, &result);
    result_fini(&result);
}

void api_ingest(const struct sim *sim, struct request *request, struct reply *reply)
{
    char *database, *table;
    struct sim_error error;
    struct fault fault;

    if (!parse_target(request, &database, &table)) {
        refuse(reply, request, "The path must be /v1/rest/ingest/{database}/{table}");
    } else {
        const struct fault_subject subject = {"ingest", database, table, NULL};
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
