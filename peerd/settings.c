#include "peerd/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/utsname.h>

#include "common/base/units.h"
#include "common/base/url.h"

enum { DNS_PORT = 53, PORT_MAX = 65535 };

/* --- the list of members ---------------------------------------------------------------------------- */

int peer_address_parse(const char *text, struct peer_address *address, struct err *err)
{
    static const char wanted[] = "give NAME=http://HOST:PORT or NAME=https://HOST:PORT";
    const char *equals = strchr(text, '=');
    struct url_base base;

    *address = (struct peer_address){0};
    if (!equals)
        return err_set(err, -EINVAL, "--peer %s: there is no '=' in it; %s", text, wanted);
    snprintf(address->name, sizeof address->name, "%.*s", (int)(equals - text), text);
    if ((size_t)(equals - text) >= sizeof address->name || !peer_name_is_valid(address->name))
        return err_set(err, -EINVAL,
                       "--peer %s: the name of a member is 1 to %d letters, digits, '.', '_' and '-'", text,
                       PEER_NAME_BYTES - 1);
    const char *why = url_base_parse(equals + 1, address->url, sizeof address->url, &base);
    return why ? err_set(err, -EINVAL, "--peer %s: %s; %s", text, why, wanted) : 0;
}

static int add_peer(struct peer_list *list, const char *text, struct err *err)
{
    struct peer_address *address = &list->peers[list->count];
    int rc = peer_address_parse(text, address, err);
    for (size_t i = 0; rc == 0 && i < list->count; i++)
        if (strcmp(list->peers[i].name, address->name) == 0)
            rc = err_set(err, -EINVAL, "--peer %s: %s was given before, as %s: one address for each name",
                         text, address->name, list->peers[i].url);
    list->count += rc == 0;
    return rc;
}

int peer_list_init(struct peer_list *list, const struct conf *conf, struct err *err)
{
    size_t count;
    char *const *texts = conf_list(conf, CONF_PEER, &count);
    int rc = 0;

    *list = (struct peer_list){0};
    if (count > VIEW_MEMBERS_MAX)
        return err_set(err, -E2BIG, "--peer: given %zu times; at most %d members are possible", count,
                       VIEW_MEMBERS_MAX);
    if (count > 0 && !(list->peers = calloc(count, sizeof *list->peers)))
        return err_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_peer(list, texts[i], err);
    return rc;
}

void peer_list_fini(struct peer_list *list)
{
    free(list->peers);
    *list = (struct peer_list){0};
}

/* --- all the rest ----------------------------------------------------------------------------------- */

bool peer_settings_has_peers(const struct conf *conf)
{
    size_t count;
    (void)conf_list(conf, CONF_PEER, &count);
    return count > 0 || conf_text(conf, CONF_PEERS_DNS);
}

int peer_settings_name(struct peer_settings *settings, const struct conf *conf, const char *instance,
                       struct err *err)
{
    struct utsname host;
    const char *name = conf_text(conf, CONF_NAME);
    if (!name)
        name = instance ? instance : uname(&host) == 0 ? host.nodename : "localhost";
    snprintf(settings->name, sizeof settings->name, "%.*s", (int)sizeof settings->name - 1, name);
    bool is_alone = !conf_text(conf, CONF_LISTEN) && !peer_settings_has_peers(conf);
    if (is_alone || peer_name_is_valid(name))
        return 0;
    return err_set(
        err, -EINVAL,
        "name '%s': a member of a ring is called by 1 to %d letters, digits, '.', '_' and '-': give --name",
        name, PEER_NAME_BYTES - 1);
}

static int read_listen(struct peer_settings *settings, struct err *err)
{
    const char *colon = settings->listen ? strrchr(settings->listen, ':') : NULL;
    int64_t port = 0;
    if (!settings->listen)
        return 0;
    if (!colon || units_parse_count(colon + 1, &port) != 0 || port > PORT_MAX)
        return err_set(err, -EINVAL, "--listen %s: give HOST:PORT", settings->listen);
    settings->listen_port = (unsigned)port;
    return 0;
}

int dns_server_parse(const char *text, struct sockaddr_in *server, struct err *err)
{
    char host[INET_ADDRSTRLEN];
    size_t bytes = strcspn(text, ":");
    int64_t port = DNS_PORT;
    *server = (struct sockaddr_in){.sin_family = AF_INET};
    snprintf(host, sizeof host, "%.*s", (int)bytes, text);
    bool is_good = bytes < sizeof host && inet_pton(AF_INET, host, &server->sin_addr) == 1;
    if (is_good && text[bytes])
        is_good = units_parse_count(text + bytes + 1, &port) == 0 && port > 0 && port <= PORT_MAX;
    server->sin_port = htons((uint16_t)port);
    return is_good ? 0
                   : err_set(err, -EINVAL, "--dns-server %s: give an IPv4 address, or ADDRESS:PORT", text);
}

static int check_whole(const struct peer_settings *settings, const struct conf *conf, struct err *err)
{
    if (!settings->listen && peer_settings_has_peers(conf))
        return err_set(err, -EINVAL,
                       "--listen HOST:PORT is needed with peers: they must reach this instance too");
    if (!settings->tls_cert != !settings->tls_key)
        return err_set(err, -EINVAL, "tls-cert and tls-key go together: one of them is missing");
    return 0;
}

int peer_settings_init(struct peer_settings *settings, const struct conf *conf, const char *instance,
                       struct err *err)
{
    struct peer_list list;
    *settings = (struct peer_settings){
        .listen = conf_text(conf, CONF_LISTEN),
        .token_file = conf_text(conf, CONF_TOKEN_FILE),
        .tls_cert = conf_text(conf, CONF_TLS_CERT),
        .tls_key = conf_text(conf, CONF_TLS_KEY),
        .tls_ca = conf_text(conf, CONF_TLS_CA),
        .dns = conf_text(conf, CONF_PEERS_DNS),
        .dns_interval_ms = conf_number(conf, CONF_PEERS_DNS_INTERVAL),
        .poll_interval_ms = conf_number(conf, CONF_PEER_POLL),
        .hold_ms = conf_number(conf, CONF_PEER_HOLD),
    };
    int rc = peer_settings_name(settings, conf, instance, err);
    if (rc == 0)
        rc = read_listen(settings, err);
    if (rc == 0 && conf_text(conf, CONF_DNS_SERVER))
        rc = dns_server_parse(conf_text(conf, CONF_DNS_SERVER), &settings->dns_server, err);
    if (rc == 0)
        rc = check_whole(settings, conf, err);
    if (rc == 0) {
        rc = peer_list_init(&list, conf, err);
        peer_list_fini(&list);
    }
    return rc;
}
