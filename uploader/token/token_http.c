#include "uploader/token/token_http.h"

#include <curl/curl.h>
#include <errno.h>

#include "uploader/adx/redirect.h"
#include "uploader/adx/trust.h"

static size_t take_answer(char *data, size_t one, size_t bytes, void *arg)
{
    (void)one;
    return buf_put(arg, data, bytes) == 0 ? bytes : 0;
}

static int is_aborted(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
    (void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
    const struct token_request *request = arg;
    return request->is_aborted && atomic_load(request->is_aborted);
}

static void set_up(CURL *easy, const struct token_request *request, struct buf *answer,
                   struct curl_slist *headers, char *words)
{
    char host[TRUST_HOST_BYTES];
    long timeout_ms = (long)request->timeout_ms;
    long connect_ms = request->is_local ? TOKEN_LOCAL_CONNECT_MS : TOKEN_CONNECT_MS;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    if (trust_ca_file())
        curl_easy_setopt(easy, CURLOPT_CAINFO, trust_ca_file());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms < timeout_ms ? connect_ms : timeout_ms);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "spillway/" SPILLWAY_VERSION);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, words);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, is_aborted);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, request);
    if (request->is_local || (trust_host_of(request->url, host) && trust_is_loopback(host)))
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    if (request->form) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->form->data);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->form->len);
    }
}

int token_http(const struct token_request *request, struct buf *answer, long *status, struct err *err)
{
    char words[CURL_ERROR_SIZE] = "", redirect[REDIRECT_TEXT_BYTES];
    CURL *easy = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    struct curl_slist *longer =
        headers && request->header ? curl_slist_append(headers, request->header) : headers;
    int rc = easy && longer ? 0 : err_set(err, -ENOMEM, "out of memory");
    buf_clear(answer);
    *status = 0;
    if (rc == 0) {
        set_up(easy, request, answer, headers, words);
        CURLcode code = curl_easy_perform(easy);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
        if (redirect_describe(easy, *status, redirect))
            rc = err_set(err, -EIO, "%s", redirect);
        else if (code != CURLE_OK)
            rc = err_set(err, -EIO, "%s", *words ? words : curl_easy_strerror(code));
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
    return rc;
}

void token_wipe(struct buf *secret)
{
    if (secret->data)
        explicit_bzero(secret->data, secret->capacity);
    buf_fini(secret);
}
