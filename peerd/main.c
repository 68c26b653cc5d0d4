#include <errno.h>

#include "common/base/exit.h"
#include "common/base/log.h"
#include "common/control/client.h"
#include "common/control/daemon.h"
#include "common/spool/adopt.h"
#include "peerd/router.h"

/* A writer that dies leaves its file in active/; where no new writer starts, we adopt it. */
enum { ADOPT_INTERVAL_MS = 2000 };

struct peerd {
    struct daemon *daemon;
    struct ctl_client *uploader;
    struct router_counts counts;
    struct mono adopt_at;
    uint64_t adopted;
    int64_t left; /* in sealed/ after the last look; negative errno when it could not be read */
};

static int init(struct daemon *daemon, void **state, struct err *err)
{
    struct peerd *peerd = calloc(1, sizeof *peerd);
    if (!peerd)
        return err_set(err, -ENOMEM, "out of memory");
    *state = peerd;
    peerd->daemon = daemon;
    return ctl_client_open(&peerd->uploader, &daemon->spool, "uploader", err);
}

static void fini(void *state)
{
    struct peerd *peerd = state;
    ctl_client_close(peerd->uploader);
    free(peerd);
}

static void adopt(struct peerd *peerd)
{
    const struct adopt_options options = {.durable = true, .guarded = peerd->daemon->spool.is_guarded};
    struct adopt_result result;
    struct err err;
    if (!mono_is_past(peerd->adopt_at))
        return;
    peerd->adopt_at = mono_after(ADOPT_INTERVAL_MS);
    if (adopt_orphans(&peerd->daemon->spool, &options, &result, &err))
        log_warn("cannot-adopt", log_s("cause", err.text));
    else
        peerd->adopted += result.sealed;
}

static int64_t step(void *state)
{
    struct peerd *peerd = state;
    uint64_t before = peerd->counts.segments;
    adopt(peerd);
    peerd->left = router_run(&peerd->daemon->spool, &peerd->counts);
    if (peerd->left < 0)
        log_warn("cannot-read-queue", log_s("queue", "sealed"), log_s("cause", strerror((int)-peerd->left)));
    if (peerd->counts.segments > before) {
        ctl_client_wake(peerd->uploader);
        daemon_publish(peerd->daemon, "segments-routed",
                       json_pack("{s:s, s:I}", "to", "upload", "segments",
                                 (json_int_t)(peerd->counts.segments - before)));
    }
    if (conf_flag(peerd->daemon->conf, CONF_ONCE))
        daemon_finish(peerd->daemon, peerd->left ? EXIT_AGAIN : EXIT_DONE);
    return conf_number(peerd->daemon->conf, CONF_SCAN_INTERVAL);
}

static void status(void *state, json_t *out)
{
    const struct peerd *peerd = state;
    json_object_set_new(out, "peers", json_array());
    json_object_set_new(out, "routed_segments", json_integer((json_int_t)peerd->counts.segments));
    json_object_set_new(out, "routed_bytes", json_integer((json_int_t)peerd->counts.bytes));
    json_object_set_new(out, "route_failures", json_integer((json_int_t)peerd->counts.failures));
    json_object_set_new(out, "adopted_segments", json_integer((json_int_t)peerd->adopted));
    json_object_set_new(out, "left_in_sealed", json_integer(peerd->left < 0 ? 0 : peerd->left));
}

static void metrics(void *state, struct metrics *out)
{
    const struct peerd *peerd = state;
    metrics_single(out, "spillway_routed_segments_total", METRICS_COUNTER,
                   "Segments moved from sealed/ to upload/.", (int64_t)peerd->counts.segments);
    metrics_single(out, "spillway_routed_bytes_total", METRICS_COUNTER, "Their bytes on disk.",
                   (int64_t)peerd->counts.bytes);
    metrics_single(out, "spillway_adopted_segments_total", METRICS_COUNTER,
                   "Segments sealed for writers that died.", (int64_t)peerd->adopted);
    metrics_single(out, "spillway_route_failures_total", METRICS_COUNTER,
                   "Moves that failed and are tried again.", (int64_t)peerd->counts.failures);
}

static const struct conf_about about = {
    .program = "peerd",
    .bit = CONF_P,
    .summary = "route sealed segments to whoever uploads them",
    .usage = "",
    .text = "Takes segments from sealed/ as they appear and moves them to upload/, where uploader finds "
            "them: one rename each, "
            "no byte is copied. What a walwriter that died has left in active/ it seals. It may be killed at "
            "any instant; what it had not moved yet it moves after the next start.",
    .examples = "    peerd --spool /var/spool/spillway\n"
                "    peerd --spool /var/spool/spillway --once\n",
};

int main(int argc, char **argv)
{
    static const struct daemon_module module = {
        .about = &about,
        .init = init,
        .step = step,
        .status = status,
        .metrics = metrics,
        .fini = fini,
    };
    return daemon_main(argc, argv, &module);
}
