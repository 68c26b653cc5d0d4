/* How each database is: what was heard of it goes into its breaker, what comes out is announced, and who is
 * silent is asked. */
#include "common/base/log.h"
#include "common/base/random.h"
#include "uploader/adx/probe.h"
#include "uploader/uploader.h"

void health_init(struct uploader *u)
{
    for (size_t i = 0; i < u->database_count; i++) {
        struct database *d = &u->databases[i];
        breaker_init(&d->breaker, &u->breaker, mono_now(), (uint32_t)random_bits());
        d->health_since_ms = wall_now_ms();
    }
}

static const char *event_of(enum health health)
{
    switch (health) {
    case HEALTH_UP:
        return "database-up";
    case HEALTH_DEGRADED:
        return "database-degraded";
    case HEALTH_THROTTLED:
        return "database-throttled";
    case HEALTH_SUSPECT:
        return "database-suspect";
    case HEALTH_UNAUTHORISED:
    case HEALTH_MISSING:
    case HEALTH_DOWN:
    case HEALTH_WORDS:
        break;
    }
    return "database-down";
}

static void announce(struct uploader *u, struct database *d)
{
    enum health health = breaker_health(&d->breaker);
    const char *reason = health == HEALTH_UP ? "" : d->reason.text;
    bool is_news = health_is_away(health) || health_is_away(d->health); /* for the next uploader */
    if (health == d->health)
        return;
    log_emit(health == HEALTH_UP ? LEVEL_INFO : LEVEL_WARN, event_of(health),
             LOG_FIELDS(log_s("db", d->target.db), log_s("was", health_word(d->health)),
                        log_s("is", health_word(health)), log_s("cause", reason)));
    daemon_publish(u->daemon, event_of(health),
                   json_pack("{s:s, s:s, s:s, s:s}", "db", d->target.db, "health", health_word(health), "was",
                             health_word(d->health), "reason", reason));
    d->health = health;
    d->health_since_ms = wall_now_ms();
    d->transitions++;
    if (is_news)
        opinion_store(u);
}

void health_note(struct uploader *u, struct database *d, enum breaker_source source,
                 const struct outcome *outcome, struct mono begun)
{
    struct breaker_event event = {.source = source,
                                  .verdict = outcome->verdict,
                                  .retry_after_ms = outcome->retry_after_ms,
                                  .begun = begun};
    if (verdict_is_of_database(outcome->verdict)) {
        d->reason = *outcome;
        d->failures++;
    }
    breaker_note(&d->breaker, &u->breaker, &event, mono_now(), (uint32_t)random_bits());
    if (d->breaker.state != BREAKER_OPEN)
        d->may_try = false;
    if (outcome->verdict == VERDICT_SUCCESS && d->breaker.failures[0] + d->breaker.failures[1] == 0)
        d->failures = 0;
    announce(u, d);
}

/* --- probes ----------------------------------------------------------------------------------------- */

static bool is_idle(const struct database *d)
{
    return d->in_flight == 0 && !d->batches;
}

/* A principal that may bring data need not be one that may look. Where it has brought some, being told that
 * it may not look is as good an answer as it gets. */
static void forgive_forbidden(const struct database *d, struct outcome *outcome)
{
    if (outcome->status == 403 && d->has_brought)
        outcome->verdict = VERDICT_SUCCESS;
}

static void log_probe(const struct database *d, const char *event, const struct outcome *outcome)
{
    log_emit(outcome->verdict == VERDICT_SUCCESS ? LEVEL_DEBUG : LEVEL_WARN, event,
             LOG_FIELDS(log_s("db", d->target.db), log_s("verdict", verdict_word(outcome->verdict)),
                        log_n("status", outcome->status), log_s("code", outcome->code),
                        log_s("cause", outcome->text), log_s("request", outcome->request_id)));
}

/* Its engine, where uploads go elsewhere: a word only, unless --health engine makes it count. */
static void take_engine(struct uploader *u, struct database *d, struct upload_job *job)
{
    forgive_forbidden(d, &job->engine);
    log_probe(d, "probe-engine", &job->engine);
    breaker_note_engine(&d->breaker, job->engine.verdict);
    if (d->breaker.is_degraded && job->outcome.verdict == VERDICT_SUCCESS)
        d->reason = job->engine;
    if (u->breaker.engine_counts && job->outcome.verdict == VERDICT_SUCCESS)
        job->outcome = job->engine;
}

void health_take_probe(struct uploader *u, struct upload_job *job)
{
    struct database *d = job->owner;
    struct outcome *outcome = &job->outcome;
    d->is_probing = false;
    forgive_forbidden(d, outcome);
    log_probe(d, "probe", outcome);
    if (job->has_engine)
        take_engine(u, d, job);
    health_note(u, d, is_idle(d) ? BREAKER_IDLE_PROBE : BREAKER_PROBE, outcome, job->begun);
    d->may_try = d->breaker.state == BREAKER_OPEN && outcome->status == 403;
    d->is_given_up = d->is_given_up || (u->is_once && d->failures >= UPLOADER_ONCE_ATTEMPTS);
}

/* In a run to the end of the queue only what is in its way matters. A batch on trial is as good as a probe.
 */
static bool wants_probe(const struct uploader *u, const struct database *d)
{
    bool is_away = d->breaker.state == BREAKER_OPEN || d->breaker.state == BREAKER_HALF_OPEN;
    return !u->is_stopping && !d->is_probing && d->trials == 0 && (is_away || !u->is_once) && !d->is_given_up;
}

static void start_probe(struct uploader *u, struct database *d)
{
    struct upload_job *job = calloc(1, sizeof *job);
    if (job) {
        job->context = &u->context;
        job->target = &d->target;
        job->endpoint = &d->endpoint;
        job->owner = d;
        job->is_probe = true;
        job->begun = mono_now();
        d->breaker.is_watched = probe_is_twofold(job);
    }
    if (job && workers_submit(u->workers, &job->job) == 0) {
        d->is_probing = true;
        return;
    }
    free(job);
    d->breaker.probe_due = mono_after(u->backoff.min_ms);
}

void health_step(struct uploader *u)
{
    for (size_t i = 0; i < u->database_count; i++) {
        struct database *d = &u->databases[i];
        breaker_tick(&d->breaker, mono_now());
        announce(u, d);
        if (wants_probe(u, d) && mono_is_past(d->breaker.probe_due))
            start_probe(u, d);
    }
}

struct mono health_due(const struct uploader *u, const struct database *d)
{
    struct mono due = breaker_next(&d->breaker);
    return wants_probe(u, d) ? mono_earlier(due, d->breaker.probe_due) : due;
}
