/* Who may ask: bearer tokens, from a file, or issued by the fake identity endpoints to the principals of
 * --auth. That file is JSON:
 *
 *     {"tenant": "T", "resource": "https://kusto.kusto.windows.net", "other_resources": [..],
 * "identity_header": "H", "principals": [{"client_id": "C", "client_secret": "S", "assertion_file": "F",
 * "managed": true, "role": false}]}
 *
 * resource: what tokens must be for (this is the default); for others they are issued too, and refused by
 * Kusto. managed: to be had from IMDS and App Service, the first such one without naming it; role: false is a
 * principal that no cluster lets in. Nothing changes after auth_load; thread-safe. */
#ifndef ADXSIM_AUTH_H
#define ADXSIM_AUTH_H

#include <jansson.h>

#include "common/base/compiler.h"
#include "tests/adxsim/sim.h"

#define AUTH_DEFAULT_RESOURCE "https://kusto.kusto.windows.net"

struct auth;

/* NULL with a reason (of static storage, or the JSON parser's in *room) when the file is not such JSON. */
struct auth *auth_load(const char *path, const char **reason, json_error_t *room);
void auth_free(struct auth *auth);

enum auth_result {
    AUTH_GRANTED,
    AUTH_NO_TOKEN, /* absent, unknown, expired, for another audience */
    AUTH_NO_ROLE   /* a good token of a principal without a role */
};

/* authorization: the header's value, or NULL. */
enum auth_result auth_check(const struct sim *sim, const char *authorization);

const char *auth_text(const struct auth *auth, const char *key); /* "" when absent */
bool auth_has_resource(const struct auth *auth, const char *resource);
/* By client_id, or (NULL) the first that is managed; NULL: none. */
const json_t *auth_principal(const struct auth *auth, const char *client_id);

#endif
