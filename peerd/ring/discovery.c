#include "peerd/ring/discovery.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/cond.h"
#include "common/base/log.h"
#include "peerd/ring/dns_lookup.h"

enum { AGAIN_MS = 5000, LEAST_MS = 1000 };

/* Held by its owner and by its thread: whoever lets go last frees it, so that nobody has to wait for a server
 * that does not answer. */
struct discovery {
    struct dns_question question;
    int64_t interval_ms;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    unsigned refs; /* guarded by lock, as all below */
    bool is_stopping, is_hurried;
    struct roster *roster; /* used under lock, and not after is_stopping */
    void (*changed)(void *arg);
    void *arg;
    struct discovery_status status;
};

static void let_go(struct discovery *discovery)
{
    pthread_mutex_lock(&discovery->lock);
    bool is_last = --discovery->refs == 0;
    pthread_mutex_unlock(&discovery->lock);
    if (!is_last)
        return;
    pthread_cond_destroy(&discovery->wake);
    pthread_mutex_destroy(&discovery->lock);
    free(discovery);
}

/* --- the thread ------------------------------------------------------------------------------------- */

static void note_failure(struct discovery *discovery, const char *words)
{
    struct discovery_status *status = &discovery->status;
    bool is_first = !*status->words;
    status->failures++;
    snprintf(status->words, sizeof status->words, "%.*s", (int)sizeof status->words - 1, words);
    if (is_first)
        log_warn("cannot-find-peers", log_s("name", discovery->question.name), log_s("cause", words),
                 log_n("members_kept", (int64_t)status->members));
}

static void note_success(struct discovery *discovery, size_t count)
{
    struct discovery_status *status = &discovery->status;
    if (*status->words || status->members != count)
        log_info("found-peers", log_s("name", discovery->question.name), log_n("members", (int64_t)count));
    status->words[0] = '\0';
    status->members = count;
    status->succeeded_ms = wall_now_ms();
}

static int64_t delay_ms(const struct discovery *discovery, int rc, uint32_t ttl_s)
{
    int64_t most_ms = discovery->interval_ms, wanted_ms = rc ? AGAIN_MS : (int64_t)ttl_s * 1000;
    if (wanted_ms < LEAST_MS)
        wanted_ms = LEAST_MS;
    return wanted_ms < most_ms ? wanted_ms : most_ms;
}

/* Returns milliseconds until the next one. */
static int64_t look_up(struct discovery *discovery)
{
    struct member_address *addresses = NULL;
    size_t count = 0;
    uint32_t ttl_s = 0;
    struct err err;
    int rc = dns_lookup(&discovery->question, &addresses, &count, &ttl_s, &err);
    pthread_mutex_lock(&discovery->lock);
    discovery->status.lookups++;
    if (rc == 0 && !discovery->is_stopping &&
        (rc = roster_set_found(discovery->roster, addresses, count)) != 0)
        err_set(&err, rc, "out of memory");
    if (rc)
        note_failure(discovery, err.text);
    else
        note_success(discovery, count);
    if (!discovery->is_stopping)
        discovery->changed(discovery->arg);
    pthread_mutex_unlock(&discovery->lock);
    free(addresses);
    return delay_ms(discovery, rc, ttl_s);
}

/* False: it is time to stop. */
static bool rest(struct discovery *discovery, int64_t rest_ms)
{
    struct mono until = mono_after(rest_ms);
    pthread_mutex_lock(&discovery->lock);
    while (!discovery->is_stopping && !discovery->is_hurried &&
           cond_wait(&discovery->wake, &discovery->lock, until))
        ;
    discovery->is_hurried = false;
    bool goes_on = !discovery->is_stopping;
    pthread_mutex_unlock(&discovery->lock);
    return goes_on;
}

static void *run(void *arg)
{
    struct discovery *discovery = arg;
    while (rest(discovery, look_up(discovery)))
        ;
    let_go(discovery);
    return NULL;
}

/* --- its owner -------------------------------------------------------------------------------------- */

static int set_question(struct dns_question *question, const struct peer_settings *settings, struct err *err)
{
    size_t bytes = strnlen(settings->dns, DNS_NAME_BYTES);
    if (bytes > 0 && settings->dns[bytes - 1] == '.')
        bytes--;
    if (bytes == 0 || bytes >= DNS_NAME_BYTES)
        return err_set(err, -EINVAL, "--peers-dns %.100s: a name has 1 to %d bytes", settings->dns,
                       DNS_NAME_BYTES - 1);
    snprintf(question->name, sizeof question->name, "%.*s", (int)bytes, settings->dns);
    question->scheme = settings->tls_cert || settings->tls_ca ? "https" : "http";
    question->port = settings->listen_port;
    question->server = settings->dns_server;
    return 0;
}

int discovery_start(struct discovery **out, const struct peer_settings *settings, struct roster *roster,
                    void (*changed)(void *arg), void *arg, struct err *err)
{
    struct discovery *discovery = *out = calloc(1, sizeof *discovery);
    if (!discovery)
        return err_set(err, -ENOMEM, "out of memory");
    pthread_mutex_init(&discovery->lock, NULL);
    cond_init(&discovery->wake);
    discovery->refs = 2;
    discovery->interval_ms = settings->dns_interval_ms;
    discovery->roster = roster;
    discovery->changed = changed;
    discovery->arg = arg;
    pthread_t thread;
    int rc = set_question(&discovery->question, settings, err);
    if (rc == 0 && (rc = -pthread_create(&thread, NULL, run, discovery)) != 0)
        err_errno(err, rc, "a thread for DNS cannot be made");
    if (rc == 0) {
        pthread_detach(thread);
        return 0;
    }
    discovery->refs = 1; /* there is no thread */
    let_go(discovery);
    *out = NULL;
    return rc;
}

static void tell(struct discovery *discovery, bool *what)
{
    pthread_mutex_lock(&discovery->lock);
    *what = true;
    pthread_cond_signal(&discovery->wake);
    pthread_mutex_unlock(&discovery->lock);
}

void discovery_stop(struct discovery *discovery)
{
    if (!discovery)
        return;
    tell(discovery, &discovery->is_stopping);
    let_go(discovery);
}

void discovery_hurry(struct discovery *discovery)
{
    tell(discovery, &discovery->is_hurried);
}

void discovery_status(struct discovery *discovery, struct discovery_status *status)
{
    pthread_mutex_lock(&discovery->lock);
    *status = discovery->status;
    pthread_mutex_unlock(&discovery->lock);
}
