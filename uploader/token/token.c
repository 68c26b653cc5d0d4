#include "uploader/token/token.h"

#include <errno.h>
#include <pthread.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/cond.h"
#include "common/base/log.h"
#include "common/base/secret.h"
#include "uploader/adx/http.h"

enum { TICK_MS = 100 };

/* The token of an endpoint. Endpoints of one cloud share theirs: see borrow(). */
struct entry {
    char place[TARGET_PLACE_BYTES];
    enum token_auth auth;
    bool has_audience;
    struct token_audience audience;
    struct buf token; /* empty: none */
    struct mono usable_until, refresh_at;
    struct mono refused_at; /* long past: never */
    bool is_wanted;         /* somebody waits for it */
    unsigned failures;      /* in a row */
    struct mono not_before; /* after a failure */
    struct outcome failure; /* the last */
    uint64_t attempts;      /* that have ended */
    struct entry *next;
};

struct tokens {
    pthread_mutex_t lock; /* guards all that follows but the constants */
    pthread_cond_t changed;
    struct entry *entries;
    bool is_started;
    pthread_t thread;
    atomic_bool is_ending; /* also read without the lock, by a request in flight */
    /* constant */
    struct token_options options;
    const atomic_bool *is_stopping;
};

struct tokens *tokens_new(const struct token_options *options, const atomic_bool *is_stopping)
{
    struct tokens *tokens = calloc(1, sizeof *tokens);
    if (!tokens)
        return NULL;
    tokens->options = *options;
    tokens->is_stopping = is_stopping;
    pthread_mutex_init(&tokens->lock, NULL);
    cond_init(&tokens->changed);
    return tokens;
}

void tokens_free(struct tokens *tokens)
{
    if (!tokens)
        return;
    atomic_store(&tokens->is_ending, true);
    pthread_mutex_lock(&tokens->lock);
    pthread_cond_broadcast(&tokens->changed);
    pthread_mutex_unlock(&tokens->lock);
    if (tokens->is_started)
        pthread_join(tokens->thread, NULL);
    for (struct entry *e; (e = tokens->entries);) {
        tokens->entries = e->next;
        token_wipe(&e->token);
        free(e);
    }
    pthread_cond_destroy(&tokens->changed);
    pthread_mutex_destroy(&tokens->lock);
    free(tokens);
}

static bool has_to_end(const struct tokens *tokens)
{
    return atomic_load(&tokens->is_ending) || (tokens->is_stopping && atomic_load(tokens->is_stopping));
}

/* With the lock held: until something changes, `due` comes, or a moment has passed. */
static void wait_until(struct tokens *tokens, struct mono due)
{
    (void)cond_wait(&tokens->changed, &tokens->lock, mono_earlier(due, mono_after(10 * TICK_MS)));
}

/* --- the thread that asks --------------------------------------------------------------------------- */

/* Another endpoint of the same cloud may have a token that is good for a while yet. */
static bool borrow(struct tokens *tokens, struct entry *e)
{
    for (const struct entry *other = tokens->entries; other; other = other->next) {
        if (other == e || other->token.len == 0 || other->auth != e->auth ||
            mono_is_past(other->refresh_at) || strcmp(other->audience.resource, e->audience.resource) != 0 ||
            strcmp(other->audience.login, e->audience.login) != 0)
            continue;
        if (e->token.len > 0 && strcmp(e->token.data, other->token.data) == 0)
            continue;
        buf_clear(&e->token);
        if (buf_puts(&e->token, other->token.data) != 0)
            return false;
        e->usable_until = other->usable_until;
        e->refresh_at = other->refresh_at;
        return true;
    }
    return false;
}

