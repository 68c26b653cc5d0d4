#include "uploader/adx/outcome.h"

#include <stdarg.h>

static const char *const words[VERDICT_KINDS] = {
    [VERDICT_SUCCESS] = "success",     [VERDICT_STOPPED] = "stopped",
    [VERDICT_PENDING] = "posted",      [VERDICT_DOWN] = "down",
    [VERDICT_THROTTLED] = "throttled", [VERDICT_UNAUTHORISED] = "unauthorised",
    [VERDICT_MISSING] = "missing",     [VERDICT_UNAVAILABLE] = "unavailable",
    [VERDICT_RETRY] = "retry",         [VERDICT_GONE] = "gone",
    [VERDICT_REFUSED] = "refused",
};

const char *verdict_word(enum verdict verdict)
{
    return verdict < VERDICT_KINDS ? words[verdict] : "unknown";
}

int verdict_is_of_database(enum verdict verdict)
{
    return verdict >= VERDICT_DOWN && verdict <= VERDICT_MISSING;
}

/* What comes before a secret, in any case: of signatures (also where an address is an argument of another
 * one), of tokens, of what tokens are asked for with. */
static const char *const before_secrets[] = {
    "sig=",
    "sig%3d",
    "bearer ",
    "authorizationContext\":\"",
    "authorizationContext\\\":\\\"",
    "access_token\":\"",
    "client_secret=",
    "client_assertion=",
};

void outcome_redact(char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(before_secrets); i++) {
        char *at = text;
        while ((at = strcasestr(at, before_secrets[i]))) {
            at += strlen(before_secrets[i]);
            size_t secret = strcspn(at, " \t\r\n&\"'<>,;)\\");
            memset(at, '*', secret);
            at += secret;
        }
    }
}

void outcome_set(struct outcome *outcome, enum verdict verdict, const char *code, const char *format, ...)
{
    va_list args;

    outcome->verdict = verdict;
    snprintf(outcome->code, sizeof outcome->code, "%s", code);
    va_start(args, format);
    (void)vsnprintf(outcome->text, sizeof outcome->text, format, args);
    va_end(args);
    outcome_redact(outcome->code);
    outcome_redact(outcome->text);
}
