#include "tests/adxsim/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <strings.h>

#include "tests/adxsim/clock.h"

enum { CONNECT_MS = 5000, TOTAL_MS = 600000, RESPONSE_DEFAULT = 64 << 10, HEADERS_MAX = 64 << 10 };

struct client {
    CURL *curl;
    int stop_fd;
    int64_t give_up_ms; /* monotonic; 0: the end was not seen yet */
};

struct client *client_new(int stop_fd)
{
    struct client *client = mem_alloc(sizeof *client);

    client->stop_fd = stop_fd;
    client->curl = curl_easy_init();
    if (!client->curl)
        abort();
    return client;
}

void client_free(struct client *client)
{
    curl_easy_cleanup(client->curl);
    free(client);
}

static bool is_given_up(struct client *client)
{
    struct pollfd stop = {.fd = client->stop_fd, .events = POLLIN};

    if (!client->give_up_ms && poll(&stop, 1, 0) <= 0)
        return false;
    if (!client->give_up_ms)
        client->give_up_ms = clock_now_ms() + CLIENT_GRACE_MS;
    return clock_now_ms() >= client->give_up_ms;
}

static int go_on(void *cls, curl_off_t to_get, curl_off_t got, curl_off_t to_send, curl_off_t sent)
{
    (void)to_get, (void)got, (void)to_send, (void)sent;
    return is_given_up(cls) ? 1 : 0;
}

static size_t take_body(char *data, size_t size, size_t n, void *cls)
{
    struct client_response *response = cls;

    return buf_append(&response->body, data, size * n) == 0 ? size * n : 0;
}

/* A status line begins the headers anew: those of a 100 Continue are not of interest. */
static size_t take_header(char *data, size_t size, size_t n, void *cls)
{
    struct client_response *response = cls;
    size_t len = size * n;

    if (len > 5 && memcmp(data, "HTTP/", 5) == 0) {
        buf_clear(&response->headers);
        return len;
    }
    while (len && (data[len - 1] == '\r' || data[len - 1] == '\n'))
        len--;
    if (len && (buf_append(&response->headers, data, len) < 0 || buf_append(&response->headers, "\n", 1) < 0))
        return 0;
    return size * n;
}

static bool has_header(const char *const *headers, const char *name)
{
    for (; headers && *headers; headers++)
        if (strncasecmp(*headers, name, strlen(name)) == 0 && (*headers)[strlen(name)] == ':')
            return true;
    return false;
}

static struct curl_slist *make_headers(const char *const *headers)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    if (!has_header(headers, "Content-Type"))
        list = curl_slist_append(list, "Content-Type:");
    if (!has_header(headers, "Accept"))
        list = curl_slist_append(list, "Accept:");
    for (; headers && *headers; headers++)
        list = curl_slist_append(list, *headers);
    return list;
}

static void set_method(CURL *curl, const struct client_request *request)
{
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }
    if (request->body || strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body ? request->body : "");
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

static int to_errno(CURLcode code)
{
    switch ((int)code) {
    case CURLE_OK:
        return 0;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_WRITE_ERROR:
        return -E2BIG;
    case CURLE_ABORTED_BY_CALLBACK:
        return -ECANCELED;
    default:
        return -EIO;
    }
}

int client_perform(struct client *client, const struct client_request *request,
                   struct client_response *response)
{
    CURL *curl = client->curl;
    long status = 0;

    *response = (struct client_response){0};
    if (is_given_up(client))
        return -ECANCELED;
    struct curl_slist *headers = make_headers(request->headers);
    buf_init(&response->headers, HEADERS_MAX);
    buf_init(&response->body, request->response_max ? request->response_max : RESPONSE_DEFAULT);
    curl_easy_reset(curl); /* keeps connections */
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TOTAL_MS);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L); /* loopback, and certificates of the test's own */
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, go_on);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, client);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, response);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, response);
    set_method(curl, request);
    int rc = to_errno(curl_easy_perform(curl));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    response->status = (int)status;
    return rc;
}

void client_response_fini(struct client_response *response)
{
    buf_fini(&response->headers);
    buf_fini(&response->body);
}

void client_header(const struct client_response *response, const char *name, char *value, size_t size)
{
    size_t len = strlen(name);

    value[0] = '\0';
    for (const char *at = buf_text(&response->headers); *at;) {
        size_t line = strcspn(at, "\n");
        if (line > len && at[len] == ':' && strncasecmp(at, name, len) == 0) {
            size_t skip = len + 1 + strspn(at + len + 1, " ");
            (void)snprintf(value, size, "%.*s", (int)(line - skip), at + skip);
            return;
        }
        at += line + (at[line] ? 1 : 0);
    }
}
