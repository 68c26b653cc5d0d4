/* The part that empties sealed/, and adopts what writers that died left in active/. */
#include <errno.h>

#include "common/base/log.h"
#include "common/spool/adopt.h"
#include "peerd/peerd.h"

/* A writer that dies leaves its file in active/; where no new writer starts, we adopt it. */
enum { ADOPT_INTERVAL_MS = 2000 };

struct routing {
    struct ctl_client *uploader;
    struct router_counts counts;
    struct mono adopt_at;
    uint64_t adopted;
    int64_t left; /* in sealed/ after the last look; negative errno when it could not be read */
};

static int init(struct peerd *peerd, struct err *err)
{
    peerd->routing = calloc(1, sizeof *peerd->routing);
    if (!peerd->routing)
        return err_set(err, -ENOMEM, "out of memory");
    return ctl_client_open(&peerd->routing->uploader, &peerd->daemon->spool, "uploader", err);
}

static void fini(struct peerd *peerd)
{
    if (!peerd->routing)
        return;
    ctl_client_close(peerd->routing->uploader);
    free(peerd->routing);
}

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

static int64_t step(struct peerd *peerd)
{
    struct routing *routing = peerd->routing;
    uint64_t before = routing->counts.segments;
    adopt(peerd);
    routing->left = router_run(&peerd->daemon->spool, &routing->counts);
    if (routing->left < 0)
        log_warn("cannot-read-queue", log_s("queue", "sealed"),
                 log_s("cause", strerror((int)-routing->left)));
    if (routing->counts.segments > before) {
        ctl_client_wake(routing->uploader);
        daemon_publish(peerd->daemon, "segments-routed",
                       json_pack("{s:s, s:I}", "to", "upload", "segments",
                                 (json_int_t)(routing->counts.segments - before)));
    }
    return conf_number(peerd->daemon->conf, CONF_SCAN_INTERVAL);
}

static bool is_done(const struct peerd *peerd, bool *has_left)
{
    *has_left = *has_left || peerd->routing->left != 0;
    return true;
}

static void status(struct peerd *peerd, json_t *out)
{
    const struct routing *routing = peerd->routing;
    json_object_set_new(out, "routed_segments", json_integer((json_int_t)routing->counts.segments));
    json_object_set_new(out, "routed_bytes", json_integer((json_int_t)routing->counts.bytes));
    json_object_set_new(out, "route_failures", json_integer((json_int_t)routing->counts.failures));
    json_object_set_new(out, "adopted_segments", json_integer((json_int_t)routing->adopted));
    json_object_set_new(out, "left_in_sealed", json_integer(routing->left < 0 ? 0 : routing->left));
}

static void metrics(struct peerd *peerd, struct metrics *out)
{
    const struct routing *routing = peerd->routing;
    metrics_single(out, "spillway_routed_segments_total", METRICS_COUNTER,
                   "Segments moved from sealed/ to upload/.", (int64_t)routing->counts.segments);
    metrics_single(out, "spillway_routed_bytes_total", METRICS_COUNTER, "Their bytes on disk.",
                   (int64_t)routing->counts.bytes);
    metrics_single(out, "spillway_adopted_segments_total", METRICS_COUNTER,
                   "Segments sealed for writers that died.", (int64_t)routing->adopted);
    metrics_single(out, "spillway_route_failures_total", METRICS_COUNTER,
                   "Moves that failed and are tried again.", (int64_t)routing->counts.failures);
}

const struct peerd_part routing_part = {
    .init = init,
    .step = step,
    .is_done = is_done,
    .status = status,
    .metrics = metrics,
    .fini = fini,
};
