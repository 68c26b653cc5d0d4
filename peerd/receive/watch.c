#include "peerd/receive/watch.h"

#include <errno.h>
#include <pthread.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/cond.h"
#include "common/control/client.h"
#include "common/control/message.h"

enum { ASK_EVERY_MS = 1000, ASK_MS = 2000, TEXT_MAX = 8 << 20 };

struct watch {
    const struct spool *spool;
    struct ctl_client *guard; /* NULL: not asked */
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    bool is_stopping;
    struct scrape *first, **end;
    char reasons[WATCH_REASONS_MAX][WATCH_REASON_BYTES];
    size_t reason_count;
};

/* --- diskguard -------------------------------------------------------------------------------------- */

static void set_reasons(struct watch *watch, const json_t *list, const char *only)
{
    pthread_mutex_lock(&watch->lock);
    watch->reason_count = 0;
    size_t count = only ? 1 : json_array_size(list);
    for (size_t i = 0; i < count && i < WATCH_REASONS_MAX; i++) {
        const char *word = only ? only : json_string_value(json_array_get(list, i));
        snprintf(watch->reasons[watch->reason_count++], WATCH_REASON_BYTES, "%.*s", WATCH_REASON_BYTES - 1,
                 word ? word : "unknown");
    }
    pthread_mutex_unlock(&watch->lock);
}

static void ask_guard(struct watch *watch)
{
    json_t *request = message_request("status"), *reply = NULL;
    struct err err;
    if (request && ctl_client_ask(watch->guard, request, ASK_MS, &reply, &err) == 0)
        set_reasons(watch, json_object_get(reply, "not_ready"), NULL);
    else
        set_reasons(watch, NULL, "no-diskguard");
    json_decref(reply);
    json_decref(request);
}

size_t watch_reasons(struct watch *watch, char reasons[static WATCH_REASONS_MAX][WATCH_REASON_BYTES])
{
    pthread_mutex_lock(&watch->lock);
    size_t count = watch->reason_count;
    memcpy(reasons, watch->reasons, sizeof watch->reasons);
    pthread_mutex_unlock(&watch->lock);
    return count;
}

/* --- metrics ---------------------------------------------------------------------------------------- */

/* As `spillway metrics` does; peerd itself answers like the others, in its main thread. */
static char *gather(const struct watch *watch)
{
    static const char *const programs[] = {"walwriter", "diskguard", "peerd", "uploader"};
    struct buf text;
    json_t *request = message_request("metrics");
    buf_init(&text, TEXT_MAX);
    for (size_t i = 0; request && i < ARRAY_LEN(programs); i++) {
        json_t *reply = NULL;
        struct err err;
        int rc = ctl_ask_once(watch->spool, programs[i], request, ASK_MS, &reply, &err) == 0
                     ? buf_puts(&text, message_text(reply, "text", ""))
                     : buf_printf(&text, "spillway_up{program=\"%s\"} 0\n", programs[i]);
        json_decref(reply);
        if (rc)
            break;
    }
    json_decref(request);
    return text.data; /* the caller's */
}

void watch_scrape(struct watch *watch, struct scrape *scrape)
{
    scrape->next = NULL;
    scrape->text = NULL;
    pthread_mutex_lock(&watch->lock);
    bool is_stopping = watch->is_stopping;
    if (!is_stopping) {
        *watch->end = scrape;
        watch->end = &scrape->next;
        pthread_cond_signal(&watch->changed);
    }
    pthread_mutex_unlock(&watch->lock);
    if (is_stopping)
        scrape->done(scrape);
}

/* --- the thread ------------------------------------------------------------------------------------- */

/* With the lock. False: it is time to ask diskguard. */
static bool wait_for_work(struct watch *watch, struct mono until)
{
    while (!watch->first && !watch->is_stopping)
        if (!cond_wait(&watch->changed, &watch->lock, until))
            return false;
    return true;
}

static struct scrape *take_scrapes(struct watch *watch)
{
    struct scrape *first = watch->first;
    watch->first = NULL;
    watch->end = &watch->first;
    return first;
}

static void serve(const struct watch *watch, struct scrape *scrapes, bool is_stopping)
{
    char *text = scrapes && !is_stopping ? gather(watch) : NULL;
    for (struct scrape *next; scrapes; scrapes = next) {
        next = scrapes->next;
        scrapes->text = text && next ? strdup(text) : text;
        scrapes->done(scrapes);
    }
}

static void *work(void *arg)
{
    struct watch *watch = arg;
    struct mono ask_at = mono_now();
    bool is_stopping = false;
    while (!is_stopping) {
        if (watch->guard && mono_is_past(ask_at)) {
            ask_guard(watch);
            ask_at = mono_after(ASK_EVERY_MS);
        } else if (!watch->guard) {
            ask_at = mono_after(ASK_EVERY_MS);
        }
        pthread_mutex_lock(&watch->lock);
        (void)wait_for_work(watch, ask_at);
        is_stopping = watch->is_stopping;
        struct scrape *scrapes = take_scrapes(watch);
        pthread_mutex_unlock(&watch->lock);
        serve(watch, scrapes, is_stopping);
    }
    return NULL;
}

int watch_new(struct watch **out, const struct spool *spool, bool is_guarded, struct err *err)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return err_set(err, -ENOMEM, "out of memory");
    watch->spool = spool;
    watch->end = &watch->first;
    pthread_mutex_init(&watch->lock, NULL);
    cond_init(&watch->changed);
    if (is_guarded)
        set_reasons(watch, NULL, "no-diskguard"); /* until it has said something */
    int rc = is_guarded ? ctl_client_open(&watch->guard, spool, "diskguard", err) : 0;
    if (rc == 0 && (rc = -pthread_create(&watch->thread, NULL, work, watch)) != 0)
        err_errno(err, rc, "the watch's thread");
    if (rc) {
        ctl_client_close(watch->guard);
        free(watch);
        return rc;
    }
    *out = watch;
    return 0;
}

void watch_stop(struct watch *watch)
{
    if (!watch || watch->is_stopping)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->is_stopping = true;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
    pthread_join(watch->thread, NULL);
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    watch_stop(watch);
    ctl_client_close(watch->guard);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}
