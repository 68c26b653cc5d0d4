#include "peerd/credentials.h"

#include <string.h>

int credentials_reload(struct credentials *credentials, struct err *err)
{
    char token[AUTH_TOKEN_MAX + 1] = "";
    const char *path = credentials->settings->token_file;
    int rc = path ? auth_read_token(path, token, err) : 0;
    pthread_mutex_lock(&credentials->lock);
    if (rc == 0)
        memcpy(credentials->token, token, sizeof token);
    credentials->read_at = mono_now();
    pthread_mutex_unlock(&credentials->lock);
    explicit_bzero(token, sizeof token);
    return rc;
}

int credentials_init(struct credentials *credentials, const struct peer_settings *settings, struct err *err)
{
    *credentials = (struct credentials){.settings = settings, .lock = PTHREAD_MUTEX_INITIALIZER};
    return credentials_reload(credentials, err);
}

void credentials_fini(struct credentials *credentials)
{
    explicit_bzero(credentials->token, sizeof credentials->token);
    pthread_mutex_destroy(&credentials->lock);
}

static void set_certificates(const struct peer_settings *settings, CURL *easy)
{
    if (settings->tls_ca)
        curl_easy_setopt(easy, CURLOPT_CAINFO, settings->tls_ca);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE,
                     0L); /* one that is resumed has the old certificates */
    if (settings->tls_cert) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, settings->tls_cert);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, settings->tls_key);
    }
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

/* A connection that is older than what was read last is not used again: the peer would go on judging us, and
 * we it, by old certificates. (Within a second it may be, for a second.) */
void credentials_apply(struct credentials *credentials, CURL *easy, struct curl_slist **connect_to,
                       const char *connect_text)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* a proxy of the environment would see the token */
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "spillway/" SPILLWAY_VERSION);
    if (*connect_text) {
        *connect_to = curl_slist_append(NULL, connect_text);
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, *connect_to);
    }
    set_certificates(credentials->settings, easy);
    pthread_mutex_lock(&credentials->lock);
    int64_t age_s = mono_since_ms(credentials->read_at) / 1000;
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)(age_s < 1 ? 1 : age_s));
    if (*credentials->token) { /* curl copies it */
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, credentials->token);
    }
    pthread_mutex_unlock(&credentials->lock);
}
