#include "peerd/ring/view_json.h"

#include <inttypes.h>

#include "common/base/clock.h"
#include "peerd/ring/ring.h"

static void set_text(json_t *object, const char *key, const char *text)
{
    if (*text)
        json_object_set_new(object, key, json_string(text));
}

static json_t *databases_json(const struct peer_state *state)
{
    json_t *out = json_object();
    for (size_t i = 0; out && i < state->database_count; i++) {
        const struct peer_database *database = &state->databases[i];
        json_object_set_new(out, database->name,
                            json_pack("{s:s, s:I, s:b}", "health", health_word(database->health), "since",
                                      (json_int_t)database->since_ms, "failover",
                                      database->failover.is_active));
    }
    return out;
}

static void add_state(json_t *out, const struct peer_state *state)
{
    set_text(out, "version", state->version);
    json_object_set_new(out, "incarnation", json_integer(state->incarnation));
    json_object_set_new(out, "disk",
                        json_pack("{s:I, s:I, s:s}", "used", (json_int_t)state->disk_used, "limit",
                                  (json_int_t)state->disk_limit, "pressure", state->pressure));
    json_object_set_new(out, "databases", databases_json(state));
}

static json_t *member_json(const struct view_member *member)
{
    json_t *out = json_pack("{s:s, s:s, s:b, s:b, s:s, s:I, s:I, s:I, s:I}", "name", member->name, "url",
                            member->url, "self", member->is_self, "present", member->is_present, "trouble",
                            view_trouble_word(member->trouble), "since", (json_int_t)member->changed_ms,
                            "polls", (json_int_t)member->polls, "poll_failures", (json_int_t)member->failures,
                            "transitions", (json_int_t)member->transitions);
    if (!out)
        return NULL;
    set_text(out, "connect_to", member->connect_to);
    set_text(out, "words", member->words);
    if (member->heard_ms)
        json_object_set_new(out, "heard", json_integer(member->heard_ms));
    if (member->state)
        add_state(out, member->state);
    return out;
}

json_t *view_members_json(const struct view *view)
{
    json_t *out = json_array();
    for (size_t i = 0; out && i < view->count; i++)
        json_array_append_new(out, member_json(&view->members[i]));
    return out;
}

static json_t *ranking_json(const struct view *view, const char *key)
{
    struct ring_place places[VIEW_MEMBERS_MAX + 1];
    size_t count = 0;
    for (size_t i = 0; i < view->count; i++) {
        const struct view_member *member = &view->members[i];
        bool is_one = member->trouble != VIEW_DOUBLE && member->trouble != VIEW_MISNAMED;
        if (*member->name && is_one)
            places[count++] = (struct ring_place){.name = member->name, .index = i};
    }
    ring_rank(places, count, key);
    json_t *out = json_array();
    for (size_t i = 0; out && i < count; i++) {
        const struct view_member *member = &view->members[places[i].index];
        char weight[17];
        snprintf(weight, sizeof weight, "%016" PRIx64, places[i].weight);
        json_array_append_new(out, json_pack("{s:s, s:s, s:b, s:s}", "name", member->name, "weight", weight,
                                             "present", member->is_present, "trouble",
                                             view_trouble_word(member->trouble)));
    }
    return out;
}

json_t *view_owner_json(const struct view *view, const char *db, const char *table, const char *schema)
{
    char key[RING_KEY_BYTES];
    const struct view_member *owner = view_owner(view, db, table, schema);
    ring_key(key, db, table, schema);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o}", "db", db, "table", table, "schema",
                     schema && *schema ? schema : "-", "key", key, "owner", owner->name, "url", owner->url,
                     "self", owner->is_self, "ranking", ranking_json(view, key));
}
