#include "uploader/uploader.h"

#include <errno.h>

#include "common/base/exit.h"
#include "common/base/log.h"
#include "uploader/adx/probe.h"
#include "uploader/adx/trust.h"
#include "uploader/token/token.h"

struct database *uploader_find(struct uploader *u, const char *folder)
{
    for (size_t i = 0; i < u->database_count; i++)
        if (strcmp(u->databases[i].target.folder, folder) == 0)
            return &u->databases[i];
    return NULL;
}

/* --- configuration ---------------------------------------------------------------------------------- */

/* A token, where one is to be sent, goes to whom it is meant for only (trust.h). */
static int check_trust(struct target *target, const struct token_options *tokens, const struct trust *trust,
                       struct err *err)
{
    if (target->kind != TARGET_ADX)
        return 0;
    target->may_get_token = trust_endpoint(trust, target->place);
    if (target->may_get_token || token_auth_of(tokens, target->place) == AUTH_NONE)
        return 0;
    if (strncmp(target->place, "http:", 5) == 0)
        return err_set(err, -EINVAL,
                       "--database %s=%s: with --auth %s the address must be https or loopback: a token is "
                       "not sent in the clear",
                       target->db, target->place, token_auth_word(token_auth_of(tokens, target->place)));
    return err_set(err, -EINVAL,
                   "--database %s=%s: that is no host of Kusto's: a token is not shown to it; give "
                   "--trusted-host HOST if it is right, or --auth none",
                   target->db, target->place);
}

/* The data-management endpoint of this database, as given or as it follows from the engine's address. */
static int find_dm(const struct conf *conf, const struct database *d, struct target *dm, struct err *err)
{
    size_t count;
    char *const *list = conf_list(conf, CONF_DATA_MANAGEMENT, &count);
    for (size_t i = 0; i < count; i++) {
        if (target_parse(list[i], dm, NULL) != 0 || dm->kind == TARGET_DIR)
            return err_set(
                err, -EINVAL,
                "--data-management %s: this is not a database and the address of an endpoint; give "
                "DB=https://HOST",
                list[i]);
        if (strcmp(dm->folder, d->target.folder) == 0)
            return 0;
    }
    int rc = target_data_management(&d->target, dm);
    return rc ? err_set(err, rc, "--database %s: the address is too long", d->target.db) : 0;
}

static struct resources *share_resources(struct uploader *u, const char *place)
{
    for (size_t i = 0; i < u->resources_count; i++)
        if (strcmp(resources_place(u->resources[i]), place) == 0)
            return u->resources[i];
    struct resources *resources = resources_new(place);
    if (resources)
        u->resources[u->resources_count++] = resources;
    return resources;
}

static int set_up_endpoint(struct uploader *u, const struct conf *conf, const struct token_options *tokens,
                           const struct trust *trust, struct database *d, struct err *err)
{
    if (d->target.kind == TARGET_DIR)
        return 0;
    target_to_engine(&d->target);
    int rc = find_dm(conf, d, &d->endpoint.dm, err);
    if (rc == 0)
        rc = check_trust(&d->endpoint.dm, tokens, trust, err);
    if (rc == 0 && !(d->endpoint.resources = share_resources(u, d->endpoint.dm.place)))
        rc = err_set(err, -ENOMEM, "out of memory");
    return rc;
}

static int read_trust(const struct conf *conf, struct token_options *tokens, struct trust *trust,
                      struct err *err)
{
    *trust = (struct trust){0};
    trust->hosts = conf_list(conf, CONF_TRUSTED_HOST, &trust->count);
    return token_options_read(tokens, conf, err);
}

