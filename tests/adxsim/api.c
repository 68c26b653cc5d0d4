#include "tests/adxsim/api.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/adxsim/reply.h"

#define INGEST_PREFIX "/v1/rest/ingest/"

enum auth { AUTH_NONE, AUTH_BEARER };

struct route {
    const char *method;
    const char *path; /* whole, or up to its end when that is a slash */
    enum auth auth;
    void (*serve)(const struct sim *, struct request *, struct reply *);
};

static const struct route routes[] = {
    {"GET", "/v1/rest/auth/metadata", AUTH_NONE, api_metadata},
    {"POST", "/v1/rest/mgmt", AUTH_BEARER, api_mgmt},
    {"POST", "/v1/rest/query", AUTH_BEARER, api_query},
    {"POST", INGEST_PREFIX, AUTH_BEARER, api_ingest},
    {"GET", "/_sim/", AUTH_NONE, api_admin},
    {"POST", "/_sim/", AUTH_NONE, api_admin},
    {"DELETE", "/_sim/", AUTH_NONE, api_admin},
};

size_t api_body_max(const char *path)
{
    return strncmp(path, INGEST_PREFIX, strlen(INGEST_PREFIX)) == 0 ? INGEST_WIRE_MAX : MGMT_BODY_MAX;
}

/* One of the lines of the token file? */
static bool is_known_token(const char *file, const char *token)
{
    char text[65536];
    bool known = false;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    if (len < 0) {
        fprintf(stderr, "error token-file path=%s cause=\"cannot be read\"\n", file);
        return false;
    }
    text[len] = '\0';
    for (const char *line = text; *line && *token;) {
        size_t n = strcspn(line, "\r\n");
        known |= n == strlen(token) && memcmp(line, token, n) == 0;
        line += n;
        line += strspn(line, "\r\n");
    }
    return known;
}

static bool is_allowed(const struct sim *sim, const struct request *request)
{
    static const char scheme[] = "Bearer ";

    if (!sim->token_file)
        return true;
    return request->authorization && strncmp(request->authorization, scheme, strlen(scheme)) == 0 &&
           is_known_token(sim->token_file, request->authorization + strlen(scheme));
}

static bool is_path(const struct route *route, const char *path)
{
    size_t len = strlen(route->path);

    return route->path[len - 1] == '/' ? strncmp(path, route->path, len) == 0
                                       : strcmp(path, route->path) == 0;
}

void api_serve(const struct sim *sim, struct request *request, struct reply *reply)
{
    bool path_known = false;
    struct sim_error error;

    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!is_path(&routes[i], request->path))
            continue;
        path_known = true;
        if (strcmp(routes[i].method, request->method) != 0)
            continue;
        if (routes[i].auth == AUTH_BEARER && !is_allowed(sim, request)) {
            reply_empty(reply, 401);
        } else if (request->too_large) {
            error_set(&error, ERROR_PAYLOAD_TOO_LARGE, "The request's body is larger than %zu bytes",
                      request->body.max);
            reply_error(reply, request, &error);
        } else {
            routes[i].serve(sim, request, reply);
        }
        return;
    }
    reply_empty(reply, path_known ? 405 : 404);
}
