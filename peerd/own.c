#include "peerd/own.h"

#include <errno.h>
#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/control/client.h"
#include "common/control/message.h"

enum { LOOK_MS = 1000, ANSWER_MS = 1000, ABSENT_MS = 50 };

struct own {
    pthread_t thread;
    bool is_running;
    struct ctl_client *uploader, *guard; /* the thread's */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct peer_state *now; /* guarded by lock */
    bool is_stopping;       /* likewise */
};

/* --- what follows from the answers ------------------------------------------------------------- */

static int copy_databases(struct peer_state *state, const struct peer_state *before)
{
    for (size_t i = 0; i < before->database_count; i++) {
        struct peer_database *database = peer_state_add(state, before->databases[i].name);
        if (!database)
            return -ENOMEM;
        char *name = database->name;
        *database = before->databases[i];
        database->name = name;
    }
    return 0;
}

static int take_databases(struct peer_state *state, const struct peer_state *before, json_t *databases)
{
    const char *name;
    json_t *json;
    int rc = 0;
    json_object_foreach (databases, name, json) {
        struct peer_database *database =
            rc || state->database_count >= PEER_DATABASES_MAX ? NULL : peer_state_add(state, name);
        if (!database) {
            rc = state->database_count >= PEER_DATABASES_MAX ? rc : -ENOMEM;
            continue;
        }
        const struct peer_database *old = peer_state_find(before, name);
        database->health = health_parse(message_text(json, "health", "up"));
        database->since_ms = message_number(json, "since", 0);
        if (database->since_ms == 0)
            database->since_ms = old && old->health == database->health ? old->since_ms : wall_now_ms();
        if (old)
            database->failover = old->failover;
    }
    return rc;
}

struct peer_state *own_build(const struct peer_state *before, json_t *uploader, json_t *guard)
{
    struct peer_state *state = peer_state_new(before->name, before->incarnation);
    if (!state)
        return NULL;
    json_t *databases = json_object_get(uploader, "databases");
    int rc = databases ? take_databases(state, before, databases) : copy_databases(state, before);
    peer_state_sort(state);
    state->disk_used = message_number(guard, "used_bytes", 0);
    state->disk_limit = message_number(guard, "limit_bytes", 0);
    snprintf(state->pressure, sizeof state->pressure, "%s", message_text(guard, "pressure", "unknown"));
    if (rc == 0)
        return state;
    peer_state_unref(state);
    return NULL;
}

/* --- the thread -------------------------------------------------------------------------------- */

/* Its status, or NULL. One that is not there is not waited for. */
static json_t *ask(struct ctl_client *client)
{
    json_t *request = message_request("status"), *reply = NULL;
    struct err err;
    int timeout_ms = ctl_client_is_connected(client) ? ANSWER_MS : ABSENT_MS;
    int rc = request ? ctl_client_ask(client, request, timeout_ms, &reply, &err) : -ENOMEM;
    json_decref(request);
    if (rc == 0)
        return reply;
    json_decref(reply);
    return NULL;
}

static void look(struct own *own)
{
    json_t *uploader = ask(own->uploader), *guard = ask(own->guard);
    struct peer_state *before = own_get(own);
    struct peer_state *state = own_build(before, uploader, guard);
    json_decref(uploader);
    json_decref(guard);
    peer_state_unref(before);
    if (!state) {
        log_warn("cannot-tell-own-state", log_s("cause", "out of memory"));
        return;
    }
    pthread_mutex_lock(&own->lock);
    before = own->now;
    own->now = state;
    pthread_mutex_unlock(&own->lock);
    peer_state_unref(before);
}

/* False: it is time to stop. */
static bool rest(struct own *own)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_MS / 1000;
    pthread_mutex_lock(&own->lock);
    while (!own->is_stopping && pthread_cond_timedwait(&own->wake, &own->lock, &until) != ETIMEDOUT)
        ;
    bool goes_on = !own->is_stopping;
    pthread_mutex_unlock(&own->lock);
    return goes_on;
}

static void *run(void *arg)
{
    struct own *own = arg;
    do
        look(own);
    while (rest(own));
    return NULL;
}

static int open_clients(struct own *own, const struct spool *spool, struct err *err)
{
    int rc = ctl_client_open(&own->uploader, spool, "uploader", err);
    return rc ? rc : ctl_client_open(&own->guard, spool, "diskguard", err);
}

static void init_lock(struct own *own)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&own->lock, NULL);
    pthread_cond_init(&own->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

int own_start(struct own **out, const struct spool *spool, const char *name, int64_t incarnation,
              struct err *err)
{
    struct own *own = *out = calloc(1, sizeof *own);
    if (!own)
        return err_set(err, -ENOMEM, "out of memory");
    init_lock(own);
    own->now = peer_state_new(name, incarnation);
    int rc = own->now ? 0 : err_set(err, -ENOMEM, "out of memory");
    if (rc == 0 && !spool)
        return 0;
    if (rc == 0)
        rc = open_clients(own, spool, err);
    if (rc == 0 && (rc = -pthread_create(&own->thread, NULL, run, own)) != 0)
        err_errno(err, rc, "a thread for our own state cannot be made");
    own->is_running = rc == 0;
    if (rc == 0)
        return 0;
    own_stop(own);
    *out = NULL;
    return rc;
}

void own_stop(struct own *own)
{
    if (!own)
        return;
    if (own->is_running) {
        pthread_mutex_lock(&own->lock);
        own->is_stopping = true;
        pthread_cond_signal(&own->wake);
        pthread_mutex_unlock(&own->lock);
        pthread_join(own->thread, NULL);
    }
    ctl_client_close(own->uploader);
    ctl_client_close(own->guard);
    peer_state_unref(own->now);
    pthread_cond_destroy(&own->wake);
    pthread_mutex_destroy(&own->lock);
    free(own);
}

struct peer_state *own_get(struct own *own)
{
    pthread_mutex_lock(&own->lock);
    struct peer_state *now = peer_state_ref(own->now);
    pthread_mutex_unlock(&own->lock);
    return now;
}