static int add_database(struct uploader *u, const struct conf *conf, const char *text,
                        const struct token_options *tokens, const struct trust *trust, struct err *err)
{
    struct database *d = &u->databases[u->database_count];
    int rc = target_parse(text, &d->target, err);
    if (rc == 0 && uploader_find(u, d->target.folder))
        rc = err_set(err, -EINVAL, "--database %s: %s was given before: one target for each database", text,
                     d->target.db);
    if (rc == 0)
        rc = check_trust(&d->target, tokens, trust, err);
    if (rc)
        return rc;
    adx_endpoint_init(&d->endpoint);
    waiting_init(&d->queue);
    u->database_count++;
    return set_up_endpoint(u, conf, tokens, trust, d, err);
}

static int add_databases(struct uploader *u, const struct conf *conf, struct err *err)
{
    size_t count;
    struct token_options tokens;
    struct trust trust;
    char *const *list = conf_list(conf, CONF_DATABASE, &count);
    u->databases = calloc(count, sizeof *u->databases);
    u->resources = calloc(count, sizeof *u->resources);
    if (!u->databases || !u->resources)
        return err_set(err, -ENOMEM, "out of memory");
    int rc = read_trust(conf, &tokens, &trust, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_database(u, conf, list[i], &tokens, &trust, err);
    if (rc == 0 && !(u->context.options.tokens = tokens_new(&tokens, &u->context.is_stopping)))
        rc = err_set(err, -ENOMEM, "out of memory");
    return rc;
}

static int read_conf(struct uploader *u, const struct conf *conf, struct err *err)
{
    u->is_once = conf_flag(conf, CONF_ONCE);
    u->uploads = (unsigned)conf_number(conf, CONF_UPLOADS);
    u->uploads_per_database = (unsigned)conf_number(conf, CONF_UPLOADS_PER_DATABASE);
    u->drain_share = (unsigned)conf_number(conf, CONF_DRAIN_SHARE);
    u->scan_interval_ms = conf_number(conf, CONF_SCAN_INTERVAL);
    u->backoff = (struct backoff){.min_ms = conf_number(conf, CONF_RETRY_MIN),
                                  .max_ms = conf_number(conf, CONF_RETRY_MAX)};
    u->breaker = (struct breaker_options){.failures = (unsigned)conf_number(conf, CONF_BREAKER_FAILURES),
                                          .time_ms = conf_number(conf, CONF_BREAKER_TIME),
                                          .successes = (unsigned)conf_number(conf, CONF_BREAKER_SUCCESSES),
                                          .hold_ms = conf_number(conf, CONF_RECOVERY_HOLD),
                                          .probe_ms = conf_number(conf, CONF_PROBE_INTERVAL),
                                          .idle_ms = conf_number(conf, CONF_IDLE_PROBE),
                                          .backoff = u->backoff,
                                          .engine_counts = conf_number(conf, CONF_HEALTH) == 1};
    u->limits = (struct batch_limits){.raw_bytes = (uint64_t)conf_number(conf, CONF_BATCH_BYTES),
                                      .blocks = BATCH_BLOCKS_MAX,
                                      .files = (uint32_t)conf_number(conf, CONF_BATCH_SEGMENTS),
                                      .age_ms = u->is_once ? INT64_MIN : conf_number(conf, CONF_BATCH_AGE)};
    u->max_age_ms = conf_number(conf, CONF_MAX_AGE);
    u->confirm_after_ms = conf_number(conf, CONF_CONFIRM_AFTER);
    u->confirm_every_ms =
        u->confirm_after_ms / 8 < UPLOADER_CONFIRM_MS ? u->confirm_after_ms / 8 : UPLOADER_CONFIRM_MS;
    u->context.queue = conf_number(conf, CONF_QUEUE) == 0 ? QUEUE_UPLOAD : QUEUE_SEALED;
    u->context.options = (struct adx_options){.mode = (enum ingest_mode)conf_number(conf, CONF_INGEST),
                                              .is_strict = conf_number(conf, CONF_DEDUP) == 1,
                                              .confirm = (enum confirm)conf_number(conf, CONF_CONFIRM),
                                              .confirm_after_ms = u->confirm_after_ms,
                                              .confirm_every_ms = u->confirm_every_ms,
                                              .retry_min_ms = u->backoff.min_ms,
                                              .timeout_ms = conf_number(conf, CONF_REQUEST_TIMEOUT),
                                              .probe_timeout_ms = conf_number(conf, CONF_PROBE_TIMEOUT),
                                              .is_aborted = &u->context.is_aborted,
                                              .instance = u->daemon->instance};
    if (u->backoff.max_ms < u->backoff.min_ms)
        return err_set(err, -EINVAL, "--retry-max is shorter than --retry-min");
    if (u->context.options.is_strict &&
        (u->context.options.mode == INGEST_STREAMING || u->context.options.mode == INGEST_INLINE))
        return err_set(err, -EINVAL,
                       "--dedup strict needs --ingest queued or auto: the other ways carry no key");
    if (u->context.options.is_strict) /* whatever the endpoint seems to offer */
        u->context.options.mode = INGEST_QUEUED;
    return add_databases(u, conf, err);
}

/* --- the skeleton's hooks --------------------------------------------------------------------------- */

static void wake(void *arg)
{
    daemon_wake(arg);
}

static void run_job(struct worker_job *one, void *local)
{
    struct upload_job *job = (struct upload_job *)one;
    if (job->is_probe)
        probe_run(job, local);
    else
        upload_run(job, local);
}

static void end_worker(void *local)
{
    worker_fini(local);
}

static void fini(void *state)
{
    struct uploader *u = state;
    atomic_store(&u->context.is_stopping, true);
    atomic_store(&u->context.is_aborted, true);
    for (struct worker_job *left = u->workers ? workers_free(u->workers) : NULL, *next; left; left = next) {
        next = left->next;
        free(left);
    }
    tokens_free(u->context.options.tokens);
    for (size_t i = 0; i < u->database_count; i++) {
        struct database *d = &u->databases[i];
        for (struct batch *batch; (batch = d->batches);) {
            d->batches = batch->next;
            batches_free(batch);
        }
        for (struct batch *batch; (batch = d->posted.first);) {
            d->posted.first = batch->next;
            batches_free(batch);
        }
        waiting_fini(&d->queue);
        adx_endpoint_fini(&d->endpoint);
    }
    /* u->diskguard stays open: the process ends now, and closing a socket whose last request was a hint
     * (nobody waits for its answer) may hang in nng 1.5 (nanomsg/nng#1813). Kept where LeakSanitizer sees it.
     */
    static struct ctl_client *volatile left_open UNUSED;
    left_open = u->diskguard;
    tally_free(u->context.totals);
    for (size_t i = 0; i < u->resources_count; i++)
        resources_free(u->resources[i]);
    free(u->resources);
    free(u->databases);
    free(u->unknown);
    free(u->walk);
    ballast_fini(&u->ballast);
    free(u);
    curl_global_cleanup();
}

static int check(const struct conf *conf, struct err *err)
{
    size_t count;
    struct target target;
    struct token_options tokens;
    struct trust trust;
    char *const *texts = conf_list(conf, CONF_DATABASE, &count);
    int rc = read_trust(conf, &tokens, &trust, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = target_parse(texts[i], &target, err);
        if (rc == 0)
            rc = check_trust(&target, &tokens, &trust, err);
    }
    return rc;
}

static int set_up(struct uploader *u, struct err *err)
{
    int rc = read_conf(u, u->daemon->conf, err);
    if (rc)
        return rc;
    rc = totals_new(&u->context.totals, &u->daemon->spool, err);
    if (rc)
        return rc;
    u->walk = malloc(sizeof *u->walk);
    const struct workers_hooks hooks = {.local_bytes = sizeof(struct worker),
                                        .run = run_job,
                                        .fini = end_worker,
                                        .wake = wake,
                                        .arg = u->daemon};
    u->workers = workers_new(schedule_threads(u->uploads, u->database_count), &hooks);
    if (!u->walk || !u->workers)
        return err_set(err, -ENOMEM, "out of memory");
    health_init(u);
    opinion_load(u);
    rc = ctl_client_open(&u->diskguard, &u->daemon->spool, "diskguard", err);
    return rc ? rc : recover_batches(u, err);
}

static int init(struct daemon *daemon, void **state, struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, -ENOMEM, "libcurl cannot be set up");
    struct uploader *u = calloc(1, sizeof *u);
    if (!u)
        return err_set(err, -ENOMEM, "out of memory");
    u->daemon = daemon;
    u->context.spool = &daemon->spool;
    u->must_scan_all = true;
    ballast_init(&u->ballast, &daemon->spool, "uploader", !conf_flag(daemon->conf, CONF_ONCE));
    int rc = set_up(u, err);
    if (rc)
        fini(u);
    else
        *state = u;
    return rc;
}

