/* The part that takes what peers send. */
#include "peerd/receive/receiving.h"

#include <errno.h>

#include "common/base/log.h"
#include "common/http/files.h"
#include "common/spool/place.h"
#include "peerd/peerd.h"
#include "peerd/receive/transfer.h"

enum {
    CONNECTION_BYTES = 64 << 10, /* fewer calls for a large body; more would cost each small one too much */
    DRAIN_STEP_MS = 20,
    BODIES_MS = 5000, /* draining: bodies still being sent are waited for so long */
    PIECE_MAX = 1 << 20,
    PIECE_MIN = 64 << 10,
    SEGMENT_SHARE = 4, /* a body of more than one in so many of a segment has a file of its own */
};

/* --- settings --------------------------------------------------------------------------------------- */

static void read_settings(struct receive_settings *settings, const struct conf *conf, const char *name)
{
    uint64_t segment_bytes = (uint64_t)conf_number(conf, CONF_SEGMENT_BYTES);
    uint64_t piece = segment_bytes / SEGMENT_SHARE;
    *settings = (struct receive_settings){
        .landing = {.instance = name,
                    .segment_bytes = segment_bytes,
                    .segment_age_ms = conf_number(conf, CONF_SEGMENT_AGE),
                    .open_max = (size_t)conf_number(conf, CONF_MAX_OPEN_FILES),
                    .sync = (enum sync_mode)conf_number(conf, CONF_SYNC),
                    .is_guarded = !conf_flag(conf, CONF_NO_GUARD)},
        .name = name,
        .body_max_bytes = (uint64_t)conf_number(conf, CONF_MAX_TRANSFER_BYTES),
        .piece_bytes = piece > PIECE_MAX   ? PIECE_MAX
                       : piece < PIECE_MIN ? PIECE_MIN
                                           : (size_t)piece,
        .ids_max = (size_t)conf_number(conf, CONF_RECEIVED_IDS),
    };
    settings->databases = conf_list(conf, CONF_DB, &settings->database_count);
}

int receiving_check(const struct conf *conf, struct err *err)
{
    struct http_settings settings;
    return conf_text(conf, CONF_LISTEN) ? http_settings_init(&settings, conf, CONF_LISTEN, err) : 0;
}

/* --- start and end ---------------------------------------------------------------------------------- */

static void wake(void *arg)
{
    daemon_wake(arg);
}

static int set_up(struct receiving *receiving, struct peerd *peerd, struct err *err)
{
    struct receive_settings *settings = &receiving->settings;
    struct spool *spool = &peerd->daemon->spool;
    int rc = http_settings_init(&settings->http, peerd->daemon->conf, CONF_LISTEN, err);
    settings->http.connection_bytes = CONNECTION_BYTES;
    if (rc == 0)
        rc = http_raise_file_limit(settings->http.connections_max, &settings->landing.open_max, err);
    if (rc == 0)
        rc = http_server_init(&receiving->server, &settings->http, err);
    if (rc == 0)
        rc = ledger_open(&receiving->ledger, spool, settings->ids_max, err);
    if (rc == 0)
        rc = watch_new(&receiving->watch, spool, settings->landing.is_guarded, err);
    if (rc)
        return rc;
    if (!settings->landing.is_guarded)
        log_warn("no-guard",
                 log_s("meaning", "diskguard is not asked: the spool's disk limit is not enforced"));
    receiving->memory.limit = conf_number(peerd->daemon->conf, CONF_RECEIVE_MEMORY);
    receiving->views = &peerd->views;
    receiving->lander_hooks = (struct lander_hooks){wake, peerd->daemon};
    rc = lander_new(&receiving->lander, &settings->landing, spool, receiving->ledger, &receiving->received,
                    &receiving->lander_hooks, err);
    if (rc)
        return rc;
    receiving->hooks =
        (struct http_hooks){transfer_begin, transfer_handle, transfer_end, transfer_begun, receiving};
    return http_server_open(&receiving->server, &receiving->hooks, err);
}

