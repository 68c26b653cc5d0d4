/* Commands to ADX: {"db":…,"csl":…} to /v1/rest/mgmt (adx.md §1.1). */
#include <errno.h>
#include <jansson.h>

#include "uploader/adx/adx_parts.h"
#include "uploader/token/token.h"

void adx_own_trouble(struct outcome *outcome, int rc, const char *what)
{
    outcome_set(outcome, VERDICT_RETRY, "local", "%s: %s", what, strerror(-rc));
    outcome->is_damaged = rc == -EBADMSG;
}

bool worker_token(const struct sending *s, struct outcome *outcome)
{
    return tokens_take(s->options->tokens, s->target, &s->worker->token, outcome);
}

struct http_request adx_request(const struct sending *s, const struct target *target, const char *what,
                                const char *url)
{
    return (struct http_request){.target = target,
                                 .what = what,
                                 .url = url,
                                 .token = s->worker->token.len > 0 ? s->worker->token.data : NULL,
                                 .timeout_ms = s->options->timeout_ms,
                                 .is_aborted = s->options->is_aborted};
}

/* {"db":…,"csl":…}: JSON, with the rows of an inline ingestion in it perhaps. */
static int wrap_command(const char *db, const struct buf *csl, struct buf *out)
{
    json_t *root = json_object();
    json_t *text = json_stringn(csl->data, csl->len);
    if (!text) { /* not UTF-8: ADX could not take it either */
        json_decref(root);
        return -EILSEQ;
    }
    json_object_set_new(root, "db", json_string(db));
    json_object_set_new(root, "csl", text);
    char *dump = json_dumps(root, JSON_COMPACT);
    int rc = dump ? buf_puts(out, dump) : -ENOMEM;
    free(dump);
    json_decref(root);
    return rc;
}

static void run_command(const struct sending *s, const struct target *target, const char *what,
                        const struct buf *csl, bool is_once, struct outcome *outcome)
{
    char url[HTTP_URL_BYTES];
    struct buf body;
    buf_init(&body, ADX_INLINE_BYTES_MAX);
    snprintf(url, sizeof url, "%s/v1/rest/mgmt", target->place);
    int rc = wrap_command(s->target->db, csl, &body);
    if (rc == -EILSEQ) {
        outcome_set(outcome, VERDICT_REFUSED, "not-utf8",
                    "the rows are not UTF-8: they cannot go into a command");
    } else if (rc) {
        adx_own_trouble(outcome, rc, "a command cannot be put together");
    } else {
        struct http_request request = adx_request(s, target, what, url);
        request.text = &body;
        request.is_once = is_once;
        http_send(&s->worker->http, &request, outcome);
    }
    buf_fini(&body);
}

void adx_run_command(const struct sending *s, const struct target *target, const char *what,
                     const struct buf *csl, struct outcome *outcome)
{
    run_command(s, target, what, csl, false, outcome);
}

void adx_run_once(const struct sending *s, const struct target *target, const char *what,
                  const struct buf *csl, struct outcome *outcome)
{
    run_command(s, target, what, csl, true, outcome);
}
