/* What an HTTP server of ours is configured with. Constant after it was made. */
#ifndef SPILLWAY_HTTP_SETTINGS_H
#define SPILLWAY_HTTP_SETTINGS_H

#include "common/conf/conf.h"

struct http_settings {
    const char *address;                                  /* as listen.h takes it */
    const char *token_file, *tls_cert, *tls_key, *tls_ca; /* paths, or NULL */
    size_t connections_max, address_connections_max;      /* the latter: 0 for no limit of its own */
    int64_t client_timeout_ms;
    /* What a connection has for heads and for what is read of a body at once: of a large one all of it but an
     * eighth, in the end. All of it is touched by every request. */
    size_t connection_bytes;
};

/* Heads must fit, a long schema too. */
enum { HTTP_CONNECTION_BYTES = 24 << 10 };

/* From the keys that all servers have; `address` names the one that says where this one listens. The texts
 * stay conf's. -EINVAL with a text when they do not go together, or the address is none. */
NODISCARD int http_settings_init(struct http_settings *settings, const struct conf *conf,
                                 enum conf_id address, struct err *err);

#endif
