#include "uploader/adx/classify.h"

#include <jansson.h>
#include <strings.h>

/* Words in code, type or message that say what the trouble is about, whatever the status (adx.md §1.4, §3,
 * §6). */
static const struct {
    const char *word;
    enum verdict verdict;
} words[] = {
    {"DatabaseUnderMaintenance", VERDICT_DOWN},
    {"DatabaseNotExist", VERDICT_MISSING},
    {"DatabaseNotFound", VERDICT_MISSING},
    {"StreamingIngestionPolicyNotEnabled", VERDICT_UNAVAILABLE},
    {"StreamingIngestionDisabledForCluster", VERDICT_UNAVAILABLE},
    {"StreamingIngestionFunctionalityDisabled", VERDICT_UNAVAILABLE},
    {"ThrottledException", VERDICT_THROTTLED},
    {"TooManyRequests", VERDICT_THROTTLED},
    {"DatabaseAccessDenied", VERDICT_UNAUTHORISED},
    {"TableAccessDenied", VERDICT_UNAUTHORISED},
    {"ClusterSuspended", VERDICT_DOWN},
    {"TransientSchemaMismatch", VERDICT_RETRY},
    {"TableNotExist", VERDICT_GONE},
    {"MappingReferenceWasNotFound", VERDICT_GONE},
    {"EntityNotFound", VERDICT_GONE},
};

/* What a status alone says; anything else is by hundreds. */
static const struct {
    long status;
    enum verdict verdict;
} statuses[] = {
    {401, VERDICT_UNAUTHORISED}, {403, VERDICT_UNAUTHORISED}, {404, VERDICT_MISSING},   {407, VERDICT_DOWN},
    {408, VERDICT_DOWN},         {412, VERDICT_DOWN},         {429, VERDICT_THROTTLED},
};

static enum verdict verdict_of_status(long status, bool is_of_adx)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (statuses[i].status == status)
            return statuses[i].verdict;
    return status >= 400 && status < 500 && is_of_adx ? VERDICT_REFUSED : VERDICT_DOWN;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* {"error":{…}}, or {"OneApiErrors":[{"error":{…}}]}; with a code or a type in it, or else it is not ADX that
 * speaks. */
static const json_t *find_error(const json_t *root)
{
    const json_t *error = json_object_get(root, "error");
    if (!error)
        error = json_object_get(json_array_get(json_object_get(root, "OneApiErrors"), 0), "error");
    return *text_of(error, "code") || *text_of(error, "@type") ? error : NULL;
}

static bool verdict_of_words(const char *text, enum verdict *verdict)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasestr(text, words[i].word)) {
            *verdict = words[i].verdict;
            return true;
        }
    }
    return false;
}

/* EntityNameDoesNotExistException is said of databases and of tables; the message tells which. */
static bool is_missing_table(const char *type, const char *message)
{
    return strcasestr(type, "EntityNameDoesNotExist") && !strcasestr(message, "database") &&
           strcasestr(message, "table");
}

static enum verdict verdict_of_error(const json_t *error, long status)
{
    const char *code = text_of(error, "code"), *type = text_of(error, "@type"),
               *detail = text_of(error, "@message");
    const json_t *permanent = json_object_get(error, "@permanent");
    enum verdict verdict;

    if (!*detail)
        detail = text_of(error, "message");
    if (verdict_of_words(code, &verdict) || verdict_of_words(type, &verdict))
        return verdict == VERDICT_GONE && strcasestr(detail, "kind 'Database'") ? VERDICT_MISSING : verdict;
    if (is_missing_table(type, detail))
        return VERDICT_GONE;
    verdict = verdict_of_status(status, true);
    if (verdict != VERDICT_REFUSED && verdict != VERDICT_DOWN)
        return verdict;
    if (!json_is_boolean(permanent))
        return verdict;
    if (json_is_true(permanent))
        return VERDICT_REFUSED;
    return verdict == VERDICT_DOWN ? VERDICT_DOWN : VERDICT_RETRY;
}

static void classify_error(const json_t *error, struct outcome *outcome)
{
    const char *detail = text_of(error, "@message");
    enum verdict verdict = verdict_of_error(error, outcome->status);

    if (!*detail)
        detail = text_of(error, "message");
    outcome_set(outcome, verdict, text_of(error, "code"), "%s", detail);
    snprintf(outcome->type, sizeof outcome->type, "%s", text_of(error, "@type"));
}

/* The first exception in a 200: at the top, or in a row that is an object and not an array. */
static const char *find_exception(const json_t *root)
{
    const json_t *list = json_object_get(root, "Exceptions");
    size_t i, k;
    const json_t *table, *row;

    json_array_foreach (json_object_get(root, "Tables"), i, table) {
        if (!list)
            list = json_object_get(table, "Exceptions");
        json_array_foreach (json_object_get(table, "Rows"), k, row) {
            if (!list && json_is_object(row))
                list = json_object_get(row, "Exceptions");
        }
    }
    if (json_array_size(list) == 0)
        return NULL;
    const char *text = json_string_value(json_array_get(list, 0));
    return text ? text : "an exception without a text";
}

/* An exception comes without @permanent: only what is known to be for good is that. */
static void classify_exception(const char *text, struct outcome *outcome)
{
    enum verdict verdict = VERDICT_RETRY;

    if (!verdict_of_words(text, &verdict) &&
        (strstr(text, "BadRequest_") || strstr(text, "Stream_") || strcasestr(text, "permanent")))
        verdict = VERDICT_REFUSED;
    outcome_set(outcome, verdict, "Exceptions", "%s", text);
}

static void classify_success(const json_t *root, struct outcome *outcome)
{
    const char *exception = find_exception(root);

    if (exception)
        classify_exception(exception, outcome);
    else if (find_error(root))
        classify_error(find_error(root), outcome);
    else if (json_is_array(json_object_get(root, "Tables")))
        outcome_set(outcome, VERDICT_SUCCESS, "", "%s", "");
    else
        outcome_set(outcome, VERDICT_DOWN, "not-adx",
                    "status 200, but not an answer of ADX: is the address right?");
}

static void classify_foreign(const struct http_answer *answer, struct outcome *outcome)
{
    int shown = answer->body_bytes > 200 ? 200 : (int)answer->body_bytes;

    outcome_set(outcome, verdict_of_status(answer->status, false), "not-adx", "status %ld with %s: %.*s",
                answer->status, answer->body_bytes ? "a body that is not ADX's" : "an empty body", shown,
                answer->body_bytes ? answer->body : "");
}

void classify_redirect(long status, const char *text, struct outcome *outcome)
{
    outcome->status = status;
    outcome->type[0] = '\0';
    outcome_set(outcome, VERDICT_DOWN, "redirect", "%s", text);
}

void classify(const struct http_answer *answer, struct outcome *outcome)
{
    outcome->status = answer->status;
    outcome->type[0] = '\0';
    if (answer->failure) {
        outcome_set(outcome, VERDICT_DOWN, "no-answer", "%s", answer->failure);
        return;
    }
    json_t *root = answer->body_bytes ? json_loadb(answer->body, answer->body_bytes, 0, NULL) : NULL;
    if (answer->status == 200 && !answer->is_cut)
        classify_success(root, outcome);
    else if (find_error(root) && answer->status != 200)
        classify_error(find_error(root), outcome);
    else
        classify_foreign(answer, outcome);
    json_decref(root);
}
