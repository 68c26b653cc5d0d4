/* How we show peers who we are, and make sure who they are: the bearer token, our certificate, and the
 * certificates of those who vouch for peers (tls-ca; without it those of the system). Thread-safe. */
#ifndef SPILLWAY_PEERD_CREDENTIALS_H
#define SPILLWAY_PEERD_CREDENTIALS_H

#include <curl/curl.h>
#include <pthread.h>

#include "common/base/clock.h"
#include "common/http/auth.h"
#include "peerd/settings.h"

struct credentials {
    const struct peer_settings *settings;
    pthread_mutex_t lock;
    char token[AUTH_TOKEN_MAX + 1]; /* guarded by lock, as what follows; "": none */
    struct mono read_at;
};

/* -EINVAL with a text when the token's file cannot be used. */
NODISCARD int credentials_init(struct credentials *credentials, const struct peer_settings *settings,
                               struct err *err);
void credentials_fini(struct credentials *credentials);

/* Read the token again; on failure the old one stays. Certificates are read for each new connection, and
 * older connections are not used again. */
NODISCARD int credentials_reload(struct credentials *credentials, struct err *err);

/* Set what a request to a member needs beyond its URL: where to connect, token, certificates, no redirects,
 * no proxy. */
void credentials_apply(struct credentials *credentials, CURL *easy, struct curl_slist **connect_to,
                       const char *connect_text);

#endif
