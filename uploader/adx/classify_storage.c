/* What an answer of Azure Storage means: <Error><Code>…</Code><Message>…</Message></Error>, and the code in a
 * header of its own. */
#include <strings.h>

#include "uploader/adx/classify.h"

/* The text between <name> and </name>; "" when there is none. */
static void find_element(const struct http_answer *answer, const char *name, char *out, size_t size)
{
    char open[32];
    snprintf(open, sizeof open, "<%s>", name);
    const char *at = answer->body_bytes ? memmem(answer->body, answer->body_bytes, open, strlen(open)) : NULL;
    out[0] = '\0';
    if (!at)
        return;
    at += strlen(open);
    size_t left = answer->body_bytes - (size_t)(at - answer->body);
    const char *end = memchr(at, '<', left);
    size_t len = end ? (size_t)(end - at) : left;
    snprintf(out, size, "%.*s", (int)(len < size ? len : size - 1), at);
}

static enum verdict verdict_of(long status, const char *code)
{
    if (status == 429 || strcasecmp(code, "ServerBusy") == 0)
        return VERDICT_THROTTLED;
    if (status == 401 || status == 403)
        return VERDICT_UNAUTHORISED;
    if (status == 404 || status == 409 || status == 410 || status == 412)
        return VERDICT_MISSING;
    if (status == 408 || status >= 500 || status < 400)
        return VERDICT_DOWN;
    return VERDICT_RETRY;
}

void classify_storage(const struct http_answer *answer, struct outcome *outcome)
{
    char code[OUTCOME_WORD_BYTES], message[OUTCOME_TEXT_BYTES / 2];

    outcome->status = answer->status;
    outcome->type[0] = '\0';
    if (answer->failure) {
        outcome_set(outcome, VERDICT_DOWN, "no-answer", "%s", answer->failure);
        return;
    }
    if (answer->status >= 200 && answer->status <= 204 && answer->status != 203) {
        outcome_set(outcome, VERDICT_SUCCESS, "", "%s", "");
        return;
    }
    find_element(answer, "Code", code, sizeof code);
    if (answer->error_code && *answer->error_code)
        snprintf(code, sizeof code, "%s", answer->error_code);
    find_element(answer, "Message", message, sizeof message);
    outcome_set(outcome, verdict_of(answer->status, code), *code ? code : "storage",
                "storage answered %ld %s%s%s", answer->status, code, *message ? ": " : "", message);
}
