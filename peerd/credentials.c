#include "peerd/credentials.h"

#include <errno.h>
#include <fcntl.h>

#include "common/base/file.h"

int credentials_reload(struct credentials *credentials, struct err *err)
{
    const char *path = credentials->settings->token_file;
    struct buf text;
    if (!path)
        return 0;
    buf_init(&text, CREDENTIALS_TOKEN_MAX + 2);
    int rc = file_read(AT_FDCWD, path, &text);
    size_t bytes = rc == 0 && text.data ? strcspn(text.data, "\r\n") : 0;
    if (rc)
        rc = err_errno(err, -EINVAL, "token-file %s: cannot be read", path);
    else if (bytes == 0 || bytes > CREDENTIALS_TOKEN_MAX)
        rc = err_set(err, -EINVAL, "token-file %s: its first line must be a token of 1 to %d bytes", path,
                     CREDENTIALS_TOKEN_MAX);
    if (rc == 0 && text.data) {
        pthread_mutex_lock(&credentials->lock);
        memcpy(credentials->token, text.data, bytes);
        credentials->token[bytes] = '\0';
        pthread_mutex_unlock(&credentials->lock);
    }
    if (text.data)
        explicit_bzero(text.data, text.len);
    buf_fini(&text);
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
    if (settings->tls_cert) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, settings->tls_cert);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, settings->tls_key);
    }
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

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
    if (*credentials->token) { /* curl copies it */
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, credentials->token);
    }
    pthread_mutex_unlock(&credentials->lock);
}
