#include "uploader/adx/trust.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <strings.h>

#include "common/base/compiler.h"

/* As Kusto's clients have them: suffix of the endpoint, sign-in service of its cloud. */
static const struct {
    const char *suffix, *login;
} clouds[] = {
    {".kusto.windows.net", "login.microsoftonline.com"},
    {".kustomfa.windows.net", "login.microsoftonline.com"},
    {".kusto.data.microsoft.com", "login.microsoftonline.com"},
    {".kusto.fabric.microsoft.com", "login.microsoftonline.com"},
    {".kusto.azuresynapse.net", "login.microsoftonline.com"},
    {".kusto.usgovcloudapi.net", "login.microsoftonline.us"},
    {".kustomfa.usgovcloudapi.net", "login.microsoftonline.us"},
    {".kusto.azuresynapse.us", "login.microsoftonline.us"},
    {".kusto.chinacloudapi.cn", "login.partner.microsoftonline.cn"},
    {".kustomfa.chinacloudapi.cn", "login.partner.microsoftonline.cn"},
    {".kusto.azuresynapse.azure.cn", "login.partner.microsoftonline.cn"},
};

bool trust_host_of(const char *url, char host[static TRUST_HOST_BYTES])
{
    const char *start = strstr(url, "://");
    if (!start)
        return false;
    start += 3;
    bool is_bracketed = *start == '[';
    start += is_bracketed;
    size_t len = strcspn(start, is_bracketed ? "]" : ":/?#");
    if (len == 0 || len >= TRUST_HOST_BYTES)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)start[i];
        /* Nothing that two parsers could read in two ways. */
        if (!isalnum(c) && c != '.' && c != '-' && !(is_bracketed && c == ':'))
            return false;
        host[i] = (char)tolower(c);
    }
    host[len] = '\0';
    return true;
}

bool trust_is_loopback(const char *host)
{
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) == 1)
        return ntohl(address.s_addr) >> 24 == 127;
    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}

static bool is_https(const char *url)
{
    return strncasecmp(url, "https://", 8) == 0;
}

static bool ends_with(const char *host, const char *suffix)
{
    size_t a = strlen(host), b = strlen(suffix);
    return a > b && strcasecmp(host + a - b, suffix) == 0;
}

/* The sign-in service of the cloud that the host is in; NULL: it is in none. */
static const char *login_of(const char *host)
{
    for (size_t i = 0; i < ARRAY_LEN(clouds); i++)
        if (ends_with(host, clouds[i].suffix))
            return clouds[i].login;
    return NULL;
}

static bool is_login(const char *host)
{
    for (size_t i = 0; i < ARRAY_LEN(clouds); i++) {
        const char *login = clouds[i].login;
        if (login && strcmp(login, host) == 0)
            return true;
    }
    return false;
}

static bool is_added(const struct trust *trust, const char *host)
{
    const char *engine = strncmp(host, "ingest-", 7) == 0 ? host + 7 : host;
    for (size_t i = 0; i < trust->count; i++) {
        const char *one = trust->hosts[i];
        if (*one == '.' ? ends_with(host, one) : strcasecmp(one, host) == 0 || strcasecmp(one, engine) == 0)
            return true;
    }
    return false;
}

bool trust_endpoint(const struct trust *trust, const char *url)
{
    char host[TRUST_HOST_BYTES];
    if (!trust_host_of(url, host))
        return false;
    return trust_is_loopback(host) || (is_https(url) && (login_of(host) || is_added(trust, host)));
}

bool trust_login(const char *url, const char *login)
{
    char host[TRUST_HOST_BYTES], to[TRUST_HOST_BYTES];
    if (!trust_host_of(url, host) || !trust_host_of(login, to))
        return false;
    if (trust_is_loopback(to))
        return trust_is_loopback(host);
    if (!is_https(login))
        return false;
    const char *own = login_of(host);
    if (own)
        return strcmp(own, to) == 0;
    return is_login(to);
}

const char *trust_ca_file(void)
{
    static const char *const names[] = {"CURL_CA_BUNDLE", "SSL_CERT_FILE"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *path = getenv(names[i]);
        if (path && *path)
            return path;
    }
    return NULL;
}
