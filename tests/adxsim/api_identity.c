/* Where tokens come from: Entra ID's token endpoint, and the two endpoints of managed identities (adx.md 5).
 */
#include <errno.h>
#include <fcntl.h>
#include <strings.h>

#include "tests/adxsim/api.h"
#include "tests/adxsim/auth.h"
#include "tests/adxsim/fault.h"
#include "tests/adxsim/reply.h"
#include "tests/adxsim/settings.h"
#include "tests/adxsim/ticket.h"

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define DEFAULT_SCOPE "/.default"

enum { ASSERTION_MAX = 16384 };

/* A refusal as Entra ID words it; number: AADSTSnnnn. */
static void refuse(struct reply *reply, const struct request *request, int status, const char *error,
                   int number, const char *why)
{
    char description[300];

    (void)snprintf(description, sizeof description, "AADSTS%d: %s", number, why);
    reply_take_json(reply, status,
                    json_pack("{s:s, s:s, s:[i], s:s, s:s}", "error", error, "error_description", description,
                              "error_codes", number, "trace_id", request->activity_id, "correlation_id",
                              request->activity_id));
}

/* A field of a form, decoded as one; NULL when absent. The caller frees. */
static char *field(const struct request *request, const char *name)
{
    const struct request form = {.query = buf_text(&request->body)};

    return http_argument(&form, name);
}

static bool is_same(const char *given, const char *wanted)
{
    return given && wanted && *wanted && strcmp(given, wanted) == 0;
}

/* The file's text, without blanks at its end, read anew: it may rotate. */
static bool is_content(const char *given, const char *path)
{
    char text[ASSERTION_MAX];
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    while (n > 0 && strchr(" \r\n", text[n - 1]))
        n--;
    if (n <= 0)
        return false;
    text[n] = '\0';
    return is_same(given, text);
}

static const char *get(const json_t *principal, const char *key)
{
    return json_string_value(json_object_get(principal, key));
}

/* True when the client has proved who it is; otherwise it was answered. */
static bool check_credential(const json_t *principal, struct request *request, struct reply *reply)
{
    char *secret = field(request, "client_secret"), *assertion = field(request, "client_assertion");
    char *type = field(request, "client_assertion_type");
    bool good = false;

    if (!secret == !assertion)
        refuse(
            reply, request, 401, "invalid_client", 7000218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.");
    else if (secret && !is_same(secret, get(principal, "client_secret")))
        refuse(reply, request, 401, "invalid_client", 7000215, "Invalid client secret provided.");
    else if (assertion && !is_same(type, ASSERTION_TYPE))
        refuse(reply, request, 400, "invalid_request", 50027,
               "The client_assertion_type is not " ASSERTION_TYPE);
    else if (assertion && !is_content(assertion, get(principal, "assertion_file")))
        refuse(reply, request, 401, "invalid_client", 700211,
               "No matching federated identity record found for the presented assertion.");
    else
        good = true;
    free(secret);
    free(assertion);
    free(type);
    return good;
}

/* The resource of SCOPE, which must be RESOURCE/.default; NULL when it was refused. The caller frees. */
static char *take_resource(const struct sim *sim, struct request *request, struct reply *reply)
{
    char *scope = field(request, "scope");
    size_t len = scope ? strlen(scope) : 0, tail = strlen(DEFAULT_SCOPE);

    if (len <= tail || strcmp(scope + len - tail, DEFAULT_SCOPE) != 0) {
        refuse(reply, request, 400, "invalid_scope", 1002012, "The scope must be RESOURCE/.default");
    } else {
        scope[len - tail] = '\0';
        if (auth_has_resource(sim->auth, scope))
            return scope;
        refuse(reply, request, 400, "invalid_resource", 500011,
               "The resource principal was not found in the tenant.");
    }
    free(scope);
    return NULL;
}

static void issue(const struct sim *sim, const char *resource, const json_t *principal, struct reply *reply)
{
    long long lifetime_s = settings_get(sim->settings, SETTING_TOKEN_S);
    char token[TICKET_SIZE];

    if (ticket_issue(sim->store, resource, get(principal, "client_id"), lifetime_s, token) < 0)
        reply_take_json(reply, 500, json_pack("{s:s}", "error", "server_error"));
    else
        reply_take_json(reply, 200,
                        json_pack("{s:s, s:I, s:I, s:s}", "token_type", "Bearer", "expires_in",
                                  (json_int_t)lifetime_s, "ext_expires_in", (json_int_t)lifetime_s,
                                  "access_token", token));
}

static void grant(const struct sim *sim, struct request *request, struct reply *reply)
{
    static const char form[] = "application/x-www-form-urlencoded";
    char *grant_type = field(request, "grant_type"), *client_id = field(request, "client_id"), *resource;
    const json_t *principal = client_id ? auth_principal(sim->auth, client_id) : NULL;

    if (!request->content_type || strncasecmp(request->content_type, form, strlen(form)) != 0)
        refuse(reply, request, 400, "invalid_request", 900144, "The request body must be a form.");
    else if (!is_same(grant_type, "client_credentials"))
        refuse(reply, request, 400, "unsupported_grant_type", 70003,
               "The grant_type must be client_credentials.");
    else if (!principal)
        refuse(reply, request, 400, "unauthorized_client", 700016,
               "Application was not found in the directory.");
    else if (check_credential(principal, request, reply) && (resource = take_resource(sim, request, reply))) {
        issue(sim, resource, principal, reply);
        free(resource);
    }
    free(grant_type);
    free(client_id);
}

/* What MSAL reads before it asks for a token. */
static void discover(const struct sim *sim, const char *tenant, struct reply *reply)
{
    char *base, *token;

    if (asprintf(&base, "%s/%s/v2.0", sim->login_url, tenant) < 0 ||
        asprintf(&token, "%s/%s/oauth2/v2.0/token", sim->login_url, tenant) < 0)
        abort();
    reply_take_json(reply, 200,
                    json_pack("{s:s, s:s, s:s, s:s, s:[s], s:[s]}", "issuer", base, "token_endpoint", token,
                              "authorization_endpoint", base, "jwks_uri", base, "response_types_supported",
                              "code", "token_endpoint_auth_methods_supported", "client_secret_post"));
    free(base);
    free(token);
}

/* /TENANT/oauth2/v2.0/token, and /TENANT/v2.0/.well-known/openid-configuration. */
static void serve_login(const struct sim *sim, struct request *request, struct reply *reply)
{
    const char *tenant = auth_text(sim->auth, "tenant"), *path = request->path + 1;
    size_t len = strlen(tenant);
    const char *rest = strchr(path, '/');
    bool known = rest && strncmp(path, tenant, len) == 0 && path[len] == '/';

    if (rest && strcmp(rest, "/oauth2/v2.0/token") == 0 && strcmp(request->method, "POST") == 0) {
        if (known)
            grant(sim, request, reply);
        else
            refuse(reply, request, 400, "invalid_request", 90002, "Tenant not found.");
    } else if (known && strcmp(rest, "/v2.0/.well-known/openid-configuration") == 0) {
        discover(sim, tenant, reply);
    } else {
        reply_empty(reply, 404);
    }
}

static void refuse_managed(struct reply *reply, int status, const char *error, const char *why)
{
    reply_take_json(reply, status, json_pack("{s:s, s:s}", "error", error, "error_description", why));
}

/* Every value is a string, as IMDS and App Service write them. */
static void issue_managed(const struct sim *sim, const char *resource, const json_t *principal,
                          struct reply *reply)
{
    long long lifetime_s = settings_get(sim->settings, SETTING_TOKEN_S);
    char token[TICKET_SIZE], in[24], on[24], now[24];

    (void)snprintf(in, sizeof in, "%lld", lifetime_s);
    (void)snprintf(on, sizeof on, "%lld", (long long)time(NULL) + lifetime_s);
    (void)snprintf(now, sizeof now, "%lld", (long long)time(NULL));
    if (ticket_issue(sim->store, resource, get(principal, "client_id"), lifetime_s, token) < 0)
        refuse_managed(reply, 500, "server_error", "the store failed");
    else
        reply_take_json(reply, 200,
                        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "access_token", token, "client_id",
                                  get(principal, "client_id"), "expires_in", in, "expires_on", on,
                                  "not_before", now, "resource", resource, "token_type", "Bearer"));
}

