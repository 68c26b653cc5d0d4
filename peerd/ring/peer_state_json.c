#include <ctype.h>
#include <errno.h>
#include <jansson.h>

#include "common/segment/name.h"
#include "peerd/failover/overrides.h"
#include "peerd/ring/peer_state.h"

enum { STATE_VERSION = 1 };

/* --- writing ---------------------------------------------------------------------------------------- */

static json_t *database_json(const struct peer_database *database)
{
    json_t *failover = json_pack("{s:b}", "active", database->failover.is_active);
    if (failover && *database->failover.at)
        json_object_set_new(failover, "at", json_string(database->failover.at));
    if (failover && database->failover.since_ms)
        json_object_set_new(failover, "since", json_integer(database->failover.since_ms));
    return json_pack("{s:s, s:I, s:o, s:{s:I, s:I}}", "health", health_word(database->health), "since",
                     (json_int_t)database->since_ms, "failover", failover, "held", "bytes",
                     (json_int_t)database->held_bytes, "segments", (json_int_t)database->held_segments);
}

static json_t *state_json(const struct peer_state *state)
{
    json_t *databases = json_object();
    for (size_t i = 0; databases && i < state->database_count; i++)
        json_object_set_new(databases, state->databases[i].name, database_json(&state->databases[i]));
    return json_pack("{s:i, s:s, s:s, s:I, s:{s:I, s:I, s:s}, s:o, s:o}", "v", STATE_VERSION, "name",
                     state->name, "version", state->version, "incarnation", (json_int_t)state->incarnation,
                     "disk", "used", (json_int_t)state->disk_used, "limit", (json_int_t)state->disk_limit,
                     "pressure", state->pressure, "databases", databases, "overrides",
                     overrides_json(state->overrides, state->override_count));
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

/* --- understanding ---------------------------------------------------------------------------------- */

static int bad(struct err *err, const char *key, const char *wanted)
{
    return err_set(err, -EINVAL, "its \"%s\" is not %s", key, wanted);
}

/* An integer from 0 on; absent: 0. */
static int take_number(const json_t *object, const char *key, int64_t *number, struct err *err)
{
    const json_t *value = json_object_get(object, key);
    *number = value ? json_integer_value(value) : 0;
    return !value || (json_is_integer(value) && *number >= 0) ? 0 : bad(err, key, "a number from 0 on");
}

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            return false;
    return true;
}

/* A text of less than `room` bytes; absent: what is in `text` stays. */
static int take_text(const json_t *object, const char *key, char *text, size_t room, struct err *err)
{
    const json_t *value = json_object_get(object, key);
    const char *given = json_string_value(value);
    if (!value)
        return 0;
    if (!given || strlen(given) >= room || !is_printable(given))
        return bad(err, key, "a short text");
    snprintf(text, room, "%s", given);
    return 0;
}

/* An object; absent: NULL. */
static int take_object(const json_t *object, const char *key, json_t **value, struct err *err)
{
    *value = json_object_get(object, key);
    return !*value || json_is_object(*value) ? 0 : bad(err, key, "an object");
}

static int take_failover(const json_t *json, struct peer_database *database, struct err *err)
{
    json_t *failover;
    int rc = take_object(json, "failover", &failover, err);
    if (rc || !failover)
        return rc;
    const json_t *active = json_object_get(failover, "active");
    if (active && !json_is_boolean(active))
        return bad(err, "active", "true or false");
    database->failover.is_active = json_is_true(active);
    rc = take_text(failover, "at", database->failover.at, sizeof database->failover.at, err);
    if (rc == 0 && *database->failover.at && !peer_name_is_valid(database->failover.at))
        rc = bad(err, "at", "a member's name");
    return rc ? rc : take_number(failover, "since", &database->failover.since_ms, err);
}

static int take_held(const json_t *json, struct peer_database *database, struct err *err)
{
    json_t *held;
    int rc = take_object(json, "held", &held, err);
    if (rc == 0)
        rc = take_number(held, "bytes", &database->held_bytes, err);
    return rc ? rc : take_number(held, "segments", &database->held_segments, err);
}

