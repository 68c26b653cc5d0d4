/* The part that empties sealed/: to our own upload/, or to the peers that own the tables; and that adopts
 * what writers that died left in active/. */
#include <errno.h>

#include "common/base/log.h"
#include "common/spool/adopt.h"
#include "peerd/failover/failing.h"
#include "peerd/failover/reclaim.h"
#include "peerd/peerd.h"
#include "peerd/send/routing.h"
#include "peerd/send/shipping.h"

enum {
    ADOPT_INTERVAL_MS =
        2000, /* a writer that dies leaves its file in active/; where no new one starts, we adopt it */
    RECLAIM_MS = 1000,  /* how often upload/ is looked at for what must move on */
    HOLD_MS = 10000,    /* a sacrificial instance without room is asked again after this, or what it says */
    ROUTING_SHARE = 10, /* looking at sealed/ takes at most a tenth of the main thread */
};

struct routing {
    struct ctl_client *uploader;
    struct router router;
    struct shipping *shipping;
    struct tally *tally;
    struct mono adopt_at, scan_due, scan_earliest, reclaim_at;
    uint64_t adopted, reclaimed;
    int64_t left;      /* in sealed/ after the last look; negative errno when it could not be read */
    bool is_settled;   /* the view of the last look */
    bool is_reclaimed; /* and nothing was left in upload/ that has to leave */
    bool is_stopping;
};

/* --- databases in failover -------------------------------------------------------------------------- */

static struct failover look(void *arg, const struct view *view, const char *db)
{
    return failing_look(arg, view, db);
}

static struct drop_decision policy(void *arg, const struct view *view, bool is_full)
{
    return failing_decide(arg, view, is_full);
}

/* Only of a database that we see in failover at that very member: a view that differs drops nothing. */
static struct drop_decision full(void *arg, const char *db, const char *peer, int64_t retry_after_ms)
{
    struct peerd *peerd = arg;
    struct view *view = views_get(&peerd->views);
    const struct failover now = failing_look(peerd, view, db);
    struct drop_decision decision = {.action = DROP_HOLD};
    if (now.is_active && view->is_settled && strcmp(now.at->name, peer) == 0)
        decision = failing_decide(peerd, view, true);
    view_unref(view);
    if (decision.action != DROP_THESE)
        router_hold(&peerd->routing->router, db, retry_after_ms > 0 ? retry_after_ms : HOLD_MS);
    return decision;
}

static void given_up(void *arg, const char *db, const struct drop_decision *drop, const char *peer,
                     const struct drops_sum *sum, const char *cause)
{
    failing_tell_drops(arg, db, drop, peer, sum, cause);
}

static void reclaim_one(void *arg, const char *db)
{
    struct peerd *peerd = arg;
    char folder[SPOOL_NAME_BYTES];
    struct view *view = views_get(&peerd->views);
    const struct failover now = failing_look(peerd, view, db);
    if (failing_is_leaving(peerd, view, db) && name_encode(db, folder, sizeof folder) == NAME_OK) {
        int64_t taken = reclaim_run(&peerd->daemon->spool, view, &now, folder, db);
        if (taken < 0)
            log_warn("cannot-read-queue", log_s("queue", "upload"), log_s("cause", strerror((int)-taken)));
        else if (taken > 0)
            log_info("reclaimed", log_s("db", db), log_n("segments", taken),
                     log_s("meaning", "they cannot be uploaded from here, and move on"));
        peerd->routing->reclaimed += taken > 0 ? (uint64_t)taken : 0;
    }
    view_unref(view);
}

static void reclaim(struct peerd *peerd, const struct view *view)
{
    struct routing *routing = peerd->routing;
    uint64_t before = routing->reclaimed;
    if (routing->is_stopping || !mono_is_past(routing->reclaim_at))
        return;
    routing->reclaim_at = mono_after(conf_flag(peerd->daemon->conf, CONF_ONCE) ? 0 : RECLAIM_MS);
    failing_each(peerd, reclaim_one, peerd);
    routing->is_reclaimed = view->is_settled && routing->reclaimed == before;
}

/* --- setting up ------------------------------------------------------------------------------------- */

