/* What was thought of each database outlives the process, in state/health.json: one that was away is away for
 * a new uploader too, until it has shown by the breaker's own rule that it is back. Otherwise each restart
 * would end a failover of the ring for as long as it takes to find out anew, and one that is started again
 * and again would do so without any bound. The file is an advice: it is lost without harm, and says nothing
 * of a database that has another target by now. Not with --once, which nobody asks for its opinion. */
#include <errno.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "uploader/uploader.h"

enum { FILE_VERSION = 1, FILE_BYTES_MAX = 16 << 20 };

static const char file_name[] = "health.json";

static enum verdict verdict_of(enum health health)
{
    return health == HEALTH_UNAUTHORISED ? VERDICT_UNAUTHORISED
           : health == HEALTH_MISSING    ? VERDICT_MISSING
                                         : VERDICT_DOWN;
}

static void recall(struct database *d, const json_t *said, struct mono now)
{
    const char *target = json_string_value(json_object_get(said, "target"));
    const char *word = json_string_value(json_object_get(said, "health"));
    const char *reason = json_string_value(json_object_get(said, "reason"));
    enum health health = word ? health_parse(word) : HEALTH_UP;
    if (!target || strcmp(target, d->target.place) != 0 || !health_is_away(health))
        return;
    breaker_recall(&d->breaker, verdict_of(health), now);
    d->health = health;
    d->health_since_ms = json_integer_value(json_object_get(said, "since"));
    d->reason = (struct outcome){.verdict = verdict_of(health)};
    snprintf(d->reason.text, sizeof d->reason.text, "%s", reason ? reason : "");
    log_info("database-still-down", log_s("db", d->target.db), log_s("is", word), log_s("cause", reason),
             log_s("meaning", "it was when the last uploader ended; it is asked now"));
}

void opinion_load(struct uploader *u)
{
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    int rc = u->is_once ? -ENOENT : file_read(u->daemon->spool.state, file_name, &text);
    json_t *root = rc == 0 && text.len ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    const json_t *databases = json_object_get(root, "databases");
    if (rc != -ENOENT && json_integer_value(json_object_get(root, "v")) != FILE_VERSION)
        log_warn("health-forgotten", log_s("file", "state/health.json"),
                 log_s("cause", rc ? strerror(-rc) : "it is not what this version writes"),
                 log_s("meaning", "each database counts as up until something is heard of it"));
    else
        for (size_t i = 0; i < u->database_count; i++)
            recall(&u->databases[i], json_object_get(databases, u->databases[i].target.db), mono_now());
    json_decref(root);
    buf_fini(&text);
}

static json_t *databases_json(const struct uploader *u)
{
    json_t *databases = json_object();
    for (size_t i = 0; i < u->database_count; i++) {
        const struct database *d = &u->databases[i];
        if (!health_is_away(d->health))
            continue;
        json_t *one = json_pack("{s:s, s:s, s:I}", "target", d->target.place, "health",
                                health_word(d->health), "since", (json_int_t)d->health_since_ms);
        json_object_set_new(one, "reason", json_string(d->reason.text)); /* or none, if it is not text */
        json_object_set_new(databases, d->target.db, one);
    }
    return databases;
}

void opinion_store(const struct uploader *u)
{
    if (u->is_once)
        return;
    json_t *root = json_pack("{s:i, s:o}", "v", FILE_VERSION, "databases", databases_json(u));
    char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
    int rc = text ? file_replace_lazily(u->daemon->spool.state, file_name, text, strlen(text)) : -ENOMEM;
    if (rc)
        log_warn("health-not-stored", log_s("file", "state/health.json"), log_s("cause", strerror(-rc)),
                 log_s("meaning", "an uploader that is started now finds out anew what is away"));
    free(text);
    json_decref(root);
}
