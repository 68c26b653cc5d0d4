/* One request to an identity service, or for an endpoint's metadata: no redirects, an answer of at most
 * TOKEN_ANSWER_MAX, nothing of it in any text. Thread-safe; curl_global_init() was called before. */
#ifndef UPLOADER_TOKEN_HTTP_H
#define UPLOADER_TOKEN_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

enum { TOKEN_ANSWER_MAX = 256 << 10, TOKEN_CONNECT_MS = 10000, TOKEN_LOCAL_CONNECT_MS = 1000 };

struct token_request {
    const char *url;
    const struct buf *form; /* POST it, application/x-www-form-urlencoded; NULL: GET */
    const char *header;     /* one more; NULL: none */
    bool is_local;          /* a service of this machine's host: no proxy, a short connect timeout */
    int64_t timeout_ms;
    const atomic_bool *is_aborted; /* may be NULL */
};

/* 0: an answer came, `*status` and `answer` (wiped before) are set. Else `err` says why not. */
NODISCARD int token_http(const struct token_request *request, struct buf *answer, long *status,
                         struct err *err);

/* Overwrite and free: for what held a secret. */
void token_wipe(struct buf *secret);

#endif