static void give_managed(const struct sim *sim, struct request *request, struct reply *reply,
                         const char *version)
{
    char *resource = http_argument(request, "resource"), *client_id = http_argument(request, "client_id");
    char *api = http_argument(request, "api-version");
    const json_t *principal = auth_principal(sim->auth, client_id);

    if (!is_same(api, version))
        refuse_managed(reply, 400, "invalid_request", "api-version is missing or not supported");
    else if (!resource || !auth_has_resource(sim->auth, resource))
        refuse_managed(reply, 400, "invalid_resource", "the resource was not found (without /.default here)");
    else if (!principal || !json_is_true(json_object_get(principal, "managed")))
        refuse_managed(reply, 400, "invalid_request", "Identity not found");
    else
        issue_managed(sim, resource, principal, reply);
    free(resource);
    free(client_id);
    free(api);
}

static void serve_managed(const struct sim *sim, struct request *request, struct reply *reply)
{
    char *metadata = http_header(request, "Metadata"), *secret = http_header(request, "X-IDENTITY-HEADER");
    bool imds = strcmp(request->path, "/metadata/identity/oauth2/token") == 0;

    if (!imds && strcmp(request->path, "/msi/token") != 0)
        reply_empty(reply, 404);
    else if (strcmp(request->method, "GET") != 0)
        reply_empty(reply, 405);
    else if (imds && (!metadata || strcasecmp(metadata, "true") != 0))
        refuse_managed(reply, 400, "invalid_request", "Required metadata header not specified");
    else if (!imds && !is_same(secret, auth_text(sim->auth, "identity_header")))
        refuse_managed(reply, 401, "unauthorized", "X-IDENTITY-HEADER is absent or wrong");
    else
        give_managed(sim, request, reply, imds ? "2018-02-01" : "2019-08-01");
    free(metadata);
    free(secret);
}

void api_identity(const struct sim *sim, struct request *request, struct reply *reply)
{
    bool managed = request->host == HOST_IMDS;
    const struct fault_subject subject = {.endpoint = managed ? "imds" : "token"};
    struct fault fault;

    fault_take(sim->faults, &subject, &fault);
    if (fault_before(sim, &fault, request, reply))
        return;
    if (managed)
        serve_managed(sim, request, reply);
    else
        serve_login(sim, request, reply);
    fault_after(&fault, request, reply);
}
