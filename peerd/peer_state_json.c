#include <errno.h>
#include <jansson.h>

#include "peerd/peer_state.h"

static json_t *database_json(const struct peer_database *database)
{
    json_t *failover = json_pack("{s:b}", "active", database->failover.is_active);
    if (failover && *database->failover.at)
        json_object_set_new(failover, "at", json_string(database->failover.at));
    if (failover && *database->failover.since)
        json_object_set_new(failover, "since", json_string(database->failover.since));
    json_t *out = json_pack("{s:s, s:o}", "health", health_word(database->health), "failover", failover);
    if (out && *database->since)
        json_object_set_new(out, "since", json_string(database->since));
    return out;
}

static json_t *state_json(const struct peer_state *state)
{
    json_t *databases = json_object();
    for (size_t i = 0; databases && i < state->database_count; i++)
        json_object_set_new(databases, state->databases[i].name, database_json(&state->databases[i]));
    return json_pack("{s:i, s:s, s:s, s:I, s:{s:I, s:I, s:s}, s:o}", "v", 1, "name", state->name, "version",
                     state->version, "incarnation", (json_int_t)state->incarnation, "disk", "used",
                     (json_int_t)state->disk_used, "limit", (json_int_t)state->disk_limit, "pressure",
                     state->pressure, "databases", databases);
}

int peer_state_write(const struct peer_state *state, struct buf *out)
{
    json_t *json = state_json(state);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    int rc = text ? buf_puts(out, text) : -ENOMEM;
    free(text);
    json_decref(json);
    return rc;
}
