/* One HTTP request to ADX, or to the storage that it lends, at a time, over a curl handle that a worker keeps
 * (and with it the connection). No redirects, only http and https, no waiting for 100-continue, bodies of
 * answers capped, never longer than the limits. A struct http belongs to one thread. curl_global_init() was
 * called before threads. */
#ifndef UPLOADER_HTTP_H
#define UPLOADER_HTTP_H

#include <curl/curl.h>
#include <stdatomic.h>

#include "common/base/buf.h"
#include "uploader/adx/outcome.h"
#include "uploader/adx/target.h"
#include "uploader/batch/body.h"

enum {
    HTTP_ANSWER_MAX = 1 << 20,
    HTTP_URL_BYTES = 4096,
    HTTP_CONNECT_MS = 10000,
    HTTP_STALL_S = 120, /* less than a byte a second for so long: given up */
    HTTP_TOKEN_MAX = 64 << 10,
};

struct http {
    CURL *easy;
    struct buf answer; /* body of the last answer */
    bool is_cut;
    char activity_id[OUTCOME_ID_BYTES];  /* x-ms-activity-id of ADX, x-ms-request-id of storage */
    char error_code[OUTCOME_WORD_BYTES]; /* x-ms-error-code, of storage */
};

/* Who is spoken to: that decides which headers are always sent, and how an answer is read (classify.h). */
enum http_service { HTTP_KUSTO, HTTP_STORAGE };

struct http_request {
    enum http_service service;
    const struct target *target;
    const char *method; /* NULL: POST */
    const char *what;   /* for the request id: "mgmt", "stream" */
    const char *url;
    struct body *body;      /* what to send, gzip; or */
    const struct buf *text; /* JSON for ADX, XML for storage; both NULL: nothing */
    const char *header;     /* one more; NULL: none */
    const char *token;      /* NULL: none */
    /* Sending it twice would do something twice. Of all others curl repeats in silence what went over a kept
     * connection that was then found to be closed; this ends as a request without an answer. */
    bool is_once;
    int64_t timeout_ms;
    atomic_bool *is_aborted; /* set by another thread: the request ends at once */
};

/* Send, and classify the answer into `outcome`. */
void http_send(struct http *http, const struct http_request *request, struct outcome *outcome);

void http_fini(struct http *http);

/* Percent-encode `text` and append it. */
NODISCARD int http_put_encoded(struct buf *url, const char *text);

#endif
