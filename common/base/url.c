#include "common/base/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <strings.h>

static bool is_loopback(const char *host)
{
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) == 1)
        return ntohl(address.s_addr) >> 24 == 127;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

static char *url_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    return curl_url_get(url, part, &text, 0) == CURLUE_OK ? text : NULL;
}

static const char *judge(CURLU *url, const char *scheme, const char *host)
{
    char *user = url_part(url, CURLUPART_USER), *query = url_part(url, CURLUPART_QUERY),
         *fragment = url_part(url, CURLUPART_FRAGMENT);
    const char *why = NULL;

    if (!scheme || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        why = "only http and https are known";
    else if (!host || !*host)
        why = "there is no host in it";
    else if (user)
        why = "a user or password in an address is refused";
    else if (query || fragment)
        why = "an address with ? or # is refused";
    curl_free(user);
    curl_free(query);
    curl_free(fragment);
    return why;
}

static const char *parse(CURLU *url, const char *address, struct url_base *base)
{
    if (curl_url_set(url, CURLUPART_URL, address, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        return "this is not an address";
    char *scheme = url_part(url, CURLUPART_SCHEME), *host = url_part(url, CURLUPART_HOST);
    const char *why = judge(url, scheme, host);
    base->is_loopback = host && is_loopback(host);
    base->is_https = scheme && strcmp(scheme, "https") == 0;
    base->may_get_token = base->is_loopback || base->is_https;
    curl_free(scheme);
    curl_free(host);
    return why;
}

const char *url_base_parse(const char *address, char *out, size_t out_bytes, struct url_base *base)
{
    *base = (struct url_base){0};
    CURLU *url = curl_url();
    if (!url)
        return "out of memory";
    const char *why = parse(url, address, base);
    curl_url_cleanup(url);
    int len = snprintf(out, out_bytes, "%s", address);
    if (!why && len >= (int)out_bytes)
        why = "the address is too long";
    while (!why && len > 0 && out[len - 1] == '/')
        out[--len] = '\0';
    return why;
}
