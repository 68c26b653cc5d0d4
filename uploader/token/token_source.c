#include "uploader/token/token_source.h"

#include <errno.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/secret.h"
#include "uploader/adx/http.h"
#include "uploader/adx/trust.h"
#include "uploader/token/token_command.h"

static const char *const words[] = {[AUTH_AUTO] = "auto",
                                    [AUTH_NONE] = "none",
                                    [AUTH_FILE] = "token-file",
                                    [AUTH_COMMAND] = "token-command",
                                    [AUTH_SECRET] = "client-secret",
                                    [AUTH_WORKLOAD] = "workload",
                                    [AUTH_MANAGED] = "managed"};

const char *token_auth_word(enum token_auth auth)
{
    return words[auth];
}

bool token_is_kept(enum token_auth auth)
{
    return auth != AUTH_AUTO && auth != AUTH_NONE && auth != AUTH_FILE;
}

/* What is being done: one fetch. */
struct fetch {
    const struct token_options *options;
    const struct token_audience *audience;
    const atomic_bool *is_aborted;
    struct buf *token;
    int64_t *lifetime_ms;
    struct outcome *outcome;
};

static bool fail(const struct fetch *f, enum verdict verdict, const char *what, const char *why)
{
    outcome_set(f->outcome, verdict, "token", "no token: %s: %s", what, why);
    return false;
}

/* --- identity services ------------------------------------------------------------------------------ */

static bool is_transient(long status)
{
    return status == 404 || status == 408 || status == 410 || status == 429 || status >= 500;
}

/* The answer's own words, if it has any; never its body. */
static bool fail_status(const struct fetch *f, const char *what, long status, const struct buf *answer)
{
    char said[512], why[640];
    token_parse_error(answer->len ? answer->data : "", answer->len, said, sizeof said);
    snprintf(why, sizeof why, "status %ld%s%s", status, *said ? ": " : "", said);
    f->outcome->status = status;
    return fail(f, is_transient(status) ? VERDICT_DOWN : VERDICT_UNAUTHORISED, what, why);
}

static bool ask(const struct fetch *f, const char *what, struct token_request *request)
{
    struct buf answer;
    struct err err;
    long status;
    bool ok = false;
    buf_init(&answer, TOKEN_ANSWER_MAX);
    request->timeout_ms = TOKEN_TIMEOUT_MS;
    request->is_aborted = f->is_aborted;
    if (token_http(request, &answer, &status, &err) != 0)
        fail(f, VERDICT_DOWN, what, err.text);
    else if (status != 200)
        fail_status(f, what, status, &answer);
    else if (token_parse_json(answer.data ? answer.data : "", answer.len, wall_now_ms(), f->token,
                              f->lifetime_ms, &err) != 0)
        fail(f, VERDICT_DOWN, what, err.text);
    else
        ok = true;
    token_wipe(&answer);
    return ok;
}

/* name=value, encoded, with & where it is not the first. */
static int put_field(struct buf *form, const char *name, const char *value)
{
    int rc = buf_printf(form, "%s%s=", form->len > 0 && form->data[form->len - 1] != '?' ? "&" : "", name);
    return rc ? rc : http_put_encoded(form, value);
}

static const char *authority_of(const struct fetch *f)
{
    return f->options->authority ? f->options->authority : f->audience->login;
}

/* POST to Entra ID; `name`, `secret`: what proves who we are. */
static bool ask_entra(const struct fetch *f, const char *name, const struct buf *secret, const char *kind)
{
    char url[TOKEN_URL_BYTES + 256], scope[TOKEN_URL_BYTES + 16];
    struct buf form;
    const char *login = authority_of(f);
    size_t len = strlen(login);
    while (len > 0 && login[len - 1] == '/')
        len--;
    snprintf(url, sizeof url, "%.*s/%s/oauth2/v2.0/token", (int)len, login, f->options->tenant_id);
    snprintf(scope, sizeof scope, "%s/.default", f->audience->resource);
    buf_init(&form, (size_t)4 * TOKEN_BYTES_MAX);
    int rc = put_field(&form, "client_id", f->options->client_id);
    if (rc == 0)
        rc = put_field(&form, "grant_type", "client_credentials");
    if (rc == 0)
        rc = put_field(&form, "scope", scope);
    if (rc == 0 && kind)
        rc = put_field(&form, "client_assertion_type", kind);
    if (rc == 0)
        rc = put_field(&form, name, secret->data);
    struct token_request request = {.url = url, .form = &form};
    bool ok = rc == 0 ? ask(f, url, &request) : fail(f, VERDICT_RETRY, url, strerror(-rc));
    token_wipe(&form);
    return ok;
}

static bool read_secret(const struct fetch *f, const char *path, struct buf *secret)
{
    int rc = secret_read(path, secret);
    if (rc == 0)
        return true;
    return fail(f, VERDICT_UNAUTHORISED, path,
                rc == -EINVAL ? "it should hold one line without blanks" : strerror(-rc));
}