static int take_database(struct peer_state *state, const char *name, const json_t *json, struct err *err)
{
    char health[PEER_WORD_BYTES] = "";
    if (!json_is_object(json) || name_check(name, strlen(name)) != NAME_OK)
        return bad(err, "databases", "an object of objects by database");
    struct peer_database *database = peer_state_add(state, name);
    if (!database)
        return state->database_count >= PEER_DATABASES_MAX
                   ? err_set(err, -EINVAL, "it names more than %d databases", PEER_DATABASES_MAX)
                   : err_set(err, -ENOMEM, "out of memory");
    int rc = take_text(json, "health", health, sizeof health, err);
    if (rc == 0 && *health)
        database->health = health_parse(health);
    if (rc == 0)
        rc = take_number(json, "since", &database->since_ms, err);
    if (rc == 0)
        rc = take_held(json, database, err);
    return rc ? rc : take_failover(json, database, err);
}

static int take_disk(struct peer_state *state, const json_t *json, struct err *err)
{
    json_t *disk;
    int rc = take_object(json, "disk", &disk, err);
    if (rc == 0)
        rc = take_number(disk, "used", &state->disk_used, err);
    if (rc == 0)
        rc = take_number(disk, "limit", &state->disk_limit, err);
    return rc ? rc : take_text(disk, "pressure", state->pressure, sizeof state->pressure, err);
}

static void take_override(void *arg, const struct override *word)
{
    struct peer_state *state = arg;
    state->overrides[state->override_count++] = *word;
}

static int take_overrides(struct peer_state *state, const json_t *json, struct err *err)
{
    json_t *overrides;
    int rc = take_object(json, "overrides", &overrides, err);
    size_t count = json_object_size(overrides);
    if (rc || count == 0)
        return rc;
    if (count > OVERRIDES_MAX)
        return err_set(err, -EINVAL, "it tells more than %d words of operators", OVERRIDES_MAX);
    state->overrides = calloc(count, sizeof *state->overrides);
    if (!state->overrides)
        return err_set(err, -ENOMEM, "out of memory");
    overrides_read(overrides, take_override, state);
    return 0;
}

static int take_state(struct peer_state *state, json_t *json, struct err *err)
{
    json_t *databases, *database;
    const char *name;
    int rc = take_text(json, "name", state->name, sizeof state->name, err);
    if (rc == 0 && !peer_name_is_valid(state->name))
        rc = bad(err, "name", "a member's name: 1 to 63 letters, digits, '.', '_' and '-'");
    state->version[0] = '\0';
    if (rc == 0)
        rc = take_text(json, "version", state->version, sizeof state->version, err);
    if (rc == 0)
        rc = take_number(json, "incarnation", &state->incarnation, err);
    if (rc == 0)
        rc = take_disk(state, json, err);
    if (rc == 0)
        rc = take_object(json, "databases", &databases, err);
    if (rc)
        return rc;
    json_object_foreach (databases, name, database) {
        rc = take_database(state, name, database, err);
        if (rc)
            return rc;
    }
    peer_state_sort(state);
    return take_overrides(state, json, err);
}

/* Its version comes first: what another one means by the rest is not for us to say. */
static int check_version(const json_t *json, struct err *err)
{
    const json_t *version = json_object_get(json, "v");
    if (!json_is_object(json))
        return err_set(err, -EINVAL, "it is not a JSON object");
    if (!json_is_integer(version))
        return bad(err, "v", "a number");
    if (json_integer_value(version) != STATE_VERSION)
        return err_set(err, -EPROTO, "it is of version %lld; this program understands %d",
                       (long long)json_integer_value(version), STATE_VERSION);
    return 0;
}

int peer_state_parse(const char *text, size_t bytes, struct peer_state **out, struct err *err)
{
    json_error_t error;
    *out = NULL;
    if (bytes > PEER_STATE_BYTES_MAX)
        return err_set(err, -EINVAL, "it is longer than %d bytes", PEER_STATE_BYTES_MAX);
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        return err_set(err, -EINVAL, "it is not JSON: %.100s", error.text);
    int rc = check_version(json, err);
    struct peer_state *state = rc ? NULL : peer_state_new("", 0);
    if (rc == 0)
        rc = state ? take_state(state, json, err) : err_set(err, -ENOMEM, "out of memory");
    json_decref(json);
    if (rc)
        peer_state_unref(state);
    else
        *out = state;
    return rc;
}
