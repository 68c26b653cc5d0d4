#include "peerd/failover/overrides.h"

#include <assert.h>
#include <errno.h>

/* A "clear" outlives what it clears, and at least this: a word that we have not heard may be about. */
static const int64_t clear_ms = INT64_C(24) * 3600 * 1000;

const char *override_mode_word(enum override_mode mode)
{
    static const char *const words[] = {
        [OVERRIDE_AUTO] = "clear", [OVERRIDE_ON] = "on", [OVERRIDE_OFF] = "off"};
    return words[mode];
}

static bool parse_mode(const char *word, enum override_mode *mode)
{
    for (int i = OVERRIDE_AUTO; i <= OVERRIDE_OFF; i++) {
        if (strcmp(word, override_mode_word((enum override_mode)i)) == 0) {
            *mode = (enum override_mode)i;
            return true;
        }
    }
    return false;
}

/* --- the list --------------------------------------------------------------------------------------- */

/* Where it is, or would be. */
static size_t place_of(const struct overrides *overrides, const char *db, bool *is_there)
{
    size_t low = 0, high = overrides->count;
    *is_there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(overrides->list[middle].db, db);
        if (order == 0) {
            *is_there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int put(struct overrides *overrides, const struct override *word)
{
    bool is_there;
    assert(overrides && word);
    size_t at = place_of(overrides, word->db, &is_there);
    if (!is_there) {
        if (overrides->count == OVERRIDES_MAX)
            return -ENOSPC;
        memmove(&overrides->list[at + 1], &overrides->list[at],
                (overrides->count - at) * sizeof overrides->list[0]);
        overrides->count++;
    }
    overrides->list[at] = *word;
    return 0;
}

static const struct override *get(const struct overrides *overrides, const char *db)
{
    bool is_there;
    size_t at = place_of(overrides, db, &is_there);
    return is_there ? &overrides->list[at] : NULL;
}

const struct override *overrides_find(const struct overrides *overrides, const char *db, int64_t wall_ms)
{
    const struct override *word = get(overrides, db);
    return word && word->mode != OVERRIDE_AUTO && word->until_ms > wall_ms ? word : NULL;
}

bool overrides_expire(struct overrides *overrides, int64_t wall_ms)
{
    size_t kept = 0, before = overrides->count;
    for (size_t i = 0; i < before; i++)
        if (overrides->list[i].until_ms > wall_ms)
            overrides->list[kept++] = overrides->list[i];
    overrides->count = kept;
    return kept < before;
}

/* --- what is said and heard ------------------------------------------------------------------------- */

static int check(const struct override *word, struct err *err)
{
    if (name_check(word->db, strlen(word->db)) != NAME_OK)
        return err_set(err, -EINVAL, "'%s' is not a database's name", word->db);
    if (word->at[0] && (word->mode != OVERRIDE_ON || !peer_name_is_valid(word->at)))
        return err_set(err, -EINVAL,
                       "'%s': only `on` takes the name of a member, of letters, digits, '.', "
                       "'_' and '-'",
                       word->at);
    if (!peer_name_is_valid(word->by))
        return err_set(err, -EINVAL, "'%s' is not a member's name", word->by);
    return 0;
}

int overrides_say(struct overrides *overrides, const struct override *word, int64_t wall_ms, struct err *err)
{
    const struct override *before = get(overrides, word->db);
    struct override now = *word;
    int rc = check(word, err);
    if (rc)
        return rc;
    if (now.until_ms <= wall_ms || now.until_ms > wall_ms + OVERRIDE_TTL_MAX_MS)
        return err_set(err, -EINVAL, "a word holds for some time, of at most 90 days");
    now.set_ms = before && before->set_ms >= wall_ms ? before->set_ms + 1 : wall_ms;
    if (now.mode == OVERRIDE_AUTO) {
        now.until_ms = wall_ms + clear_ms;
        if (before && before->until_ms > now.until_ms)
            now.until_ms = before->until_ms;
    }
    rc = put(overrides, &now);
    return rc ? err_set(err, rc, "words on %d databases are known already: clear some", OVERRIDES_MAX) : 0;
}

static bool is_later(const struct override *word, const struct override *than)
{
    if (word->set_ms != than->set_ms)
        return word->set_ms > than->set_ms;
    return strcmp(word->by, than->by) > 0;
}

bool overrides_hear(struct overrides *overrides, const struct override *word, int64_t wall_ms)
{
    const struct override *before = get(overrides, word->db);
    struct override now = *word;
    if (check(word, NULL) || now.set_ms < 0 || now.until_ms <= wall_ms || (before && !is_later(word, before)))
        return false;
    if (now.until_ms > wall_ms + OVERRIDE_TTL_MAX_MS)
        now.until_ms = wall_ms + OVERRIDE_TTL_MAX_MS;
    return put(overrides, &now) == 0;
}

bool overrides_hear_all(struct overrides *overrides, const struct peer_state *state, int64_t wall_ms)
{
    bool is_news = false;
    for (size_t i = 0; state && i < state->override_count; i++)
        is_news = overrides_hear(overrides, &state->overrides[i], wall_ms) || is_news;
    return is_news;
}

/* --- JSON ------------------------------------------------------------------------------------------- */

json_t *overrides_json(const struct override *list, size_t count)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        const struct override *word = &list[i];
        json_t *one =
            json_pack("{s:s, s:s, s:I, s:I}", "mode", override_mode_word(word->mode), "by", word->by, "set",
                      (json_int_t)word->set_ms, "until", (json_int_t)word->until_ms);
        if (one && word->at[0])
            json_object_set_new(one, "at", json_string(word->at));
        if (json_object_set_new(object, word->db, one) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static bool copy(char *to, size_t room, const char *text)
{
    size_t bytes = text ? strlen(text) : 0;
    if (bytes >= room)
        return false;
    memcpy(to, text ? text : "", bytes + 1);
    return true;
}

static bool read_one(const char *db, const json_t *one, struct override *word)
{
    const char *mode = json_string_value(json_object_get(one, "mode"));
    const json_t *set = json_object_get(one, "set"), *until = json_object_get(one, "until");
    *word = (struct override){.set_ms = json_integer_value(set), .until_ms = json_integer_value(until)};
    return mode && parse_mode(mode, &word->mode) && json_is_integer(set) && json_is_integer(until) &&
           copy(word->db, sizeof word->db, db) &&
           copy(word->at, sizeof word->at, json_string_value(json_object_get(one, "at"))) &&
           copy(word->by, sizeof word->by, json_string_value(json_object_get(one, "by"))) &&
           check(word, NULL) == 0;
}

void overrides_read(const json_t *object, void (*each)(void *arg, const struct override *word), void *arg)
{
    const char *db;
    json_t *one;
    struct override word;
    json_object_foreach ((json_t *)(uintptr_t)object, db, one)
        if (read_one(db, one, &word))
            each(arg, &word);
}
