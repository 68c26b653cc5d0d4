#include "peerd/send/answer.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *const words[FATE_COUNT] = {
    [FATE_DELIVERED] = "delivered",     [FATE_REFUSED] = "refused",           [FATE_CONFLICT] = "conflict",
    [FATE_MISNAMED] = "misnamed",       [FATE_UNAUTHORISED] = "unauthorised", [FATE_TOO_LARGE] = "too-large",
    [FATE_NO_BUDGET] = "no-budget",     [FATE_NOT_READY] = "not-ready",       [FATE_FOREIGN] = "foreign",
    [FATE_UNREACHABLE] = "unreachable", [FATE_UNKNOWN] = "unknown",           [FATE_LOCAL] = "local",
};

const char *fate_word(enum fate fate)
{
    return words[fate];
}

static enum fate fate_of_status(long status, const char *code)
{
    switch (status) {
    case 200:
    case 202:
        return FATE_DELIVERED;
    case 400:
        return strcmp(code, "wrong-peer") == 0 ? FATE_MISNAMED : FATE_REFUSED;
    case 401:
    case 403:
        return FATE_UNAUTHORISED;
    case 409:
        return FATE_CONFLICT;
    case 413:
        return FATE_TOO_LARGE;
    case 429:
        return FATE_NO_BUDGET;
    case 503:
        return FATE_NOT_READY;
    default: /* 2xx of another kind, 5xx: whatever it did with the body, it does not say */
        return status >= 300 && status < 500 ? FATE_FOREIGN : FATE_UNKNOWN;
    }
}

static void copy_words(const json_t *root, const char *key, char *out, size_t cap)
{
    const char *text = json_string_value(json_object_get(root, key));
    if (text)
        snprintf(out, cap, "%s", text);
}

/* The first line of something that is not our JSON. */
static void copy_line(const char *text, size_t bytes, char *out, size_t cap)
{
    size_t used = 0;
    for (size_t i = 0; i < bytes && used + 1 < cap && text[i] != '\n'; i++)
        out[used++] = isprint((unsigned char)text[i]) ? text[i] : '?';
    out[used] = '\0';
}

/* A refusal counts also when the connection broke behind it, while we were still sending; that something was
 * stored is believed only of an answer that came whole. */
static bool has_answer(const struct answer_facts *facts)
{
    return facts->status >= 300 || (facts->status >= 200 && facts->is_complete);
}

void answer_read(const struct answer_facts *facts, struct answer *answer)
{
    *answer = (struct answer){.retry_after_ms = facts->retry_after_ms};
    if (answer->retry_after_ms > ANSWER_RETRY_AFTER_MAX_MS)
        answer->retry_after_ms = ANSWER_RETRY_AFTER_MAX_MS;
    if (!has_answer(facts)) {
        answer->fate = facts->has_left ? FATE_UNKNOWN : FATE_UNREACHABLE;
        snprintf(answer->why, sizeof answer->why, "%s", facts->failure ? facts->failure : "no answer");
        return;
    }
    answer->status = facts->status;
    json_t *root = facts->body_bytes > 0 ? json_loadb(facts->body, facts->body_bytes, 0, NULL) : NULL;
    copy_words(root, "code", answer->code, sizeof answer->code);
    copy_words(root, "why", answer->why, sizeof answer->why);
    if (!root && facts->body_bytes > 0)
        copy_line(facts->body, facts->body_bytes, answer->why, sizeof answer->why);
    json_decref(root);
    answer->fate = fate_of_status(facts->status, answer->code);
    if (answer->fate == FATE_NO_BUDGET && facts->failover)
        snprintf(answer->failover, sizeof answer->failover, "%s", facts->failover);
}

enum disposal answer_dispose(enum fate fate, bool is_in_doubt)
{
    switch (fate) {
    case FATE_DELIVERED:
        return DISPOSE_DONE;
    case FATE_CONFLICT:
        return DISPOSE_QUARANTINE;
    case FATE_REFUSED:
        return is_in_doubt ? DISPOSE_KEEP : DISPOSE_QUARANTINE;
    case FATE_MISNAMED:
    case FATE_TOO_LARGE:
    case FATE_NO_BUDGET:
    case FATE_FOREIGN:
    case FATE_UNREACHABLE:
        return is_in_doubt ? DISPOSE_KEEP : DISPOSE_DIVERT;
    case FATE_UNAUTHORISED:
    case FATE_NOT_READY:
    case FATE_UNKNOWN:
    case FATE_LOCAL:
    case FATE_COUNT:
        break;
    }
    return DISPOSE_KEEP;
}
