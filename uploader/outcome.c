#include "uploader/outcome.h"

#include <stdarg.h>

static const char *const words[VERDICT_KINDS] = {
    [VERDICT_SUCCESS] = "success",
    [VERDICT_STOPPED] = "stopped",
    [VERDICT_DOWN] = "down",
    [VERDICT_THROTTLED] = "throttled",
    [VERDICT_UNAUTHORISED] = "unauthorised",
    [VERDICT_MISSING] = "missing",
    [VERDICT_UNAVAILABLE] = "unavailable",
    [VERDICT_RETRY] = "retry",
    [VERDICT_GONE] = "gone",
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

void outcome_redact(char *text)
{
    static const char *const secrets[] = {"sig=", "Bearer ", "bearer "};

    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        char *at = text;
        while ((at = strstr(at, secrets[i]))) {
            at += strlen(secrets[i]);
            size_t secret = strcspn(at, " \t\r\n&\"'<>,;)");
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
