#include "uploader/adx/http.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>

#include "uploader/adx/classify.h"
#include "uploader/adx/redirect.h"
#include "uploader/adx/trust.h"
#include "uploader/adx/uuid.h"

enum { UPLOAD_BUFFER_BYTES = 1 << 20 }; /* a quarter of it costs a tenth more, twice as much the same */

/* --- what curl calls -------------------------------------------------------------------------------- */

static size_t take_answer(char *data, size_t one, size_t bytes, void *arg)
{
    (void)one;
    struct http *http = arg;
    size_t room = HTTP_ANSWER_MAX - http->answer.len;
    size_t kept = bytes < room ? bytes : room;
    if (kept < bytes)
        http->is_cut = true;
    return buf_put(&http->answer, data, kept) == 0 ? bytes : 0;
}

/* Is it this header? Then `out` gets its value. */
static void take_word(const char *data, size_t bytes, const char *name, char *out, size_t size)
{
    size_t skip = strlen(name), len = 0;
    if (bytes <= skip || strncasecmp(data, name, skip) != 0)
        return;
    for (size_t i = skip; i < bytes && len + 1 < size; i++)
        if (isgraph((unsigned char)data[i]))
            out[len++] = data[i];
    out[len] = '\0';
}

static size_t take_header(char *data, size_t one, size_t bytes, void *arg)
{
    (void)one;
    struct http *http = arg;
    take_word(data, bytes, "x-ms-activity-id:", http->activity_id, sizeof http->activity_id);
    take_word(data, bytes, "x-ms-request-id:", http->activity_id, sizeof http->activity_id);
    take_word(data, bytes, "x-ms-error-code:", http->error_code, sizeof http->error_code);
    return bytes;
}

/* What is being sent: a request's body or its text. */
struct content {
    const struct http_request *request;
    size_t text_at;
};

static size_t give_content(char *data, size_t one, size_t bytes, void *arg)
{
    (void)one;
    struct content *content = arg;
    const struct buf *text = content->request->text;
    if (content->request->body) {
        ssize_t n = body_read(content->request->body, data, bytes);
        return n < 0 ? CURL_READFUNC_ABORT : (size_t)n;
    }
    size_t left = text->len - content->text_at, n = left < bytes ? left : bytes;
    memcpy(data, text->data + content->text_at, n);
    content->text_at += n;
    return n;
}

/* A kept connection turned out to be closed, after some or all of it was sent: curl wants to open another and
 * start again. Whether the other side had it already cannot be known. */
static int rewind_content(void *arg, curl_off_t offset, int origin)
{
    struct content *content = arg;
    if (offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    if (content->request->is_once)
        return CURL_SEEKFUNC_FAIL;
    if (content->request->body)
        body_rewind(content->request->body);
    content->text_at = 0;
    return CURL_SEEKFUNC_OK;
}

static int is_aborted(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
    (void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
    atomic_bool *flag = arg;
    return flag && atomic_load(flag);
}

/* --- putting a request together --------------------------------------------------------------------- */

static bool add_header(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (longer)
        *list = longer;
    return longer != NULL;
}

/* What a service is always told (adx.md §1.1, §2.3, §2.4); a blob is called gzip by its name alone. */
static const struct {
    const char *always[5];
    const char *of_body[2];
    const char *of_text;
} services[] = {
    [HTTP_KUSTO] = {{"Accept: application/json", "Expect:", "x-ms-app: spillway",
                     "x-ms-client-version: Spillway.Client:{" SPILLWAY_VERSION "}",
                     "x-ms-version: 2024-12-12"},
                    {"Content-Type: application/octet-stream", "Content-Encoding: gzip"},
                    "Content-Type: application/json; charset=utf-8"},
    [HTTP_STORAGE] = {{"Accept: application/xml", "Expect:", "x-ms-version: 2022-11-02"},
                      {"Content-Type: application/octet-stream"},
                      "Content-Type: application/xml"},
};

static struct curl_slist *make_headers(const struct http_request *request, struct outcome *outcome)
{
    struct curl_slist *list = NULL;
    char uuid[UUID_TEXT_BYTES], text[OUTCOME_ID_BYTES + 32];
    bool ok = true;
    uuid_random(uuid);
    snprintf(outcome->request_id, sizeof outcome->request_id, "SPW.%s;%s", request->what, uuid);
    snprintf(text, sizeof text, "x-ms-client-request-id: %s", outcome->request_id);
    ok = add_header(&list, text);
    const char *const *always = services[request->service].always, *const *of_body =
                                                                       services[request->service].of_body;
    for (size_t i = 0; ok && i < ARRAY_LEN(services->always) && always[i]; i++)
        ok = add_header(&list, always[i]);
    for (size_t i = 0; ok && request->body && i < ARRAY_LEN(services->of_body) && of_body[i]; i++)
        ok = add_header(&list, of_body[i]);
    if (ok && request->text)
        ok = add_header(&list, services[request->service].of_text);
    if (ok && request->header)
        ok = add_header(&list, request->header);
    if (ok)
        return list;
    curl_slist_free_all(list);
    return NULL;
}

static void set_limits(CURL *easy, const struct http_request *request)
{
    long timeout_ms = request->timeout_ms > LONG_MAX ? LONG_MAX : (long)request->timeout_ms;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    if (trust_ca_file())
        curl_easy_setopt(easy, CURLOPT_CAINFO, trust_ca_file());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     timeout_ms < HTTP_CONNECT_MS ? timeout_ms : HTTP_CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)HTTP_STALL_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    /* A loopback address is never reached through a proxy: the token would leave the machine. */
    if (request->target->is_loopback)
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, is_aborted);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, request->is_aborted);
}