static bool has_work(const struct uploader *u)
{
    for (size_t i = 0; i < u->database_count; i++)
        if (schedule_has_work(u, &u->databases[i]))
            return true;
    return false;
}

/* --once: a fresh look at the queue has found nothing more that can be done. */
static void finish_once(struct uploader *u)
{
    bool drained = schedule_is_drained(u);
    if (!drained)
        log_warn("left", log_s("advice", "see the lines above for what failed; run again"));
    daemon_finish(u->daemon, drained ? EXIT_DONE : EXIT_AGAIN);
}

static int64_t step(void *state)
{
    struct uploader *u = state;
    results_take(u);
    leaving_step(u);
    ballast_renew(&u->ballast);
    bool is_fresh = !u->is_stopping && mono_is_past(u->scan_due);
    if (is_fresh)
        schedule_scan(u);
    schedule_start(u);
    health_step(u);
    if (u->is_stopping && u->in_flight == 0)
        daemon_finish(u->daemon, EXIT_DONE);
    if (u->is_once && !u->is_stopping && !has_work(u)) {
        if (is_fresh)
            finish_once(u);
        u->scan_due = (struct mono){0};
        u->must_scan_all = true;
        return 0;
    }
    return schedule_delay_ms(u);
}

static void stop(void *state)
{
    struct uploader *u = state;
    u->is_stopping = true;
    atomic_store(&u->context.is_stopping, true);
    daemon_wake(u->daemon);
}

