/* libFuzzer target: whatever ADX, its storage, and services that give tokens may answer. The first byte
 * chooses the status; the rest is read as each kind of answer in turn. */
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include "uploader/adx/classify.h"
#include "uploader/adx/failures.h"
#include "uploader/adx/resources.h"
#include "uploader/token/token_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define CHECK(condition) ((condition) ? (void)0 : abort())

static void check_outcome(const struct outcome *outcome)
{
    CHECK(outcome->verdict < VERDICT_KINDS);
    CHECK(memchr(outcome->code, '\0', sizeof outcome->code) &&
          memchr(outcome->type, '\0', sizeof outcome->type));
    CHECK(memchr(outcome->text, '\0', sizeof outcome->text));
    const char *sig = strcasestr(outcome->text, "sig=");
    CHECK(!sig || sig[4] == '*' || !sig[4] || strchr(" \t\r\n&\"'<>,;)\\", sig[4]));
}

static void try_answers(long status, const char *text, size_t bytes)
{
    struct http_answer answer = {.status = status, .body = text, .body_bytes = bytes};
    struct outcome outcome = {0};
    classify(&answer, &outcome);
    check_outcome(&outcome);
    /* What is no answer of ADX's own is neither taken for a success nor for a refusal. */
    if (bytes == 0)
        CHECK(outcome.verdict != VERDICT_SUCCESS && outcome.verdict != VERDICT_REFUSED);
    outcome = (struct outcome){0};
    classify_storage(&answer, &outcome);
    check_outcome(&outcome);
    CHECK(outcome.verdict != VERDICT_REFUSED);
}

static void check_resources(const struct resource_set *set)
{
    size_t usable[RESOURCE_KINDS] = {0};
    CHECK(set->count <= RESOURCES_MAX && set->identity && *set->identity);
    for (size_t i = 0; i < set->count; i++) {
        const struct resource *one = &set->list[i];
        CHECK(one->kind < RESOURCE_KINDS && !one->at.may_get_token);
        CHECK(one->signature && *one->signature && !strchr(one->at.place, '?'));
        CHECK(strncasecmp(one->at.place, "https://", 8) == 0 || one->at.is_loopback);
        usable[one->kind]++;
    }
    CHECK(usable[RESOURCE_CONTAINER] > 0 && usable[RESOURCE_QUEUE] > 0);
}

static void try_tables(const char *text, size_t bytes)
{
    json_t *root = json_loadb(text, bytes, 0, NULL);
    const json_t *tables = json_object_get(root, "Tables");
    const json_t *first = json_array_get(tables, 0), *second = json_array_get(tables, 1);
    struct resource_set *set = NULL;
    struct failures failures = {0};
    struct err err;
    if (resource_set_parse(first, second ? second : first, &set, &err) == 0) {
        check_resources(set);
        resources_release(set);
    }
    (void)!failures_add_table(&failures, first);
    (void)!failures_add_messages(&failures, text, bytes);
    for (size_t i = 0; i < failures.count; i++)
        CHECK(!strpbrk(failures.list[i].blob, "/?;") && failure_verdict(&failures.list[i]) < VERDICT_KINDS);
    failures_fini(&failures);
    json_decref(root);
}

static void try_tokens(const char *text, size_t bytes)
{
    struct token_audience audience;
    struct buf token;
    struct err err;
    char words[200];
    int64_t lifetime_ms;
    buf_init(&token, TOKEN_BYTES_MAX);
    if (token_parse_json(text, bytes, 1000000, &token, &lifetime_ms, &err) == 0)
        CHECK(token.len > 0 && !strpbrk(token.data, " \r\n") && token_usable_ms(lifetime_ms) <= lifetime_ms);
    buf_clear(&token);
    if (token_parse_output(text, bytes, 1000000, &token, &lifetime_ms, &err) == 0)
        CHECK(token.len > 0 && !strpbrk(token.data, " \r\n") && token_refresh_ms(lifetime_ms) <= lifetime_ms);
    token_parse_error(text, bytes, words, sizeof words);
    CHECK(memchr(words, '\0', sizeof words));
    if (token_parse_metadata(text, bytes, &audience, &err) == 0)
        CHECK(strncasecmp(audience.login, "http", 4) == 0 && strstr(audience.login, "://"));
    buf_fini(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const long statuses[] = {200, 201, 400, 401, 403, 404, 409, 412, 413, 429, 500, 503, 520};
    if (bytes == 0)
        return 0;
    char *text = malloc(bytes); /* exactly: a read behind it is seen */
    CHECK(text);
    memcpy(text, data + 1, bytes - 1);
    text[bytes - 1] = '\0';
    try_answers(statuses[data[0] % (sizeof statuses / sizeof *statuses)], text, bytes - 1);
    try_tables(text, bytes - 1);
    try_tokens(text, bytes - 1);
    free(text);
    return 0;
}