static void set_content(CURL *easy, struct content *content)
{
    const struct http_request *request = content->request;
    if (!request->body && !request->text) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    if (request->method)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)(request->body ? body_bytes(request->body) : request->text->len));
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_content);
    curl_easy_setopt(easy, CURLOPT_READDATA, content);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind_content);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, content);
}

/* Connections, DNS and TLS sessions of the handle survive the reset. */
static void set_up(struct http *http, struct content *content, struct curl_slist *headers, char *words)
{
    const struct http_request *request = content->request;
    CURL *easy = http->easy;
    curl_easy_reset(easy);
    set_limits(easy, request);
    set_content(easy, content);
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "spillway/" SPILLWAY_VERSION);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, words);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, http);
    if (request->token && request->target->may_get_token) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, request->token);
    }
}

/* A body of which not all could be given ended the request before the other side had all of it. */
static bool is_body_broken(const struct http_request *request, struct outcome *outcome)
{
    int rc = request->body ? request->body->failure : 0;
    if (rc == 0)
        return false;
    outcome_set(outcome, VERDICT_RETRY, "local", "the request was given up, its rows cannot be read: %s",
                rc == -EBADMSG ? "a segment is damaged" : strerror(-rc));
    outcome->is_damaged = rc == -EBADMSG;
    return true;
}

static void read_answer(struct http *http, const struct http_request *request, CURLcode code,
                        const char *words, struct outcome *outcome)
{
    curl_off_t retry_after = 0;
    struct http_answer answer = {
        .body = http->answer.data, .body_bytes = http->answer.len, .is_cut = http->is_cut};
    if (code != CURLE_OK)
        answer.failure = *words ? words : curl_easy_strerror(code);
    if (code == CURLE_SEND_FAIL_REWIND)
        answer.failure = "the connection ended before an answer came; it may have been taken all the same";
    curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_easy_getinfo(http->easy, CURLINFO_RETRY_AFTER, &retry_after);
    /* An answer that refuses is an answer, even when the connection broke while the rest of the body was
     * being sent. */
    if (answer.failure && answer.status >= 400 && answer.body_bytes > 0)
        answer.failure = NULL;
    answer.error_code = http->error_code;
    char redirect[REDIRECT_TEXT_BYTES];
    if (redirect_describe(http->easy, answer.status, redirect))
        classify_redirect(answer.status, redirect, outcome);
    else if (request->service == HTTP_STORAGE)
        classify_storage(&answer, outcome);
    else
        classify(&answer, outcome);
    outcome->retry_after_ms =
        retry_after > 0 ? (int64_t)(retry_after > 86400 ? 86400 : retry_after) * 1000 : 0;
    snprintf(outcome->activity_id, sizeof outcome->activity_id, "%s", http->activity_id);
}

/* A refusal (4xx) is one; without any answer, or behind a gateway's 5xx, nobody knows. */
static bool may_be_taken(struct http *http, const struct outcome *outcome)
{
    curl_off_t sent = 0;
    curl_easy_getinfo(http->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    return sent > 0 && outcome->verdict != VERDICT_SUCCESS &&
           (outcome->status < 400 || outcome->status >= 500);
}

static bool has_handle(struct http *http)
{
    if (!http->easy) {
        http->easy = curl_easy_init();
        buf_init(&http->answer, HTTP_ANSWER_MAX);
    }
    return http->easy != NULL;
}

void http_send(struct http *http, const struct http_request *request, struct outcome *outcome)
{
    char words[CURL_ERROR_SIZE] = "";
    struct content content = {.request = request};
    *outcome = (struct outcome){0};
    struct curl_slist *headers = has_handle(http) ? make_headers(request, outcome) : NULL;
    if (!headers) {
        outcome_set(outcome, VERDICT_RETRY, "memory", "out of memory");
        return;
    }
    buf_clear(&http->answer);
    http->is_cut = false;
    http->activity_id[0] = http->error_code[0] = '\0';
    set_up(http, &content, headers, words);
    CURLcode code = curl_easy_perform(http->easy);
    if (!is_body_broken(request, outcome)) {
        read_answer(http, request, code, words, outcome);
        outcome->has_left = may_be_taken(http, outcome);
    }
    curl_easy_setopt(http->easy, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
}

void http_fini(struct http *http)
{
    if (http->easy)
        curl_easy_cleanup(http->easy);
    buf_fini(&http->answer);
    *http = (struct http){0};
}

int http_put_encoded(struct buf *url, const char *text)
{
    int rc = 0;
    for (; rc == 0 && *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~';
        rc = plain ? buf_put(url, text, 1) : buf_printf(url, "%%%02X", c);
    }
    return rc;
}
