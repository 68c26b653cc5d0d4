/* peerd's configuration, checked and in the form that the code wants. What is constant for the life of the
 * process is read once; the list of members is read again by a reload (peer_list). */
#ifndef SPILLWAY_PEERD_SETTINGS_H
#define SPILLWAY_PEERD_SETTINGS_H

#include <netinet/in.h>

#include "common/conf/conf.h"
#include "peerd/ring/view.h"

/* One --peer. */
struct peer_address {
    char name[PEER_NAME_BYTES];
    char url[VIEW_URL_BYTES]; /* no slash at the end */
};

/* All of them: what SIGHUP reads anew. */
struct peer_list {
    struct peer_address *peers;
    size_t count;
};

struct peer_settings {
    char name[PEER_NAME_BYTES]; /* ours */
    const char *listen;         /* HOST:PORT; NULL: nobody reaches us */
    unsigned listen_port;       /* of it: the port of members that DNS names by address only; 0: none */
    const char *token_file;     /* the token between peers; NULL: none */
    const char *tls_cert, *tls_key, *tls_ca;
    const char *dns;               /* the name to look up; NULL: no DNS */
    struct sockaddr_in dns_server; /* sin_family 0: the system's */
    int64_t dns_interval_ms, poll_interval_ms, hold_ms;
};

/* "NAME=URL". -EINVAL with a text. */
NODISCARD int peer_address_parse(const char *text, struct peer_address *address, struct err *err);

/* ADDRESS[:PORT] of a DNS server. -EINVAL with a text. */
NODISCARD int dns_server_parse(const char *text, struct sockaddr_in *server, struct err *err);

/* The members that `conf` lists: distinct names, or -EINVAL with a text. peer_list_fini() whatever is
 * returned. */
NODISCARD int peer_list_init(struct peer_list *list, const struct conf *conf, struct err *err);
void peer_list_fini(struct peer_list *list);

/* Read and check all of it. Texts stay conf's. `instance` is the name to use when there is no --name. -EINVAL
 * with a text that says what to do. */
NODISCARD int peer_settings_init(struct peer_settings *settings, const struct conf *conf,
                                 const char *instance, struct err *err);

/* settings->name alone. */
NODISCARD int peer_settings_name(struct peer_settings *settings, const struct conf *conf,
                                 const char *instance, struct err *err);

/* Have peers been configured at all? Without any, peerd is alone and everything is ours. */
bool peer_settings_has_peers(const struct conf *conf);

#endif
