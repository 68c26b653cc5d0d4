#include "peerd/failover/board_file.h"

#include <errno.h>
#include <fcntl.h>

#include "common/base/file.h"
#include "common/base/log.h"

enum { FILE_VERSION = 1, FILE_BYTES_MAX = 4 << 20 };

static const char file_name[] = "failover.json";

struct loading {
    struct overrides *overrides;
    int64_t wall_ms;
};

static void load_one(void *arg, const struct override *word)
{
    struct loading *loading = arg;
    (void)overrides_hear(loading->overrides, word, loading->wall_ms);
}

static int set_aside(const struct spool *spool)
{
    log_warn("failover-words-lost", log_s("file", "state/failover.json"),
             log_s("cause", "it is not what this version writes"), log_s("kept-as", "failover.json.bad"),
             log_s("do", "say again what should hold: spillway failover on|off DB"));
    return renameat(spool->state, file_name, spool->state, "failover.json.bad") == 0 ? 0 : -errno;
}

static void load_databases(struct board *board, const json_t *databases)
{
    const char *db;
    json_t *one;
    json_object_foreach ((json_t *)(uintptr_t)databases, db, one) {
        struct board_entry *entry = name_check(db, strlen(db)) == NAME_OK ? board_make(board, db) : NULL;
        const char *at = json_string_value(json_object_get(one, "at"));
        const char *health = json_string_value(json_object_get(one, "health"));
        if (!entry)
            continue;
        entry->now.is_active = json_is_true(json_object_get(one, "active"));
        entry->since_ms = json_integer_value(json_object_get(one, "since"));
        if (at && peer_name_is_valid(at))
            snprintf(entry->at, sizeof entry->at, "%s", at);
        entry->health = health ? health_parse(health) : HEALTH_UP;
        entry->health_ms = json_integer_value(json_object_get(one, "health_since"));
    }
}

int board_file_load(struct board *board, struct overrides *overrides, const struct spool *spool,
                    int64_t wall_ms, struct err *err)
{
    struct loading loading = {.overrides = overrides, .wall_ms = wall_ms};
    struct buf text;
    overrides->count = 0;
    buf_init(&text, FILE_BYTES_MAX);
    int rc = file_read(spool->state, file_name, &text);
    json_t *root = rc == 0 && text.len ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    const json_t *object = json_object_get(root, "overrides");
    if (rc == -ENOENT)
        rc = 0;
    else if ((rc == 0 || rc == -EFBIG) &&
             (json_integer_value(json_object_get(root, "v")) != FILE_VERSION || !json_is_object(object)))
        rc = set_aside(spool);
    else if (rc == 0) {
        overrides_read(object, load_one, &loading);
        load_databases(board, json_object_get(root, "databases"));
    }
    json_decref(root);
    buf_fini(&text);
    return rc ? err_errno(err, rc, "spool %s: state/%s cannot be read", spool->path, file_name) : 0;
}

/* Only what is not as it would be without a word on it. */
static json_t *databases_json(const struct board *board)
{
    json_t *object = json_object();
    for (size_t i = 0; i < board->count; i++) {
        const struct board_entry *entry = &board->list[i];
        if (!entry->now.is_active && !health_is_away(entry->health))
            continue;
        json_object_set_new(object, entry->db,
                            json_pack("{s:b, s:s, s:I, s:s, s:I}", "active", entry->now.is_active, "at",
                                      entry->at, "since", (json_int_t)entry->since_ms, "health",
                                      health_word(entry->health), "health_since",
                                      (json_int_t)entry->health_ms));
    }
    return object;
}

int board_file_store(const struct board *board, const struct overrides *overrides, const struct spool *spool,
                     struct err *err)
{
    json_t *object = overrides_json(overrides->list, overrides->count);
    json_t *root = object ? json_pack("{s:i, s:o, s:o}", "v", FILE_VERSION, "overrides", object, "databases",
                                      databases_json(board))
                          : NULL;
    char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
    int rc = text ? file_replace(spool->state, file_name, text, strlen(text)) : -ENOMEM;
    free(text);
    json_decref(root);
    return rc ? err_errno(err, rc, "spool %s: state/%s cannot be written", spool->path, file_name) : 0;
}