static bool fetch_by_secret(const struct fetch *f)
{
    struct buf secret;
    const char *variable = getenv("AZURE_CLIENT_SECRET");
    buf_init(&secret, TOKEN_BYTES_MAX);
    bool ok = f->options->secret_file ? read_secret(f, f->options->secret_file, &secret)
              : variable && buf_puts(&secret, variable) == 0
                  ? true
                  : fail(f, VERDICT_UNAUTHORISED, "AZURE_CLIENT_SECRET", "it is not set");
    ok = ok && ask_entra(f, "client_secret", &secret, NULL);
    token_wipe(&secret);
    return ok;
}

/* The file is read each time: what is in it changes about every hour. */
static bool fetch_by_workload(const struct fetch *f)
{
    static const char kind[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    struct buf assertion;
    buf_init(&assertion, TOKEN_BYTES_MAX);
    bool ok = read_secret(f, f->options->federated_file, &assertion) &&
              ask_entra(f, "client_assertion", &assertion, kind);
    token_wipe(&assertion);
    return ok;
}

static bool fetch_from_machine(const struct fetch *f)
{
    const struct token_options *o = f->options;
    bool is_app = o->app_endpoint && o->app_header;
    struct buf url, header;
    buf_init(&url, 4096);
    buf_init(&header, 4096);
    int rc = is_app
                 ? buf_printf(&url, "%s?api-version=2019-08-01", o->app_endpoint)
                 : buf_printf(&url, "%s/metadata/identity/oauth2/token?api-version=2018-02-01", o->machine);
    if (rc == 0)
        rc = put_field(&url, "resource", f->audience->resource);
    if (rc == 0 && o->client_id)
        rc = put_field(&url, "client_id", o->client_id);
    if (rc == 0 && o->resource_id)
        rc = put_field(&url, is_app ? "mi_res_id" : "msi_res_id", o->resource_id);
    if (rc == 0)
        rc = is_app ? buf_printf(&header, "X-IDENTITY-HEADER: %s", o->app_header)
                    : buf_puts(&header, "Metadata: true");
    struct token_request request = {.url = url.data, .header = header.data, .is_local = true};
    const char *what = is_app ? o->app_endpoint : o->machine;
    bool ok = rc == 0 ? ask(f, what, &request) : fail(f, VERDICT_RETRY, what, strerror(-rc));
    buf_fini(&url);
    token_wipe(&header);
    return ok;
}

/* --- commands --------------------------------------------------------------------------------------- */

static bool fetch_by_command(const struct fetch *f)
{
    static const char what[] = "token-command";
    struct buf output;
    struct err err;
    buf_init(&output, TOKEN_BYTES_MAX);
    int rc = command_run(f->options->command, TOKEN_TIMEOUT_MS, f->is_aborted, &output, &err);
    if (rc == 0)
        rc = token_parse_output(output.data ? output.data : "", output.len, wall_now_ms(), f->token,
                                f->lifetime_ms, &err);
    token_wipe(&output);
    return rc == 0 || fail(f, VERDICT_UNAUTHORISED, what, err.text);
}

/* --- all of them ------------------------------------------------------------------------------------ */

bool token_fetch(const struct token_options *options, enum token_auth auth,
                 const struct token_audience *audience, const atomic_bool *is_aborted, struct buf *token,
                 int64_t *lifetime_ms, struct outcome *outcome)
{
    struct fetch f = {options, audience, is_aborted, token, lifetime_ms, outcome};
    *outcome = (struct outcome){0};
    switch (auth) {
    case AUTH_COMMAND:
        return fetch_by_command(&f);
    case AUTH_SECRET:
        return fetch_by_secret(&f);
    case AUTH_WORKLOAD:
        return fetch_by_workload(&f);
    case AUTH_MANAGED:
        return fetch_from_machine(&f);
    case AUTH_AUTO:
    case AUTH_NONE:
    case AUTH_FILE:
        break;
    }
    return fail(&f, VERDICT_RETRY, token_auth_word(auth), "nothing is fetched for it");
}

bool token_find_audience(const struct token_options *options, const char *place,
                         const atomic_bool *is_aborted, struct token_audience *audience,
                         struct outcome *outcome)
{
    char url[HTTP_URL_BYTES];
    struct fetch f = {.options = options, .audience = audience, .outcome = outcome};
    struct token_request request = {.url = url, .timeout_ms = TOKEN_TIMEOUT_MS, .is_aborted = is_aborted};
    struct buf answer;
    struct err err;
    long status;
    bool ok = false;
    *outcome = (struct outcome){0};
    snprintf(url, sizeof url, "%s/v1/rest/auth/metadata", place);
    buf_init(&answer, TOKEN_ANSWER_MAX);
    token_audience_default(audience);
    if (token_http(&request, &answer, &status, &err) != 0)
        fail(&f, VERDICT_DOWN, url, err.text);
    else if (status != 200 && status != 404)
        fail_status(&f, url, status, &answer);
    else if (status == 200 &&
             token_parse_metadata(answer.data ? answer.data : "", answer.len, audience, &err) != 0)
        fail(&f, VERDICT_DOWN, url, err.text);
    else if (!options->authority && !trust_login(place, audience->login))
        fail(
            &f, VERDICT_UNAUTHORISED, audience->login,
            "this is not the sign-in service of that endpoint's cloud (--authority says so, if it is right)");
    else
        ok = true;
    buf_fini(&answer);
    return ok;
}