static const struct conf_about about = {
    .program = "uploader",
    .bit = CONF_U,
    .summary = "bring segments from the spool into Azure Data Explorer",
    .usage = "",
    .text =
        "Takes segments from the queue upload/ (or sealed/), makes batches of them by table, and sends "
        "each batch to the\n"
        "target of its database without compressing anything anew. A batch is removed only when the "
        "target has taken\n"
        "it; one that is refused for good goes to quarantine/ with the target's words beside it; all "
        "else is tried again.\n"
        "A database that fails holds back its own data only.\n"
        "Queued ingestion is done when ADX has the message; with --confirm, when ADX has not failed on it for a while.\n"
        "Until then its segments stay in batch/ and count in the disk budget: leave room for what comes in during\n"
        "--confirm-after.",
    .examples = "uploader --spool /var/spool/spillway --database "
                "Metrics=https://mycluster.westeurope.kusto.windows.net\n"
                "uploader --spool S --queue sealed --database Metrics=dir:/tmp/out --once",
};

static const enum conf_id required[] = {CONF_DATABASE, CONF_KEYS};

static const struct ctl_op ops[] = {{"pause", uploader_pause},
                                    {"resume", uploader_resume},
                                    {"probe", uploader_probe},
                                    {"release", uploader_release},
                                    {NULL, NULL}};

const struct daemon_module uploader_module = {
    .about = &about,
    .required = required,
    .check = check,
    .init = init,
    .step = step,
    .stop = stop,
    .status = uploader_status,
    .metrics = uploader_metrics,
    .ops = ops,
    .fini = fini,
};