/* Nobody reaches us: but what an earlier process received goes on. */
static int recover(struct peerd *peerd, const struct receive_settings *settings, struct err *err)
{
    struct spool *spool = &peerd->daemon->spool;
    struct ledger *ledger;
    uint64_t segments;
    int rc = ledger_open(&ledger, spool, settings->ids_max, err);
    if (rc)
        return rc;
    if (lander_recover(&settings->landing, spool, ledger, &segments, err) != 0)
        log_error("cannot-recover", log_s("cause", err->text),
                  log_s("action", "what was received stays in active/ until the next start"));
    ledger_close(ledger);
    return 0;
}

static int init(struct peerd *peerd, struct err *err)
{
    struct receive_settings settings;
    read_settings(&settings, peerd->daemon->conf, peerd->settings.name);
    if (!peerd->settings.listen)
        return recover(peerd, &settings, err);
    peerd->receiving = calloc(1, sizeof *peerd->receiving);
    if (!peerd->receiving)
        return err_set(err, -ENOMEM, "out of memory");
    peerd->receiving->settings = settings;
    received_init(&peerd->receiving->received);
    return set_up(peerd->receiving, peerd, err);
}

/* Those first who wake suspended connections: then the server can stop, and what it still brings is refused.
 */
static void fini(struct peerd *peerd)
{
    struct receiving *receiving = peerd->receiving;
    if (!receiving)
        return;
    if (receiving->lander)
        lander_stop(receiving->lander);
    watch_stop(receiving->watch);
    http_server_fini(&receiving->server);
    watch_free(receiving->watch);
    lander_free(receiving->lander);
    ledger_close(receiving->ledger);
    received_fini(&receiving->received);
    free(receiving);
}

/* --- the loop --------------------------------------------------------------------------------------- */

static void publish(struct receiving *receiving, struct peerd *peerd)
{
    uint64_t landed = lander_counts(receiving->lander).segments_sealed;
    if (landed == receiving->published)
        return;
    daemon_publish(
        peerd->daemon, "segments-received",
        json_pack("{s:s, s:I}", "to", "upload", "segments", (json_int_t)(landed - receiving->published)));
    receiving->published = landed;
}

static int64_t step(struct peerd *peerd)
{
    struct receiving *receiving = peerd->receiving;
    if (!receiving)
        return DAEMON_NEVER;
    total_add(&receiving->clients_cut, http_server_tick(&receiving->server));
    publish(receiving, peerd);
    if (!peerd->daemon->is_stopping)
        return http_server_tick_ms(&receiving->server);
    if (total_of(&receiving->in_flight) == 0 || mono_is_past(receiving->bodies_until))
        lander_drain(receiving->lander);
    return DRAIN_STEP_MS;
}

static void stop(struct peerd *peerd)
{
    if (!peerd->receiving)
        return;
    atomic_store(&peerd->receiving->is_draining, true);
    peerd->receiving->bodies_until = mono_after(BODIES_MS);
}

static bool is_drained(const struct peerd *peerd)
{
    return !peerd->receiving || lander_is_drained(peerd->receiving->lander);
}

static void reload(struct peerd *peerd, const struct conf *conf)
{
    (void)conf;
    if (peerd->receiving)
        http_server_reload(&peerd->receiving->server);
}

static void status(struct peerd *peerd, json_t *out)
{
    if (peerd->receiving)
        receiving_status(peerd->receiving, out);
}

static void metrics(struct peerd *peerd, struct metrics *out)
{
    if (peerd->receiving)
        receiving_metrics(peerd->receiving, out);
}

const struct peerd_part receiving_part = {
    .init = init,
    .step = step,
    .stop = stop,
    .is_drained = is_drained,
    .reload = reload,
    .status = status,
    .metrics = metrics,
    .fini = fini,
};
