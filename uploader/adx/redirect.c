#include "uploader/adx/redirect.h"

#include "uploader/adx/trust.h"

bool redirect_describe(CURL *easy, long status, char text[static REDIRECT_TEXT_BYTES])
{
    char host[TRUST_HOST_BYTES];
    char *to = NULL;
    if (status < 300 || status > 399)
        return false;
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &to);
    snprintf(
        text, REDIRECT_TEXT_BYTES,
        "status %ld: it redirects to %s, which is not followed: is the address right, does a proxy answer?",
        status, to && trust_host_of(to, host) ? host : "somewhere");
    return true;
}
