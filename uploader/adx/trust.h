/* To whom a token may be shown, and whom a secret (adx.md §1.1): hosts that belong to Kusto, the sign-in
 * services of their clouds, loopback, and what the operator adds. Pure; thread-safe. */
#ifndef UPLOADER_TRUST_H
#define UPLOADER_TRUST_H

#include <stdbool.h>
#include <stddef.h>

enum { TRUST_HOST_BYTES = 256 };

/* What the operator adds (--trusted-host): a host, or .SUFFIX for all below it. */
struct trust {
    char *const *hosts;
    size_t count;
};

/* The host of scheme://HOST[:PORT][/...], in lower case, without brackets. False: there is none, or it is not
 * of letters, digits, dots and dashes. */
bool trust_host_of(const char *url, char host[static TRUST_HOST_BYTES]);

bool trust_is_loopback(const char *host);

/* May this endpoint be shown a token? https and a host of Kusto's or the operator's, or loopback. A
 * data-management host (ingest-X) is trusted as X is. */
bool trust_endpoint(const struct trust *trust, const char *url);

/* May a secret go to the sign-in service `login`, as the endpoint `url` says? https and the one of the
 * endpoint's own cloud (any cloud's, where the endpoint is the operator's), or both loopback. */
bool trust_login(const char *url, const char *login);

/* The certificate authorities that vouch for whom we speak to, when the system's shall not: the variables
 * that curl knows, CURL_CA_BUNDLE and SSL_CERT_FILE. NULL: neither is set. */
const char *trust_ca_file(void);

#endif
