/* Metadata, management commands and queries. */
#include "tests/adxsim/api.h"

#include <strings.h>

#include "tests/adxsim/auth.h"
#include "tests/adxsim/fault.h"
#include "tests/adxsim/mgmt.h"
#include "tests/adxsim/reply.h"

enum { CSL_HEAD_BYTES = 200 };

/* adx.md 5.1: with --auth, our own login endpoint and the resource that tokens must be for. */
static json_t *metadata(const struct sim *sim)
{
    const char *login = sim->auth && *sim->login_url ? sim->login_url : "https://login.microsoftonline.com";
    const char *resource = sim->auth ? auth_text(sim->auth, "resource") : AUTH_DEFAULT_RESOURCE;

    return json_pack(
        "{s:{s:s, s:b, s:s, s:s, s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}}", "AzureAD", "LoginEndpoint", login,
        "LoginMfaRequired", 0, "KustoClientAppId", "db662dc1-0cfe-4e1c-a843-19a68e65be58",
        "KustoClientRedirectUri", "https://microsoft/kustoclient", "KustoServiceResourceId", resource,
        "FirstPartyAuthorityUrl", "https://login.microsoftonline.com/f8cdef31-a31e-4b4a-93e4-5f571e91255a",
        "dSTS", "CloudEndpointSuffix", "windows.net", "DstsRealm", "realm://dsts.core.windows.net",
        "DstsInstance", "prod-dsts.dsts.core.windows.net", "KustoDnsHostName", "kusto.windows.net",
        "ServiceName", "kusto");
}

void api_metadata(const struct sim *sim, struct request *request, struct reply *reply)
{
    const struct fault_subject subject = {.endpoint = "metadata"};
    struct fault fault;

    fault_take(sim->faults, &subject, &fault);
    if (fault_before(sim, &fault, request, reply))
        return;
    reply_take_json(reply, 200, metadata(sim));
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
    return mgmt_run(sim, request->host, database, json_string_value(csl), json_string_length(csl),
                    request->request_id, result, error);
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
    const struct fault_subject subject = {
        .endpoint = endpoint, .database = database, .table = table, .csl = json_string_value(csl)};
    fault_take(sim->faults, &subject, &fault);
    if (!fault_before(sim, &fault, request, reply)) {
        result_init(&result);
        if (run(sim, database, csl, request, &result, &error) == 0)
            reply_result(reply, &result, strncmp(request->path, "/v2/", 4) == 0);
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
    serve_command(sim, request, reply, request->host == HOST_DM ? "dm" : "mgmt", run_mgmt);
}

void api_query(const struct sim *sim, struct request *request, struct reply *reply)
{
    serve_command(sim, request, reply, "query", run_query);
}
