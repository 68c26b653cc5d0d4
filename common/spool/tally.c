#include "common/spool/tally.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "common/base/file.h"
#include "common/base/log.h"

enum { TALLY_BYTES_MAX = 4 << 20, TALLY_VERSION = 1 };

struct tally {
    const struct spool *spool;
    const char *file;
    pthread_mutex_t lock; /* guards root and the file */
    json_t *root;
};

static bool is_usable(const json_t *root)
{
    return json_integer_value(json_object_get(root, "v")) == TALLY_VERSION &&
           json_is_object(json_object_get(root, "databases")) &&
           json_is_object(json_object_get(root, "counted"));
}

static int set_aside(const struct tally *tally)
{
    char kept[NAME_MAX + 1];
    int dir = tally->spool->state;
    snprintf(kept, sizeof kept, "%s.bad", tally->file);
    log_warn("totals-lost", log_s("file", tally->file), log_s("cause", "it is not what this version writes"),
             log_s("kept-as", kept), log_s("meaning", "counting starts from 0"));
    return renameat(dir, tally->file, dir, kept) == 0 ? 0 : -errno;
}

/* Only what was read, and cannot be understood, is begun anew. */
static int load(struct tally *tally)
{
    struct buf text;
    buf_init(&text, TALLY_BYTES_MAX);
    int rc = file_read(tally->spool->state, tally->file, &text);
    if (rc == 0)
        tally->root = json_loadb(text.data ? text.data : "", text.len, 0, NULL);
    buf_fini(&text);
    if (is_usable(tally->root))
        return 0;
    if (rc == 0 || rc == -EFBIG)
        rc = set_aside(tally);
    if (rc != 0 && rc != -ENOENT)
        return rc;
    json_decref(tally->root);
    tally->root = json_pack("{s:i, s:{}, s:{}}", "v", TALLY_VERSION, "databases", "counted");
    return tally->root ? 0 : -ENOMEM;
}

int tally_new(struct tally **out, const struct spool *spool, const char *file, struct err *err)
{
    struct tally *tally = calloc(1, sizeof *tally);
    if (!tally)
        return err_set(err, -ENOMEM, "out of memory");
    tally->spool = spool;
    tally->file = file;
    pthread_mutex_init(&tally->lock, NULL);
    int rc = load(tally);
    if (rc) {
        tally_free(tally);
        return err_errno(err, rc, "spool %s: state/%s cannot be read", spool->path, file);
    }
    *out = tally;
    return 0;
}

void tally_free(struct tally *tally)
{
    if (!tally)
        return;
    json_decref(tally->root);
    pthread_mutex_destroy(&tally->lock);
    free(tally);
}

static void store(struct tally *tally)
{
    char *text = json_dumps(tally->root, JSON_INDENT(1) | JSON_SORT_KEYS);
    int rc = text ? file_replace_lazily(tally->spool->state, tally->file, text, strlen(text)) : -ENOMEM;
    if (rc)
        log_warn("totals-not-written", log_s("file", tally->file), log_s("cause", strerror(-rc)));
    free(text);
}

static json_t *database(struct tally *tally, const char *db)
{
    json_t *all = json_object_get(tally->root, "databases");
    json_t *one = json_object_get(all, db);
    if (one)
        return one;
    json_object_set_new(all, db, json_object());
    return json_object_get(all, db);
}

void tally_add(struct tally *tally, const char *db, const char *key, const struct tally_item *items)
{
    pthread_mutex_lock(&tally->lock);
    json_t *counted = json_object_get(tally->root, "counted");
    if (!key || !json_object_get(counted, key)) {
        json_t *one = database(tally, db);
        for (; items->name; items++) {
            json_int_t had = json_integer_value(json_object_get(one, items->name));
            json_object_set_new(one, items->name, json_integer(had + (json_int_t)items->by));
        }
        if (key)
            json_object_set_new(counted, key, json_true());
        store(tally);
    }
    pthread_mutex_unlock(&tally->lock);
}

void tally_forget(struct tally *tally, const char *key)
{
    pthread_mutex_lock(&tally->lock);
    json_object_del(json_object_get(tally->root, "counted"), key);
    pthread_mutex_unlock(&tally->lock);
}

void tally_forget_all(struct tally *tally)
{
    pthread_mutex_lock(&tally->lock);
    json_object_clear(json_object_get(tally->root, "counted"));
    pthread_mutex_unlock(&tally->lock);
}

static uint64_t number_of(const json_t *one, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(one, name));
    return value > 0 ? (uint64_t)value : 0;
}

uint64_t tally_get(struct tally *tally, const char *db, const char *name)
{
    uint64_t sum = 0;
    const char *key;
    json_t *one;
    pthread_mutex_lock(&tally->lock);
    json_object_foreach (json_object_get(tally->root, "databases"), key, one)
        if (!db || strcmp(db, key) == 0)
            sum += number_of(one, name);
    pthread_mutex_unlock(&tally->lock);
    return sum;
}

json_t *tally_databases(struct tally *tally)
{
    pthread_mutex_lock(&tally->lock);
    json_t *copy = json_deep_copy(json_object_get(tally->root, "databases"));
    pthread_mutex_unlock(&tally->lock);
    return copy;
}
