#include "peerd/peerd.h"

#include <curl/curl.h>
#include <errno.h>

#include "common/base/exit.h"
#include "common/base/log.h"
#include "peerd/failover/failing.h"
#include "peerd/receive/receiving.h"

/* In the order in which they are set up and run; torn down in the opposite one. */
static const struct peerd_part *const parts[] = {&failing_part, &membership_part, &routing_part,
                                                 &receiving_part};

/* --- the skeleton's hooks --------------------------------------------------------------------------- */

static void fini(void *state)
{
    struct peerd *peerd = state;
    for (size_t i = ARRAY_LEN(parts); i-- > 0;)
        if (parts[i]->fini)
            parts[i]->fini(peerd);
    views_fini(&peerd->views);
    ballast_fini(&peerd->ballast);
    free(peerd);
    curl_global_cleanup();
}

static int set_up(struct peerd *peerd, struct err *err)
{
    int rc = peer_settings_init(&peerd->settings, peerd->daemon->conf, peerd->daemon->instance, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++)
        rc = parts[i]->init ? parts[i]->init(peerd, err) : 0;
    return rc;
}

static int init(struct daemon *daemon, void **state, struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, -ENOMEM, "libcurl cannot be set up");
    struct peerd *peerd = calloc(1, sizeof *peerd);
    if (!peerd)
        return err_set(err, -ENOMEM, "out of memory");
    peerd->daemon = daemon;
    views_init(&peerd->views);
    ballast_init(&peerd->ballast, &daemon->spool, "peerd", !conf_flag(daemon->conf, CONF_ONCE));
    int rc = set_up(peerd, err);
    if (rc)
        fini(peerd);
    else
        *state = peerd;
    return rc;
}

static int check(const struct conf *conf, struct err *err)
{
    struct peer_settings settings;
    int rc = peer_settings_init(&settings, conf, NULL, err);
    if (rc == 0)
        rc = failing_check(conf, err);
    return rc ? rc : receiving_check(conf, err);
}

static bool is_drained(const struct peerd *peerd)
{
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i]->is_drained && !parts[i]->is_drained(peerd))
            return false;
    return true;
}

static void finish_once(struct peerd *peerd)
{
    bool has_left = false;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i]->is_done && !parts[i]->is_done(peerd, &has_left))
            return;
    daemon_finish(peerd->daemon, has_left ? EXIT_AGAIN : EXIT_DONE);
}

static int64_t step(void *state)
{
    struct peerd *peerd = state;
    int64_t least_ms = DAEMON_NEVER;
    ballast_renew(&peerd->ballast);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        int64_t delay_ms = parts[i]->step ? parts[i]->step(peerd) : DAEMON_NEVER;
        if (delay_ms != DAEMON_NEVER && (least_ms == DAEMON_NEVER || delay_ms < least_ms))
            least_ms = delay_ms;
    }
    if (peerd->daemon->is_stopping && is_drained(peerd))
        daemon_finish(peerd->daemon, EXIT_DONE);
    else if (conf_flag(peerd->daemon->conf, CONF_ONCE) && !peerd->daemon->is_stopping)
        finish_once(peerd);
    return least_ms;
}

static void stop(void *state)
{
    struct peerd *peerd = state;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i]->stop)
            parts[i]->stop(peerd);
    daemon_wake(peerd->daemon);
}

static void reload(void *state)
{
    struct peerd *peerd = state;
    struct conf *conf = NULL;
    struct err err;
    int rc = daemon_read_conf(peerd->daemon, &conf, &err);
    if (rc) {
        log_error("cannot-reload", log_s("cause", err.text), log_s("do", "mend it and send SIGHUP again"),
                  log_s("meanwhile", "what was configured before stays"));
    } else {
        log_info("reloading", log_s("what", "members, token, certificates"));
        for (size_t i = 0; i < ARRAY_LEN(parts); i++)
            if (parts[i]->reload)
                parts[i]->reload(peerd, conf);
    }
    conf_free(conf);
}

static void status(void *state, json_t *out)
{
    struct peerd *peerd = state;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i]->status)
            parts[i]->status(peerd, out);
}

static void metrics(void *state, struct metrics *out)
{
    struct peerd *peerd = state;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i]->metrics)
            parts[i]->metrics(peerd, out);
}

static const struct conf_about about = {
    .program = "peerd",
    .bit = CONF_P,
    .summary = "route sealed segments to whoever uploads them",
    .usage = "",
    .text =
        "Takes segments from sealed/ as they appear and moves them to upload/, where uploader finds "
        "them: one rename each, "
        "no byte is copied. What a walwriter that died has left in active/ it seals. It may be killed at "
        "any instant; what it had not moved yet it moves after the next start.\n\n"
        "With peers it keeps watch over the ring: which members there are (--peer, --peers-dns), which of them "
        "answer, and who of those that do owns which table. SIGHUP reads the list of members anew.\n\n"
        "Segments of a table that another member owns are sent to it, together and byte for byte, and are there "
        "once whatever is killed or lost on the way. What is too old (--max-transfer-age), too much "
        "(--max-transfer-size), or of a member that is in trouble is uploaded from here; in normal operation "
        "nothing is dropped.",
    .examples =
        "    peerd --spool /var/spool/spillway\n"
        "    peerd --spool /var/spool/spillway --once\n"
        "    peerd --spool S --name n0 --listen 10.0.0.1:9090 --peer n1=http://10.0.0.2:9090 --peer "
        "n2=http://10.0.0.3:9090\n"
        "    peerd --spool S --name n0 --listen :9090 --peers-dns spillway.default.svc.cluster.local\n",
};

static const struct ctl_op ops[] = {{"peers", membership_op_peers},
                                    {"owner", membership_op_owner},
                                    {"failover", failing_op_failover},
                                    {"explain", explain_op},
                                    {NULL, NULL}};

const struct daemon_module peerd_module = {
    .about = &about,
    .check = check,
    .init = init,
    .step = step,
    .stop = stop,
    .reload = reload,
    .status = status,
    .metrics = metrics,
    .ops = ops,
    .fini = fini,
};
