#include "uploader/token/token_parse.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <strings.h>

static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isgraph((unsigned char)text[i]))
            return false;
    return len > 0 && len <= TOKEN_BYTES_MAX;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* A number, or one in a string; -1: neither. */
static int64_t number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_number(value)) {
        double number = json_number_value(value);
        return number < 0 ? -1 : number > 1e12 ? (int64_t)1e12 : (int64_t)number;
    }
    const char *text = json_string_value(value);
    if (!text || !isdigit((unsigned char)*text))
        return -1;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return *end == '\0' && errno == 0 && number < INT64_MAX / 2 ? number : -1;
}

/* "2026-11-22 18:00:00.000000": the CLI's local time. 0: not that. */
static int64_t local_time_s(const char *text)
{
    struct tm local = {.tm_isdst = -1};
    const char *end = text ? strptime(text, "%Y-%m-%d %H:%M:%S", &local) : NULL;
    return end && (*end == '\0' || *end == '.') ? (int64_t)mktime(&local) : 0;
}

static int64_t lifetime_of(const json_t *answer, int64_t wall_ms)
{
    int64_t in_s = number_of(answer, "expires_in"), on_s = number_of(answer, "expires_on");
    if (on_s <= 0)
        on_s = local_time_s(text_of(answer, "expiresOn"));
    if (in_s < 0 && on_s <= 0)
        return TOKEN_UNKNOWN_MS;
    if (in_s < 0)
        in_s = on_s - wall_ms / 1000; /* both below 2^62 */
    enum { DAYS_MAX_S = 366 * 86400 };
    return (in_s < 0 ? 0 : in_s > DAYS_MAX_S ? DAYS_MAX_S : in_s) * 1000;
}

int token_parse_json(const char *text, size_t len, int64_t wall_ms, struct buf *token, int64_t *lifetime_ms,
                     struct err *err)
{
    json_t *answer = json_loadb(text, len, 0, NULL);
    const char *found = text_of(answer, "access_token");
    if (!found)
        found = text_of(answer, "accessToken");
    int rc = 0;
    buf_clear(token);
    if (!answer)
        rc = err_set(err, -EINVAL, "its answer is not JSON");
    else if (!found || !is_token(found, strlen(found)))
        rc = err_set(err, -EINVAL, "there is no access_token in its answer");
    else
        rc = buf_puts(token, found);
    *lifetime_ms = lifetime_of(answer, wall_ms);
    json_decref(answer);
    return rc;
}

int token_parse_output(const char *text, size_t len, int64_t wall_ms, struct buf *token, int64_t *lifetime_ms,
                       struct err *err)
{
    while (len > 0 && isspace((unsigned char)*text))
        text++, len--;
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    if (len > 0 && *text == '{')
        return token_parse_json(text, len, wall_ms, token, lifetime_ms, err);
    buf_clear(token);
    *lifetime_ms = TOKEN_UNKNOWN_MS;
    if (!is_token(text, len))
        return err_set(err, -EINVAL,
                       len == 0 ? "it printed nothing" : "it printed neither JSON nor a token on one line");
    return buf_put(token, text, len);
}

void token_parse_error(const char *text, size_t len, char *out, size_t size)
{
    json_t *answer = json_loadb(text, len, 0, NULL);
    const char *error = text_of(answer, "error"), *description = text_of(answer, "error_description");
    if (!description)
        description = text_of(answer, "message");
    int shown = description ? (int)strcspn(description, "\r\n") : 0;
    snprintf(out, size, "%s%s%.*s", error ? error : "", error && shown > 0 ? ": " : "",
             shown > 300 ? 300 : shown, description ? description : "");
    json_decref(answer);
}

int64_t token_refresh_ms(int64_t lifetime_ms)
{
    if (lifetime_ms > TOKEN_LONG_MS || lifetime_ms < 2 * (int64_t)TOKEN_MARGIN_MS)
        return lifetime_ms / 2;
    return lifetime_ms - TOKEN_MARGIN_MS;
}

/* Not to its very end: it has to arrive there, and clocks differ. */
int64_t token_usable_ms(int64_t lifetime_ms)
{
    enum { MARGIN_MAX_MS = 30000 };
    int64_t margin_ms = lifetime_ms / 10;
    return lifetime_ms - (margin_ms > MARGIN_MAX_MS ? MARGIN_MAX_MS : margin_ms);
}

void token_audience_default(struct token_audience *audience)
{
    *audience = (struct token_audience){.login = "https://login.microsoftonline.com",
                                        .resource = "https://kusto.kusto.windows.net"};
}

/* ".kusto." becomes ".kustomfa." where the cloud wants it. */
static bool set_resource(char *out, size_t size, const char *resource, bool is_mfa)
{
    const char *at = is_mfa ? strstr(resource, ".kusto.") : NULL;
    int len =
        at ? snprintf(out, size, "%.*s.kustomfa.%s", (int)(at - resource), resource, at + strlen(".kusto."))
           : snprintf(out, size, "%s", resource);
    return len < (int)size;
}

int token_parse_metadata(const char *text, size_t len, struct token_audience *audience, struct err *err)
{
    token_audience_default(audience);
    if (len == 0)
        return 0;
    json_t *document = json_loadb(text, len, 0, NULL);
    const json_t *cloud = json_object_get(document, "AzureAD");
    const char *login = text_of(cloud, "LoginEndpoint"), *resource = text_of(cloud, "KustoServiceResourceId");
    bool is_mfa = json_is_true(json_object_get(cloud, "LoginMfaRequired"));
    int rc = 0;
    if (!document)
        rc = err_set(err, -EINVAL, "its metadata is not JSON");
    else if (!set_resource(audience->resource, sizeof audience->resource,
                           resource ? resource : "https://kusto.kusto.windows.net", is_mfa) ||
             (login &&
              snprintf(audience->login, sizeof audience->login, "%s", login) >= (int)sizeof audience->login))
        rc = err_set(err, -EINVAL, "an address in its metadata is too long");
    else if (strncasecmp(audience->login, "https://", 8) != 0 &&
             strncasecmp(audience->login, "http://", 7) != 0)
        rc = err_set(err, -EINVAL, "the sign-in service in its metadata is no address");
    size_t end = strlen(audience->login);
    while (end > 0 && audience->login[end - 1] == '/')
        audience->login[--end] = '\0';
    json_decref(document);
    return rc;
}