static void note_failure(struct entry *e, const struct outcome *outcome)
{
    const struct backoff backoff = {.min_ms = TOKEN_RETRY_MIN_MS, .max_ms = TOKEN_RETRY_MAX_MS};
    e->failures++;
    e->failure = *outcome;
    int64_t delay_ms = backoff_delay_ms(&backoff, e->failures, 0, (uint32_t)mono_now().ns);
    e->not_before = mono_after(delay_ms);
    log_warn("token-failed", log_s("endpoint", e->place), log_s("auth", token_auth_word(e->auth)),
             log_s("cause", outcome->text), log_n("retry_ms", delay_ms));
}

static void note_token(struct entry *e, struct buf *token, int64_t lifetime_ms)
{
    struct buf old = e->token;
    e->token = *token;
    *token = old;
    e->usable_until = mono_after(token_usable_ms(lifetime_ms));
    e->refresh_at = mono_after(token_refresh_ms(lifetime_ms));
    e->failures = 0;
    log_info("token-fetched", log_s("endpoint", e->place), log_s("auth", token_auth_word(e->auth)),
             log_n("lives_s", lifetime_ms / 1000), log_n("refresh_s", mono_left_ms(e->refresh_at) / 1000));
}

/* Called and returns with the lock held; entries are never removed while it is not. */
static void ask(struct tokens *tokens, struct entry *e)
{
    struct token_audience audience = e->audience;
    bool ok = true, has_audience = e->has_audience;
    struct outcome outcome;
    struct buf token;
    int64_t lifetime_ms = 0;
    buf_init(&token, TOKEN_BYTES_MAX);
    if (!has_audience) {
        pthread_mutex_unlock(&tokens->lock);
        ok = token_find_audience(&tokens->options, e->place, &tokens->is_ending, &audience, &outcome);
        pthread_mutex_lock(&tokens->lock);
        e->has_audience = ok;
        e->audience = audience;
    }
    if (ok && !borrow(tokens, e)) {
        pthread_mutex_unlock(&tokens->lock);
        ok = token_fetch(&tokens->options, e->auth, &audience, &tokens->is_ending, &token, &lifetime_ms,
                         &outcome);
        pthread_mutex_lock(&tokens->lock);
        if (ok)
            note_token(e, &token, lifetime_ms);
    }
    if (!ok && !has_to_end(tokens))
        note_failure(e, &outcome);
    e->is_wanted = false;
    e->attempts++;
    pthread_cond_broadcast(&tokens->changed);
    token_wipe(&token);
}

/* When this one is to be asked for. */
static struct mono due_of(const struct entry *e)
{
    struct mono due = mono_after(INT64_MAX);
    if (e->is_wanted)
        due = (struct mono){0};
    else if (e->token.len > 0)
        due = e->refresh_at;
    return e->failures > 0 && due.ns < e->not_before.ns ? e->not_before : due;
}

static struct entry *earliest(struct tokens *tokens)
{
    struct entry *first = tokens->entries;
    for (struct entry *e = first; e; e = e->next)
        if (due_of(e).ns < due_of(first).ns)
            first = e;
    return first;
}

static void *work(void *arg)
{
    struct tokens *tokens = arg;
    pthread_mutex_lock(&tokens->lock);
    while (!has_to_end(tokens)) {
        struct entry *e = earliest(tokens);
        if (e && mono_is_past(due_of(e)))
            ask(tokens, e);
        else
            wait_until(tokens, e ? due_of(e) : mono_after(INT64_MAX));
    }
    pthread_mutex_unlock(&tokens->lock);
    return NULL;
}

/* --- for workers ------------------------------------------------------------------------------------ */

static struct entry *find_entry(struct tokens *tokens, const struct target *target, enum token_auth auth)
{
    for (struct entry *e = tokens->entries; e; e = e->next)
        if (strcmp(e->place, target->place) == 0)
            return e;
    struct entry *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    snprintf(e->place, sizeof e->place, "%s", target->place);
    e->auth = auth;
    /* A command knows itself whom it asks, and for what. */
    e->has_audience = auth == AUTH_COMMAND;
    buf_init(&e->token, TOKEN_BYTES_MAX);
    e->next = tokens->entries;
    tokens->entries = e;
    return e;
}

