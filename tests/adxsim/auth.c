#include "tests/adxsim/auth.h"

#include <fcntl.h>

#include "tests/adxsim/buf.h"
#include "tests/adxsim/ticket.h"

struct auth {
    json_t *config;
};

static const char *check(const json_t *config)
{
    const json_t *principals = json_object_get(config, "principals");

    if (!json_is_string(json_object_get(config, "tenant")) || !json_is_array(principals))
        return "tenant (a string) or principals (an array) is missing";
    for (size_t i = 0; i < json_array_size(principals); i++)
        if (!json_is_string(json_object_get(json_array_get(principals, i), "client_id")))
            return "a principal has no client_id";
    return NULL;
}

struct auth *auth_load(const char *path, const char **reason, json_error_t *room)
{
    json_t *config = json_load_file(path, 0, room);

    *reason = config ? check(config) : room->text;
    if (*reason) {
        json_decref(config);
        return NULL;
    }
    if (!json_object_get(config, "resource"))
        json_object_set_new(config, "resource", json_string(AUTH_DEFAULT_RESOURCE));
    struct auth *auth = mem_alloc(sizeof *auth);
    auth->config = config;
    return auth;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    json_decref(auth->config);
    free(auth);
}

const char *auth_text(const struct auth *auth, const char *key)
{
    const char *text = json_string_value(json_object_get(auth->config, key));

    return text ? text : "";
}

bool auth_has_resource(const struct auth *auth, const char *resource)
{
    const json_t *others = json_object_get(auth->config, "other_resources");
    bool known = strcmp(auth_text(auth, "resource"), resource) == 0;

    for (size_t i = 0; i < json_array_size(others); i++) {
        const char *other = json_string_value(json_array_get(others, i));
        known |= other && strcmp(other, resource) == 0;
    }
    return known;
}

const json_t *auth_principal(const struct auth *auth, const char *client_id)
{
    const json_t *principals = json_object_get(auth->config, "principals");

    for (size_t i = 0; i < json_array_size(principals); i++) {
        const json_t *one = json_array_get(principals, i);
        const char *id = json_string_value(json_object_get(one, "client_id"));
        if (client_id ? strcmp(id, client_id) == 0 : json_is_true(json_object_get(one, "managed")))
            return one;
    }
    return NULL;
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

static enum auth_result check_issued(const struct sim *sim, const char *token)
{
    char principal[256];

    if (ticket_check(sim->store, token, auth_text(sim->auth, "resource"), principal, sizeof principal) !=
        TICKET_GOOD)
        return AUTH_NO_TOKEN;
    const json_t *known = auth_principal(sim->auth, principal);
    return known && !json_is_false(json_object_get(known, "role")) ? AUTH_GRANTED : AUTH_NO_ROLE;
}

enum auth_result auth_check(const struct sim *sim, const char *authorization)
{
    static const char scheme[] = "Bearer ";

    if (!sim->token_file && !sim->auth)
        return AUTH_GRANTED;
    if (!authorization || strncmp(authorization, scheme, strlen(scheme)) != 0)
        return AUTH_NO_TOKEN;
    const char *token = authorization + strlen(scheme);
    if (sim->auth)
        return check_issued(sim, token);
    return is_known_token(sim->token_file, token) ? AUTH_GRANTED : AUTH_NO_TOKEN;
}
