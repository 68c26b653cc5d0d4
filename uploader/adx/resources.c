#include "uploader/adx/resources.h"

#include <pthread.h>

#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/random.h"

struct resources {
    char place[TARGET_PLACE_BYTES]; /* constant */
    pthread_mutex_t lock;           /* guards all that follows */
    pthread_cond_t has_ended;       /* a fetch */
    bool is_fetching;
    struct resource_set *set; /* NULL: none yet */
    struct mono due;          /* when it is to be fetched anew */
    struct mono forced;       /* when the last such wish was heard */
    unsigned failures;        /* in a row */
    bool has_failed;          /* last_failure is valid */
    struct mono failed;
    struct outcome last_failure;
    struct ranking ranking;
    unsigned turn[RESOURCE_KINDS]; /* so that all of an account's are used */
};

struct resources *resources_new(const char *place)
{
    struct resources *resources = calloc(1, sizeof *resources);
    if (!resources)
        return NULL;
    snprintf(resources->place, sizeof resources->place, "%s", place);
    pthread_mutex_init(&resources->lock, NULL);
    pthread_cond_init(&resources->has_ended, NULL);
    return resources;
}

void resources_free(struct resources *resources)
{
    if (!resources)
        return;
    resources_release(resources->set);
    pthread_cond_destroy(&resources->has_ended);
    pthread_mutex_destroy(&resources->lock);
    free(resources);
}

const char *resources_place(const struct resources *resources)
{
    return resources->place;
}

/* --- fetching --------------------------------------------------------------------------------------- */

static struct resource_set *fetch(resources_ask *ask, void *arg, struct outcome *outcome)
{
    json_t *resources = NULL, *identity = NULL;
    struct resource_set *set = NULL;
    struct err err = {0};
    if (ask(arg, ".get ingestion resources", &resources, outcome) &&
        ask(arg, ".get kusto identity token", &identity, outcome) &&
        resource_set_parse(resources, identity, &set, &err) != 0)
        outcome_set(outcome, VERDICT_RETRY, "resources", "%s", err.text);
    json_decref(resources);
    json_decref(identity);
    return set;
}

/* As Kusto's clients do: throttled 1, 2, 4 s and something; all else, and after that, a minute. */
static int64_t pause_ms(const struct resources *r, const struct outcome *outcome)
{
    const struct backoff backoff = {.min_ms = 1000, .max_ms = RESOURCES_RETRY_MS};
    if (outcome->verdict != VERDICT_THROTTLED || r->failures > 3)
        return RESOURCES_RETRY_MS;
    return backoff_delay_ms(&backoff, r->failures, outcome->retry_after_ms, (uint32_t)random_bits());
}

/* Called and returns with the lock held. */
static void conclude(struct resources *r, struct resource_set *set, const struct outcome *outcome)
{
    r->is_fetching = false;
    pthread_cond_broadcast(&r->has_ended);
    if (set) {
        resources_release(r->set);
        r->set = set;
        r->failures = 0;
        r->has_failed = false;
        r->due = mono_after(RESOURCES_FRESH_MS);
        log_info("resources", log_s("from", r->place), log_u("usable", set->count));
        return;
    }
    r->failures++;
    r->has_failed = true;
    r->failed = mono_now();
    r->last_failure = *outcome;
    r->due = mono_after(pause_ms(r, outcome));
    if (r->set)
        log_warn("resources-not-refreshed", log_s("from", r->place), log_s("cause", outcome->text),
                 log_s("advice", "those of before are used on"));
}

static struct resource_set *reference(struct resources *r)
{
    if (r->set)
        atomic_fetch_add(&r->set->references, 1);
    return r->set;
}

struct resource_set *resources_take(struct resources *r, resources_ask *ask, void *arg, int64_t least_ms,
                                    struct outcome *outcome)
{
    pthread_mutex_lock(&r->lock);
    while (!r->set && r->is_fetching)
        pthread_cond_wait(&r->has_ended, &r->lock);
    bool is_due = r->set ? mono_is_past(r->due) : !r->has_failed || mono_since_ms(r->failed) >= least_ms;
    if (is_due && !r->is_fetching) {
        r->is_fetching = true;
        pthread_mutex_unlock(&r->lock);
        struct resource_set *set = fetch(ask, arg, outcome);
        pthread_mutex_lock(&r->lock);
        conclude(r, set, outcome);
    }
    struct resource_set *set = reference(r);
    if (!set)
        *outcome = r->last_failure;
    pthread_mutex_unlock(&r->lock);
    return set;
}

void resources_expire(struct resources *r)
{
    pthread_mutex_lock(&r->lock);
    if (r->forced.ns == 0 || mono_since_ms(r->forced) >= RESOURCES_FORCED_MS) {
        r->forced = mono_now();
        r->due = (struct mono){0};
    }
    pthread_mutex_unlock(&r->lock);
}

/* --- choosing --------------------------------------------------------------------------------------- */

/* The accounts that have some of this kind, each once. */
static size_t list_accounts(const struct resource_set *set, enum resource_kind kind, const char **names,
                            size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < set->count && count < max; i++) {
        bool is_new = set->list[i].kind == kind;
        for (size_t k = 0; is_new && k < count; k++)
            is_new = strcmp(names[k], set->list[i].account) != 0;
        if (is_new)
            names[count++] = set->list[i].account;
    }
    return count;
}

/* The `round`-th of an account's, counted from where the last one left off. NULL: it has no more. */
static struct resource *pick(const struct resource_set *set, enum resource_kind kind, const char *account,
                             bool is_bad, size_t round, unsigned turn)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < set->count; i++)
        count += set->list[i].kind == kind && atomic_load(&set->list[i].is_bad) == is_bad &&
                 strcmp(set->list[i].account, account) == 0;
    if (round >= count)
        return NULL;
    size_t wanted = (round + turn) % count;
    for (size_t i = 0; i < set->count; i++)
        if (set->list[i].kind == kind && atomic_load(&set->list[i].is_bad) == is_bad &&
            strcmp(set->list[i].account, account) == 0 && at++ == wanted)
            return &set->list[i];
    return NULL;
}

size_t resources_choose(struct resources *r, const struct resource_set *set, enum resource_kind kind,
                        struct resource **out, size_t max)
{
    const char *names[RANKING_ACCOUNTS_MAX];
    size_t order[RANKING_ACCOUNTS_MAX], chosen = 0, found = 1;
    size_t count = list_accounts(set, kind, names, ARRAY_LEN(names));
    pthread_mutex_lock(&r->lock);
    unsigned turn = r->turn[kind]++;
    ranking_sort(&r->ranking, names, order, count, mono_now(), random_bits());
    pthread_mutex_unlock(&r->lock);
    for (int is_bad = 0; is_bad < 2 && (is_bad == 0 || chosen == 0); is_bad++) {
        found = 1;
        for (size_t round = 0; found > 0 && chosen < max; round++) {
            found = 0;
            for (size_t i = 0; i < count && chosen < max; i++) {
                struct resource *one = pick(set, kind, names[order[i]], is_bad, round, turn);
                found += one != NULL;
                if (one)
                    out[chosen++] = one;
            }
        }
    }
    return chosen;
}

void resources_note(struct resources *r, struct resource *resource, enum verdict verdict)
{
    bool is_good = verdict == VERDICT_SUCCESS;
    if (verdict == VERDICT_UNAUTHORISED || verdict == VERDICT_MISSING)
        atomic_store(&resource->is_bad, true);
    pthread_mutex_lock(&r->lock);
    ranking_note(&r->ranking, resource->account, is_good, mono_now());
    pthread_mutex_unlock(&r->lock);
}
