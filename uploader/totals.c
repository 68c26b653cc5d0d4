#include "uploader/totals.h"

#include <errno.h>
#include <pthread.h>

#include "common/base/file.h"
#include "common/base/log.h"

enum { TOTALS_BYTES_MAX = 4 << 20, TOTALS_VERSION = 1 };

static const char file_name[] = "uploader.json";

struct totals {
    const struct spool *spool;
    pthread_mutex_t lock; /* guards root and the file */
    json_t *root;         /* {"v":1,"databases":{DB:{…}},"counted":{ID:true}} */
};

static bool is_usable(const json_t *root)
{
    return json_integer_value(json_object_get(root, "v")) == TOTALS_VERSION &&
           json_is_object(json_object_get(root, "databases")) &&
           json_is_object(json_object_get(root, "counted"));
}

static json_t *load(const struct spool *spool)
{
    struct buf text;
    buf_init(&text, TOTALS_BYTES_MAX);
    int rc = file_read(spool->state, file_name, &text);
    json_t *root = rc == 0 && text.len ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    buf_fini(&text);
    if (is_usable(root))
        return root;
    if (rc != -ENOENT)
        log_warn("totals-lost", log_s("file", "state/uploader.json"),
                 log_s("advice", "counting starts from 0"));
    json_decref(root);
    return json_pack("{s:i, s:{}, s:{}}", "v", TOTALS_VERSION, "databases", "counted");
}

struct totals *totals_new(const struct spool *spool)
{
    struct totals *totals = calloc(1, sizeof *totals);
    if (!totals)
        return NULL;
    totals->spool = spool;
    pthread_mutex_init(&totals->lock, NULL);
    totals->root = load(spool);
    if (totals->root)
        return totals;
    totals_free(totals);
    return NULL;
}

void totals_free(struct totals *totals)
{
    if (!totals)
        return;
    json_decref(totals->root);
    pthread_mutex_destroy(&totals->lock);
    free(totals);
}

static void store(struct totals *totals)
{
    char *text = json_dumps(totals->root, JSON_INDENT(1) | JSON_SORT_KEYS);
    int rc = text ? file_replace_lazily(totals->spool->state, file_name, text, strlen(text)) : -ENOMEM;
    if (rc)
        log_warn("totals-not-written", log_s("cause", strerror(-rc)));
    free(text);
}

static json_t *database(struct totals *totals, const char *db)
{
    json_t *all = json_object_get(totals->root, "databases");
    json_t *one = json_object_get(all, db);
    if (!one) {
        one = json_object();
        json_object_set_new(all, db, one);
    }
    return one;
}

static void increase(json_t *object, const char *name, uint64_t by)
{
    json_int_t had = json_integer_value(json_object_get(object, name));
    json_object_set_new(object, name, json_integer(had + (json_int_t)by));
}

void totals_add(struct totals *totals, const char *db, const char *batch, const struct totals_delta *delta)
{
    pthread_mutex_lock(&totals->lock);
    json_t *counted = json_object_get(totals->root, "counted");
    if (!batch || !json_object_get(counted, batch)) {
        json_t *one = database(totals, db);
        increase(one, "batches", delta->batches);
        increase(one, "rows_uploaded", delta->rows_uploaded);
        increase(one, "raw_bytes", delta->raw_bytes);
        increase(one, "bytes", delta->bytes);
        increase(one, "rows_quarantined", delta->rows_quarantined);
        increase(one, "quarantined", delta->quarantined);
        increase(one, "failures", delta->failures);
        if (batch)
            json_object_set_new(counted, batch, json_true());
        store(totals);
    }
    pthread_mutex_unlock(&totals->lock);
}

void totals_forget(struct totals *totals, const char *batch)
{
    pthread_mutex_lock(&totals->lock);
    json_object_del(json_object_get(totals->root, "counted"), batch);
    pthread_mutex_unlock(&totals->lock);
}

void totals_forget_all(struct totals *totals)
{
    pthread_mutex_lock(&totals->lock);
    json_object_clear(json_object_get(totals->root, "counted"));
    pthread_mutex_unlock(&totals->lock);
}

json_t *totals_of(struct totals *totals, const char *db)
{
    pthread_mutex_lock(&totals->lock);
    json_t *copy = json_deep_copy(json_object_get(json_object_get(totals->root, "databases"), db));
    pthread_mutex_unlock(&totals->lock);
    return copy ? copy : json_object();
}

uint64_t totals_get(struct totals *totals, const char *db, const char *name)
{
    json_t *one = totals_of(totals, db);
    json_int_t value = json_integer_value(json_object_get(one, name));
    json_decref(one);
    return value > 0 ? (uint64_t)value : 0;
}
