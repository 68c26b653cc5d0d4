#include "tests/adxsim/api.h"

#include "tests/adxsim/auth.h"
#include "tests/adxsim/reply.h"

#define INGEST_PREFIX "/v1/rest/ingest/"

enum access { OPEN, BEARER };

enum { ON_ENGINE = 1 << HOST_ENGINE, ON_DM = 1 << HOST_DM };

struct route {
    const char *method;
    const char *path; /* whole, or up to its end when that is a slash */
    int hosts;        /* bits; on others the path is not known: 404 */
    enum access access;
    void (*serve)(const struct sim *, struct request *, struct reply *);
};

static const struct route routes[] = {
    {"GET", "/v1/rest/auth/metadata", ON_ENGINE | ON_DM, OPEN, api_metadata},
    {"POST", "/v1/rest/mgmt", ON_ENGINE | ON_DM, BEARER, api_mgmt},
    {"POST", "/v1/rest/query", ON_ENGINE, BEARER, api_query},
    {"POST", "/v2/rest/query", ON_ENGINE, BEARER, api_query},
    {"POST", INGEST_PREFIX, ON_ENGINE, BEARER, api_ingest},
    {"GET", "/_sim/", ON_ENGINE, OPEN, api_admin},
    {"POST", "/_sim/", ON_ENGINE, OPEN, api_admin},
    {"DELETE", "/_sim/", ON_ENGINE, OPEN, api_admin},
};

size_t api_body_max(enum host host, const char *path)
{
    if (host == HOST_STORAGE)
        return STORAGE_BODY_MAX;
    return strncmp(path, INGEST_PREFIX, strlen(INGEST_PREFIX)) == 0 ? INGEST_WIRE_MAX : MGMT_BODY_MAX;
}

static bool is_path(const struct route *route, const char *path)
{
    size_t len = strlen(route->path);

    return route->path[len - 1] == '/' ? strncmp(path, route->path, len) == 0
                                       : strcmp(path, route->path) == 0;
}

/* True when the caller may go on; otherwise it was answered. */
static bool check_access(const struct sim *sim, const struct request *request, struct reply *reply)
{
    struct sim_error error;

    switch (auth_check(sim, request->authorization)) {
    case AUTH_GRANTED:
        return true;
    case AUTH_NO_TOKEN:
        reply_empty(reply, 401);
        return false;
    case AUTH_NO_ROLE:
        break;
    }
    error_set(&error, ERROR_FORBIDDEN, "Principal is not authorized: it has no role in this cluster");
    reply_error(reply, request, &error);
    return false;
}

static void serve(const struct sim *sim, const struct route *route, struct request *request,
                  struct reply *reply)
{
    struct sim_error error;

    if (route->access == BEARER && !check_access(sim, request, reply))
        return;
    if (request->too_large) {
        error_set(&error, ERROR_PAYLOAD_TOO_LARGE, "The request's body is larger than %zu bytes",
                  request->body.max);
        reply_error(reply, request, &error);
        return;
    }
    route->serve(sim, request, reply);
}

void api_serve(const struct sim *sim, struct request *request, struct reply *reply)
{
    bool path_known = false;

    if (request->host == HOST_STORAGE || request->host == HOST_AAD || request->host == HOST_IMDS) {
        (request->host == HOST_STORAGE ? api_storage : api_identity)(sim, request, reply);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!(routes[i].hosts & (1 << request->host)) || !is_path(&routes[i], request->path))
            continue;
        path_known = true;
        if (strcmp(routes[i].method, request->method) == 0) {
            serve(sim, &routes[i], request, reply);
            return;
        }
    }
    reply_empty(reply, path_known ? 405 : 404);
}
