/* The TLS side of a server: certificate, key and the CA that vouches for clients, read from PEM files and
 * exchanged while it serves. A connection keeps the certificate that it began with; whether a client's own
 * certificate is good is always asked of the newest CA.
 *
 * Thread-safe, but for tls_new() and tls_free(). */
#ifndef SPILLWAY_HTTP_TLS_H
#define SPILLWAY_HTTP_TLS_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/http/settings.h"

/* TLS 1.2 and 1.3, nothing older (gnutls' notation). */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct tls;
struct tls_credentials;

/* Read the files; tls_cert must be given. -EINVAL with a text: one cannot be read, or they are no pair.
 * `settings` must outlive it. */
NODISCARD int tls_new(struct tls **tls, const struct http_settings *settings, struct err *err);

/* When no connection is left. */
void tls_free(struct tls *tls);

/* Read them again, for connections to come. On failure all stays as it was. */
NODISCARD int tls_reload(struct tls *tls, struct err *err);

/* A connection begins: give its session the newest credentials, before the handshake. They are kept until
 * tls_end(). Never NULL. */
struct tls_credentials *tls_begin(struct tls *tls, gnutls_session_t session);
void tls_end(struct tls *tls, struct tls_credentials *credentials);

/* What tls_is_vouched() found for a connection; zeroed at its beginning. */
struct tls_verdict {
    uint64_t generation;
    bool is_vouched;
};

/* Has the client shown a certificate that the newest CA vouches for? Verified once for each generation of
 * files. */
bool tls_is_vouched(struct tls *tls, gnutls_session_t session, struct tls_verdict *verdict);

#endif
