#include "common/http/settings.h"

#include <errno.h>

#include "common/http/listen.h"

int http_settings_init(struct http_settings *settings, const struct conf *conf, enum conf_id address,
                       struct err *err)
{
    *settings = (struct http_settings){
        .address = conf_text(conf, address),
        .token_file = conf_text(conf, CONF_TOKEN_FILE),
        .tls_cert = conf_text(conf, CONF_TLS_CERT),
        .tls_key = conf_text(conf, CONF_TLS_KEY),
        .tls_ca = conf_text(conf, CONF_TLS_CA),
        .connections_max = (size_t)conf_number(conf, CONF_MAX_CONNECTIONS),
        .address_connections_max = (size_t)conf_number(conf, CONF_MAX_CONNECTIONS_PER_ADDRESS),
        .client_timeout_ms = conf_number(conf, CONF_CLIENT_TIMEOUT),
        .connection_bytes = HTTP_CONNECTION_BYTES,
    };
    if (!settings->tls_cert != !settings->tls_key)
        return err_set(err, -EINVAL, "tls-cert and tls-key go together: one of them is missing");
    if (settings->tls_ca && !settings->tls_cert)
        return err_set(err, -EINVAL,
                       "tls-ca without tls-cert and tls-key: clients show certificates over TLS only");
    return listen_check(settings->address, err);
}
