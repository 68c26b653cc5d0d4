/* The part that keeps watch over the ring: starts and stops the threads that do, hands them what a reload
 * brings, and tells people what changed. */
#include "peerd/ring/membership.h"
#include "peerd/failover/failing.h"

#include <errno.h>

#include "common/base/log.h"
#include "common/base/url.h"

/* --- setting up ------------------------------------------------------------------------------------- */

static void on_view(void *arg)
{
    daemon_wake(arg);
}

static void on_found(void *arg)
{
    poller_nudge(arg);
}

/* The members that `conf` lists, without ourselves. */
static int set_listed(struct peerd *peerd, const struct conf *conf, struct err *err)
{
    struct peer_list list;
    struct member_address *addresses = NULL;
    size_t count = 0;
    int rc = peer_list_init(&list, conf, err);
    if (rc == 0 && !(addresses = calloc(list.count + 1, sizeof *addresses)))
        rc = err_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i < list.count; i++) {
        const struct peer_address *peer = &list.peers[i];
        if (strcmp(peer->name, peerd->settings.name) == 0) {
            log_info("peer-is-ourselves", log_s("peer", peer->name), log_s("url", peer->url));
            continue;
        }
        struct member_address *address = &addresses[count++];
        snprintf(address->name, sizeof address->name, "%s", peer->name);
        snprintf(address->url, sizeof address->url, "%s", peer->url);
    }
    if (rc == 0 && (rc = roster_set_listed(&peerd->membership->roster, addresses, count)) != 0)
        err_set(err, rc, "out of memory");
    free(addresses);
    peer_list_fini(&list);
    return rc;
}

/* A token that everybody on the way can read. */
static void warn_of_clear_token(const struct conf *conf)
{
    size_t count;
    char *const *peers = conf_list(conf, CONF_PEER, &count);
    for (size_t i = 0; conf_text(conf, CONF_TOKEN_FILE) && i < count; i++) {
        struct peer_address address;
        struct url_base base;
        char place[VIEW_URL_BYTES];
        struct err err;
        if (peer_address_parse(peers[i], &address, &err) == 0 &&
            !url_base_parse(address.url, place, sizeof place, &base) && !base.may_get_token)
            log_warn("token-in-the-clear", log_s("peer", address.name), log_s("url", address.url),
                     log_s("do", "give https:// and tls-cert, tls-key and tls-ca"));
    }
}

static int start_threads(struct peerd *peerd, struct err *err)
{
    struct membership *membership = peerd->membership;
    const struct peer_settings *settings = &peerd->settings;
    bool is_alone = !peer_settings_has_peers(peerd->daemon->conf);
    bool asks_nobody = is_alone && conf_flag(peerd->daemon->conf, CONF_ONCE);
    int64_t incarnation = wall_now_ms();
    struct peer_state *first = peer_state_new(settings->name, incarnation);
    int rc = first ? failing_seed(peerd, first) : -ENOMEM;
    if (rc) {
        peer_state_unref(first);
        return err_set(err, rc, "out of memory");
    }
    rc = own_start(&membership->own, asks_nobody ? NULL : &peerd->daemon->spool, first, err);
    const struct poller_options options = {
        .settings = settings,
        .incarnation = incarnation,
        .roster = &membership->roster,
        .own = membership->own,
        .credentials = &membership->credentials,
        .views = &peerd->views,
        .changed = on_view,
        .arg = peerd->daemon,
    };
    if (rc == 0)
        rc = poller_start(&membership->poller, &options, err);
    if (rc == 0 && settings->dns)
        rc = discovery_start(&membership->discovery, settings, &membership->roster, on_found,
                             membership->poller, err);
    return rc;
}

static int init(struct peerd *peerd, struct err *err)
{
    struct membership *membership = peerd->membership = calloc(1, sizeof *membership);
    const struct conf *conf = peerd->daemon->conf;
    if (!membership)
        return err_set(err, -ENOMEM, "out of memory");
    roster_init(&membership->roster, peerd->settings.dns);
    peerd->credentials = &membership->credentials;
    int rc = credentials_init(&membership->credentials, &peerd->settings, err);
    if (rc == 0)
        rc = set_listed(peerd, conf, err);
    if (rc == 0)
        rc = start_threads(peerd, err);
    if (rc == 0) {
        warn_of_clear_token(conf);
        membership->told = views_get(&peerd->views);
    }
    return rc;
}

static void fini(struct peerd *peerd)
{
    struct membership *membership = peerd->membership;
    if (!membership)
        return;
    discovery_stop(membership->discovery);
    poller_stop(membership->poller);
    own_stop(membership->own);
    view_unref(membership->told);
    credentials_fini(&membership->credentials);
    roster_fini(&membership->roster);
    free(membership);
}

static void reload(struct peerd *peerd, const struct conf *conf)
{
    struct membership *membership = peerd->membership;
    struct err err;
    if (set_listed(peerd, conf, &err) != 0)
        log_error("cannot-reload", log_s("what", "members"), log_s("cause", err.text),
                  log_s("meanwhile", "the ring stays as it is"));
    if (credentials_reload(&membership->credentials, &err) != 0)
        log_error("cannot-reload", log_s("what", "token"), log_s("cause", err.text),
                  log_s("meanwhile", "the old one is used"));
    warn_of_clear_token(conf);
    if (membership->discovery)
        discovery_hurry(membership->discovery);
    poller_nudge(membership->poller);
}

static int64_t step(struct peerd *peerd)
{
    membership_tell(peerd);
    return DAEMON_NEVER; /* on_view() wakes us */
}

const struct peerd_part membership_part = {
    .init = init,
    .step = step,
    .reload = reload,
    .status = membership_status,
    .metrics = membership_metrics,
    .fini = fini,
};