static bool is_usable(const struct entry *e)
{
    return e->token.len > 0 && !mono_is_past(e->usable_until);
}

/* With the lock held: have the thread ask, and wait for what comes of it. */
static void want(struct tokens *tokens, struct entry *e)
{
    uint64_t before = e->attempts;
    if (!tokens->is_started)
        tokens->is_started = pthread_create(&tokens->thread, NULL, work, tokens) == 0;
    e->is_wanted = tokens->is_started;
    pthread_cond_broadcast(&tokens->changed);
    while (e->is_wanted && e->attempts == before && !has_to_end(tokens))
        wait_until(tokens, mono_after(TICK_MS));
}

static bool take_kept(struct tokens *tokens, struct entry *e, struct buf *token, struct outcome *outcome)
{
    bool is_resting = e->failures > 0 && !mono_is_past(e->not_before);
    if (!is_usable(e) && !is_resting)
        want(tokens, e);
    if (is_usable(e))
        return buf_puts(token, e->token.data) == 0;
    if (has_to_end(tokens))
        outcome_set(outcome, VERDICT_RETRY, "token", "no token: the program is ending");
    else if (e->failures > 0)
        *outcome = e->failure;
    else
        outcome_set(outcome, VERDICT_RETRY, "token", "no token: nobody is there to ask for it");
    return false;
}

static bool take_from_file(const char *path, struct buf *token, struct outcome *outcome)
{
    int rc = secret_read(path, token);
    if (rc)
        outcome_set(outcome, VERDICT_UNAUTHORISED, "token", "no token: adx-token-file %s: %s", path,
                    rc == -EINVAL ? "it should hold one line without blanks" : strerror(-rc));
    return rc == 0;
}

bool tokens_take(struct tokens *tokens, const struct target *target, struct buf *token,
                 struct outcome *outcome)
{
    enum token_auth auth = token_auth_of(&tokens->options, target->place);
    buf_clear(token);
    if (auth == AUTH_NONE || target->kind != TARGET_ADX || !target->may_get_token)
        return true;
    if (auth == AUTH_FILE)
        return take_from_file(tokens->options.file, token, outcome);
    pthread_mutex_lock(&tokens->lock);
    struct entry *e = find_entry(tokens, target, auth);
    bool ok = e && take_kept(tokens, e, token, outcome);
    pthread_mutex_unlock(&tokens->lock);
    if (!e)
        outcome_set(outcome, VERDICT_RETRY, "memory", "out of memory");
    return ok;
}

/* Endpoints that share it have it no more either. */
static void forget(struct tokens *tokens, const struct buf *token)
{
    for (struct entry *e = tokens->entries; e; e = e->next)
        if (e->token.len > 0 && strcmp(e->token.data, token->data) == 0)
            buf_clear(&e->token);
}

bool tokens_replace(struct tokens *tokens, const struct target *target, struct buf *token)
{
    enum token_auth auth = token_auth_of(&tokens->options, target->place);
    struct outcome ignored;
    if (token->len == 0 || !token_is_kept(auth) || !target->may_get_token)
        return false;
    pthread_mutex_lock(&tokens->lock);
    struct entry *e = find_entry(tokens, target, auth);
    bool is_same = e && e->token.len > 0 && strcmp(e->token.data, token->data) == 0;
    bool is_due = e && (e->refused_at.ns == 0 || mono_since_ms(e->refused_at) >= TOKEN_REFUSED_MS);
    if (is_same && is_due) {
        e->refused_at = mono_now();
        forget(tokens, token);
        log_warn("token-refused", log_s("endpoint", e->place), log_s("advice", "asking for another"));
    }
    bool ok = e && (!is_same || is_due);
    if (ok) {
        buf_clear(token);
        ok = take_kept(tokens, e, token, &ignored);
    }
    pthread_mutex_unlock(&tokens->lock);
    return ok;
}
