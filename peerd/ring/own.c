#include "peerd/ring/own.h"

#include <errno.h>
#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/cond.h"
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
    struct peer_state *now;   /* guarded by lock */
    struct peer_state *words; /* likewise; what own_say() was given last, NULL: nothing yet */
    bool is_stopping;         /* likewise */
};

/* --- what follows from the answers ------------------------------------------------------------------ */

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

/* It answers uploader again, which does not say so yet: it is held. */
static bool is_recovering(const json_t *json)
{
    const char *breaker = message_text(json, "breaker", "");
    return strcmp(breaker, "half-open") == 0 || strcmp(breaker, "recovering") == 0;
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
        database->is_recovering = is_recovering(json);
        database->since_ms = message_number(json, "since", 0);
        if (database->since_ms == 0)
            database->since_ms = old && old->health == database->health ? old->since_ms : wall_now_ms();
    }
    return rc;
}

static void take_held(struct peer_state *state, const json_t *guard)
{
    size_t i;
    json_t *one;
    for (size_t k = 0; k < state->database_count; k++)
        state->databases[k].held_bytes = state->databases[k].held_segments = 0;
    json_array_foreach (json_object_get(guard, "databases"), i, one) {
        const char *db = message_text(one, "db", "");
        const struct peer_database *found = peer_state_find(state, db);
        struct peer_database *database = found ? &state->databases[found - state->databases] : NULL;
        if (!database)
            continue;
        database->held_bytes = message_number(one, "bytes", 0);
        database->held_segments = message_number(one, "segments", 0);
    }
}

/* What own_say() was given, into a state that nobody else has yet. */
static int add_words(struct peer_state *state, const struct peer_state *words)
{
    size_t known = state->database_count;
    free(state->overrides);
    state->overrides = NULL;
    state->override_count = 0;
    for (size_t i = 0; i < known; i++)
        state->databases[i].failover.is_active = false, state->databases[i].failover.at[0] = '\0';
    for (size_t i = 0; words && i < words->database_count; i++) {
        const struct peer_database *said = &words->databases[i], *found = NULL;
        for (size_t k = 0; !found && k < known; k++)
            found = strcmp(state->databases[k].name, said->name) == 0 ? &state->databases[k] : NULL;
        struct peer_database *database =
            found ? &state->databases[found - state->databases] : peer_state_add(state, said->name);
        if (!database)
            return -ENOMEM;
        database->failover = said->failover;
    }
    peer_state_sort(state);
    if (!words || words->override_count == 0)
        return 0;
    state->overrides = calloc(words->override_count, sizeof *state->overrides);
    if (!state->overrides)
        return -ENOMEM;
    memcpy(state->overrides, words->overrides, words->override_count * sizeof *state->overrides);
    state->override_count = words->override_count;
    return 0;
}

struct peer_state *own_build(const struct peer_state *before, json_t *uploader, json_t *guard)
{
    struct peer_state *state = peer_state_new(before->name, before->incarnation);
    if (!state)
        return NULL;
    json_t *databases = json_object_get(uploader, "databases");
    int rc = databases ? take_databases(state, before, databases) : copy_databases(state, before);
    for (size_t i = 0; !databases && i < state->database_count; i++)
        state->databases[i].is_recovering = false; /* nothing is uploaded while it does not answer */
    peer_state_sort(state);
    take_held(state, guard);
    state->disk_used = message_number(guard, "used_bytes", 0);
    state->disk_limit = message_number(guard, "limit_bytes", 0);
    snprintf(state->pressure, sizeof state->pressure, "%s", message_text(guard, "pressure", "unknown"));
    if (rc == 0)
        return state;
    peer_state_unref(state);
    return NULL;
}

/* --- the thread ------------------------------------------------------------------------------------- */

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
    struct mono asked = mono_now();
    json_t *uploader = ask(own->uploader), *guard = ask(own->guard);
    struct peer_state *before = own_get(own);
    struct peer_state *state = own_build(before, uploader, guard);
    if (state)
        state->disk_at = mono_plus(asked, -message_number(guard, "scan_age_ms", 0));
    json_decref(uploader);
    json_decref(guard);
    peer_state_unref(before);
    pthread_mutex_lock(&own->lock);
    if (state && add_words(state, own->words) == 0) {
        before = own->now;
        own->now = state;
        state = NULL;
    } else {
        log_warn("cannot-tell-own-state", log_s("cause", "out of memory"));
        before = NULL;
    }
    pthread_mutex_unlock(&own->lock);
    peer_state_unref(before);
    peer_state_unref(state);
}

static struct peer_state *copy_of(const struct peer_state *state)
{
    struct peer_state *copy = peer_state_new(state->name, state->incarnation);
    if (!copy)
        return NULL;
    copy->disk_used = state->disk_used;
    copy->disk_limit = state->disk_limit;
    copy->disk_at = state->disk_at;
    memcpy(copy->pressure, state->pressure, sizeof copy->pressure);
    if (copy_databases(copy, state) == 0)
        return copy;
    peer_state_unref(copy);
    return NULL;
}

int own_say(struct own *own, struct peer_state *take_words)
{
    pthread_mutex_lock(&own->lock);
    struct peer_state *state = copy_of(own->now), *before = NULL, *words = own->words;
    int rc = state ? add_words(state, take_words) : -ENOMEM;
    own->words = take_words; /* what could not be said now is said with the next look */
    if (rc == 0) {
        before = own->now;
        own->now = state;
        state = NULL;
    }
    pthread_mutex_unlock(&own->lock);
    peer_state_unref(words);
    peer_state_unref(before);
    peer_state_unref(state);
    return rc;
}

/* False: it is time to stop. */
static bool rest(struct own *own)
{
    struct mono until = mono_after(LOOK_MS);
    pthread_mutex_lock(&own->lock);
    while (!own->is_stopping && cond_wait(&own->wake, &own->lock, until))
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

int own_start(struct own **out, const struct spool *spool, struct peer_state *take_first, struct err *err)
{
    struct own *own = *out = calloc(1, sizeof *own);
    if (!own) {
        peer_state_unref(take_first);
        return err_set(err, -ENOMEM, "out of memory");
    }
    pthread_mutex_init(&own->lock, NULL);
    cond_init(&own->wake);
    own->now = take_first;
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
    peer_state_unref(own->words);
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