static int start_shipping(struct peerd *peerd, struct routing *routing, struct err *err)
{
    const struct conf *conf = peerd->daemon->conf;
    const struct peer_settings *peers = &peerd->settings;
    const struct sender_settings sender = {.instance = peers->name,
                                           .credentials = peerd->credentials,
                                           .connect_ms = conf_number(conf, CONF_PEER_CONNECT_TIMEOUT),
                                           .stall_ms = conf_number(conf, CONF_TRANSFER_STALL)};
    const struct shipping_settings settings = {
        .transfers = (unsigned)conf_number(conf, CONF_TRANSFERS),
        .per_peer = (unsigned)conf_number(conf, CONF_TRANSFERS_PER_PEER),
        .backoff = {.min_ms = conf_number(conf, CONF_RETRY_MIN), .max_ms = conf_number(conf, CONF_RETRY_MAX)},
        .unhealthy_ms = conf_number(conf, CONF_PEER_UNHEALTHY),
        .give_up_ms = conf_number(conf, CONF_TRANSFER_GIVE_UP),
        .patience_ms = conf_number(conf, CONF_MAX_TRANSFER_AGE),
        .has_dns = peers->dns != NULL,
        .is_once = conf_flag(conf, CONF_ONCE)};
    if (settings.backoff.max_ms < settings.backoff.min_ms)
        return err_set(err, -EINVAL, "--retry-max is shorter than --retry-min");
    const struct shipping_hooks hooks = {.full = full, .given_up = given_up, .arg = peerd};
    int rc = shipping_new(&routing->shipping, peerd->daemon, routing->tally, &settings, &sender,
                          failing_drops(peerd), &hooks, err);
    return rc ? rc : shipping_recover(routing->shipping, err);
}

static int init(struct peerd *peerd, struct err *err)
{
    const struct conf *conf = peerd->daemon->conf;
    const struct route_settings settings = {
        .max_age_ms = conf_number(conf, CONF_MAX_TRANSFER_AGE),
        .max_bytes = (uint64_t)conf_number(conf, CONF_MAX_TRANSFER_SIZE),
        .linger_ms = conf_flag(conf, CONF_ONCE) ? 0 : conf_number(conf, CONF_TRANSFER_LINGER),
        .files = MANIFEST_FILES_MAX};
    struct routing *routing = peerd->routing = calloc(1, sizeof *peerd->routing);
    if (!routing)
        return err_set(err, -ENOMEM, "out of memory");
    const struct router_hooks hooks = {.look = look, .policy = policy, .arg = peerd};
    router_init(&routing->router, &peerd->daemon->spool, &settings, &hooks);
    int rc = tally_new(&routing->tally, &peerd->daemon->spool, "peerd.json", err);
    if (rc == 0)
        rc = ctl_client_open(&routing->uploader, &peerd->daemon->spool, "uploader", err);
    return rc ? rc : start_shipping(peerd, routing, err);
}

static void fini(struct peerd *peerd)
{
    struct routing *routing = peerd->routing;
    if (!routing)
        return;
    shipping_free(routing->shipping);
    router_fini(&routing->router);
    tally_free(routing->tally);
    ctl_client_close(routing->uploader);
    free(routing);
}

/* --- at work ---------------------------------------------------------------------------------------- */

static void adopt(struct peerd *peerd)
{
    const struct adopt_options options = {.durable = true, .guarded = peerd->daemon->spool.is_guarded};
    struct adopt_result result;
    struct err err;
    if (!mono_is_past(peerd->routing->adopt_at))
        return;
    peerd->routing->adopt_at = mono_after(ADOPT_INTERVAL_MS);
    if (adopt_orphans(&peerd->daemon->spool, &options, &result, &err))
        log_warn("cannot-adopt", log_s("cause", err.text));
    else
        peerd->routing->adopted += result.sealed;
}

static void tell_routed(struct peerd *peerd, uint64_t segments)
{
    if (segments == 0)
        return;
    ctl_client_wake(peerd->routing->uploader);
    daemon_publish(peerd->daemon, "segments-routed",
                   json_pack("{s:s, s:I}", "to", "upload", "segments", (json_int_t)segments));
}

/* A hint may come with every segment: looking again waits until it costs little. */
static void route(struct peerd *peerd, const struct view *view)
{
    struct routing *routing = peerd->routing;
    struct mono started = mono_now();
    if (routing->is_stopping || !mono_is_past(routing->scan_earliest))
        return;
    uint64_t before = routing->router.counts.segments;
    routing->is_settled = view->is_settled;
    routing->left = router_run(&routing->router, view, routing->shipping);
    if (routing->left < 0)
        log_warn("cannot-read-queue", log_s("queue", "sealed"),
                 log_s("cause", strerror((int)-routing->left)));
    tell_routed(peerd, routing->router.counts.segments - before);
    int64_t interval_ms = conf_number(peerd->daemon->conf, CONF_SCAN_INTERVAL);
    int64_t due_ms = routing->router.due_ms;
    routing->scan_earliest = mono_after(mono_since_ms(started) * ROUTING_SHARE);
    routing->scan_due = mono_after(due_ms >= 0 && due_ms < interval_ms ? due_ms : interval_ms);
}

