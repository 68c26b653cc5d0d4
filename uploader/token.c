#include "uploader/token.h"

#include <errno.h>

#include "uploader/http.h"

bool token_take(const struct adx_options *options, struct buf *token, struct outcome *outcome)
{
    buf_clear(token);
    int rc = options->token_file ? http_read_token(options->token_file, token) : 0;
    if (rc)
        outcome_set(outcome, VERDICT_UNAUTHORISED, "token-file", "%s: %s", options->token_file,
                    rc == -EINVAL ? "this is not a token (one line without blanks)" : strerror(-rc));
    return rc == 0;
}