static int64_t step(struct peerd *peerd)
{
    struct routing *routing = peerd->routing;
    struct view *view = views_get(&peerd->views);
    uint64_t diverted;
    adopt(peerd);
    int64_t delay_ms = shipping_step(routing->shipping, view, &diverted);
    tell_routed(peerd, diverted);
    routing->router.must_scan = shipping_take_returned(routing->shipping) || routing->router.must_scan;
    reclaim(peerd, view);
    route(peerd, view);
    view_unref(view);
    if (routing->is_stopping)
        return delay_ms;
    struct mono due = mono_is_past(routing->scan_earliest)
                          ? routing->scan_due
                          : mono_earlier(routing->scan_due, routing->scan_earliest);
    int64_t scan_ms = mono_left_ms(due);
    return delay_ms == DAEMON_NEVER || scan_ms < delay_ms ? scan_ms : delay_ms;
}

static void stop(struct peerd *peerd)
{
    peerd->routing->is_stopping = true;
    shipping_stop(peerd->routing->shipping);
}

static bool is_drained(const struct peerd *peerd)
{
    return shipping_is_idle(peerd->routing->shipping);
}

/* --once: what waits for the ring to settle or for a slot is waited for. */
static bool is_done(const struct peerd *peerd, bool *has_left)
{
    const struct routing *routing = peerd->routing;
    if (!routing->is_settled || !routing->is_reclaimed || shipping_has_work(routing->shipping))
        return false;
    *has_left = *has_left || routing->left != 0 || shipping_has_left(routing->shipping);
    return true;
}

int routing_explain(struct peerd *peerd, const struct view *view, const char *folder,
                    const struct segment_name *name, struct router_answer *answer)
{
    return router_explain(&peerd->routing->router, view, peerd->routing->shipping, folder, name, answer);
}

/* --- what people see -------------------------------------------------------------------------------- */

static void status(struct peerd *peerd, json_t *out)
{
    const struct routing *routing = peerd->routing;
    const struct router_counts *counts = &routing->router.counts;
    json_object_set_new(out, "routed_segments", json_integer((json_int_t)counts->segments));
    json_object_set_new(out, "routed_bytes", json_integer((json_int_t)counts->bytes));
    json_object_set_new(out, "route_failures", json_integer((json_int_t)counts->failures));
    json_object_set_new(out, "reclaimed_segments", json_integer((json_int_t)routing->reclaimed));
    json_object_set_new(out, "adopted_segments", json_integer((json_int_t)routing->adopted));
    json_object_set_new(out, "left_in_sealed", json_integer(routing->left < 0 ? 0 : routing->left));
    shipping_status(routing->shipping, out);
}

static void metrics(struct peerd *peerd, struct metrics *out)
{
    const struct routing *routing = peerd->routing;
    const struct router_counts *counts = &routing->router.counts;
    metrics_single(out, "spillway_routed_segments_total", METRICS_COUNTER,
                   "Segments moved from sealed/ to upload/.", (int64_t)counts->segments);
    metrics_single(out, "spillway_routed_bytes_total", METRICS_COUNTER, "Their bytes on disk.",
                   (int64_t)counts->bytes);
    metrics_single(out, "spillway_reclaimed_segments_total", METRICS_COUNTER,
                   "Segments taken back from upload/, from where they could not be uploaded.",
                   (int64_t)routing->reclaimed);
    metrics_single(out, "spillway_adopted_segments_total", METRICS_COUNTER,
                   "Segments sealed for writers that died.", (int64_t)routing->adopted);
    metrics_single(out, "spillway_route_failures_total", METRICS_COUNTER,
                   "Moves that failed and are tried again.", (int64_t)counts->failures);
    shipping_metrics(routing->shipping, out);
}

const struct peerd_part routing_part = {
    .init = init,
    .step = step,
    .stop = stop,
    .is_drained = is_drained,
    .is_done = is_done,
    .status = status,
    .metrics = metrics,
    .fini = fini,
};
