/* Azure Storage as the uploader sees it: what answers mean, what is lent, how blobs are called, what is
 * hidden. */
#include "tests/unit/unit.h"

#include "uploader/adx/blob.h"
#include "uploader/adx/classify.h"
#include "uploader/adx/resources.h"

#define XML(code) "<?xml version=\"1.0\"?><Error><Code>" code "</Code><Message>Words.\nTime</Message></Error>"

static const struct {
    const char *what;
    long status;
    const char *header, *body;
    enum verdict verdict;
    const char *code;
} answers[] = {
    {"created", 201, NULL, "", VERDICT_SUCCESS, ""},
    {"a message read", 200, NULL, "<QueueMessagesList/>", VERDICT_SUCCESS, ""},
    {"busy", 503, "ServerBusy", XML("ServerBusy"), VERDICT_THROTTLED, "ServerBusy"},
    {"busy, code in the body alone", 503, NULL, XML("ServerBusy"), VERDICT_THROTTLED, "ServerBusy"},
    {"429", 429, NULL, "", VERDICT_THROTTLED, "storage"},
    {"500", 500, "InternalError", XML("InternalError"), VERDICT_DOWN, "InternalError"},
    {"timeout", 408, NULL, "", VERDICT_DOWN, "storage"},
    {"signature ended", 403, "AuthenticationFailed", "", VERDICT_UNAUTHORISED, "AuthenticationFailed"},
    {"not allowed by the signature", 403, NULL, XML("AuthorizationPermissionMismatch"), VERDICT_UNAUTHORISED,
     "AuthorizationPermissionMismatch"},
    {"no container", 404, "ContainerNotFound", XML("ContainerNotFound"), VERDICT_MISSING,
     "ContainerNotFound"},
    {"there already", 409, "BlobAlreadyExists", "", VERDICT_MISSING, "BlobAlreadyExists"},
    {"our request is wrong", 400, "InvalidHeaderValue", "", VERDICT_RETRY, "InvalidHeaderValue"},
    {"too large", 413, "RequestBodyTooLarge", "", VERDICT_RETRY, "RequestBodyTooLarge"},
    {"a redirect", 302, NULL, "", VERDICT_DOWN, "storage"},
};

static void no_answer_of_storage_is_about_the_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct outcome outcome = {0};
        const struct http_answer answer = {.status = answers[i].status,
                                           .body = answers[i].body,
                                           .body_bytes = strlen(answers[i].body),
                                           .error_code = answers[i].header};
        classify_storage(&answer, &outcome);
        if (outcome.verdict != answers[i].verdict || strcmp(outcome.code, answers[i].code) != 0)
            fail_msg("%s: %s, %s", answers[i].what, verdict_word(outcome.verdict), outcome.code);
    }
    struct outcome outcome = {0};
    classify_storage(&(struct http_answer){.failure = "reset by peer"}, &outcome);
    assert_int_equal(outcome.verdict, VERDICT_DOWN);
}

static void secrets_become_stars(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"PUT https://a/b?sv=1&sig=geheim&se=2", "PUT https://a/b?sv=1&sig=******&se=2"},
        {"?SIG=geheim", "?SIG=******"},
        {"?u=https%3A%2F%2Fa%3Fsig%3Dgeheim", "?u=https%3A%2F%2Fa%3Fsig%3D******"},
        {"authorization: Bearer geheim, BEARER geheim", "authorization: Bearer ******, BEARER ******"},
        {"{\"authorizationContext\":\"geheim\",\"x\":1}", "{\"authorizationContext\":\"******\",\"x\":1}"},
        {"{\"access_token\":\"geheim\"}", "{\"access_token\":\"******\"}"},
        {"grant&client_secret=geheim&x", "grant&client_secret=******&x"},
        {"design=1 is no secret", "design=1 is no secret"},
    };
    for (size_t i = 0; i + 1 < ARRAY_LEN(texts); i++) {
        char text[128];
        snprintf(text, sizeof text, "%s", texts[i][0]);
        outcome_redact(text);
        assert_string_equal(text, texts[i][1]);
    }
}

/* --- what is lent ----------------------------------------------------------------------------------- */

static json_t *table(const char *columns, const char *rows)
{
    char *text = NULL;
    assert_true(asprintf(&text, "{\"Columns\":%s,\"Rows\":%s}", columns, rows) > 0);
    json_t *root = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(root);
    return root;
}

#define LENT "[{\"ColumnName\":\"StorageRoot\"},{\"ColumnName\":\"ResourceTypeName\"}]"
#define TOKEN "[{\"ColumnName\":\"AuthorizationContext\"}]"
#define BLOBS(account, name) \
    "[\"https://" account ".blob.core.windows.net/" name "?sig=" name "\",\"TempStorage\"]"
#define QUEUE(account) \
    "[\"https://" account ".queue.core.windows.net/ready?sig=q\",\"SecuredReadyForAggregationQueue\"]"

static int parse(const char *rows, const char *token, struct resource_set **set)
{
    struct err err;
    json_t *lent = table(LENT, rows), *identity = table(TOKEN, token);
    int rc = resource_set_parse(lent, identity, set, &err);
    json_decref(lent);
    json_decref(identity);
    return rc;
}

static void what_is_lent_is_found_by_name(void **state)
{
    (void)state;
    struct resource_set *set = NULL;
    assert_int_equal(
        parse(
            "[" BLOBS("one", "c0") "," QUEUE(
                "two") ",[\"https://one.table.core.windows.net/s?sig=x\",\"IngestionsStatusTable\"],"
                       "[\"http://far.example.com/c?sig=x\",\"TempStorage\"],[\"https://one.blob.core.windows.net/bare\",\"TempStorage\"],"
                       "[null,\"TempStorage\"],[\"http://127.0.0.1:10000/devstoreaccount1/c1?sig=y\",\"TempStorage\"]]",
            "[[\"token\"]]", &set),
        0);
    assert_int_equal(set->count, 3);
    assert_string_equal(set->list[0].account, "one");
    assert_string_equal(set->list[0].at.place, "https://one.blob.core.windows.net/c0");
    assert_string_equal(set->list[0].signature, "sig=c0");
    assert_int_equal(set->list[1].kind, RESOURCE_QUEUE);
    assert_string_equal(set->list[2].account, "devstoreaccount1");
    assert_string_equal(set->identity, "token");
    resources_release(set);
}

static void an_answer_that_does_not_do_is_an_error(void **state)
{
    (void)state;
    struct resource_set *set = NULL;
    assert_int_equal(parse("[" QUEUE("two") "]", "[[\"token\"]]", &set), -EPROTO);
    assert_int_equal(parse("[" BLOBS("one", "c") "]", "[[\"token\"]]", &set), -EPROTO);
    assert_int_equal(parse("[" BLOBS("one", "c") "," QUEUE("two") "]", "[]", &set), -EPROTO);
    assert_int_equal(parse("[" BLOBS("one", "c") "," QUEUE("two") "]", "[[\"a\"],[\"b\"]]", &set), -EPROTO);
    assert_null(set);
}

/* --- the cache, with an endpoint that is a function ------------------------------------------------- */

struct endpoint {
    unsigned asked;
    enum verdict verdict; /* SUCCESS: it answers */
};

static bool answer(void *arg, const char *command, json_t **out, struct outcome *outcome)
{
    struct endpoint *endpoint = arg;
    endpoint->asked++;
    outcome_set(outcome, endpoint->verdict, "code", "words");
    if (endpoint->verdict != VERDICT_SUCCESS)
        return false;
    *out = strstr(command, "identity") ? table(TOKEN, "[[\"token\"]]")
                                       : table(LENT, "[" BLOBS("one", "c0") "," BLOBS("one", "c1") "," BLOBS(
                                                         "two", "c2") "," QUEUE("two") "]");
    return true;
}

static void what_is_lent_is_kept_and_asked_for_anew_when_all_failed(void **state)
{
    (void)state;
    struct resources *r = resources_new("https://ingest-x");
    struct endpoint endpoint = {.verdict = VERDICT_DOWN};
    struct outcome outcome;
    assert_null(resources_take(r, answer, &endpoint, 60000, &outcome));
    assert_int_equal(outcome.verdict, VERDICT_DOWN);
    assert_null(resources_take(r, answer, &endpoint, 60000, &outcome)); /* answered from memory */
    assert_int_equal(endpoint.asked, 1);
    endpoint.verdict = VERDICT_SUCCESS;
    struct resource_set *set = resources_take(r, answer, &endpoint, 0, &outcome);
    assert_non_null(set);
    resources_release(resources_take(r, answer, &endpoint, 0, &outcome));
    assert_int_equal(endpoint.asked, 3); /* two commands, once */
    endpoint.verdict = VERDICT_THROTTLED;
    resources_expire(r);
    struct resource_set *again = resources_take(r, answer, &endpoint, 0, &outcome);
    assert_ptr_equal(again, set); /* the old ones are used on */
    assert_int_equal(endpoint.asked, 4);
    resources_expire(r); /* not again so soon */
    resources_release(resources_take(r, answer, &endpoint, 0, &outcome));
    assert_int_equal(endpoint.asked, 4);
    resources_release(again);
    resources_release(set);
    resources_free(r);
}

static void accounts_take_turns_and_the_bad_come_last(void **state)
{
    (void)state;
    struct resources *r = resources_new("x");
    struct endpoint endpoint = {.verdict = VERDICT_SUCCESS};
    struct outcome outcome;
    struct resource_set *set = resources_take(r, answer, &endpoint, 0, &outcome);
    struct resource *chosen[4];
    unsigned seen[3] = {0};
    for (int i = 0; i < 50; i++) {
        assert_int_equal(resources_choose(r, set, RESOURCE_CONTAINER, chosen, 4), 3);
        assert_string_not_equal(chosen[0]->account, chosen[1]->account);
        seen[chosen[0] - set->list]++;
    }
    assert_true(seen[0] > 0 && seen[1] > 0 && seen[2] > 0);
    assert_int_equal(resources_choose(r, set, RESOURCE_CONTAINER, chosen, 2), 2);
    resources_note(r, &set->list[2], VERDICT_MISSING);
    assert_int_equal(resources_choose(r, set, RESOURCE_CONTAINER, chosen, 4), 2);
    resources_note(r, &set->list[0], VERDICT_UNAUTHORISED);
    resources_note(r, &set->list[1], VERDICT_UNAUTHORISED);
    assert_int_equal(resources_choose(r, set, RESOURCE_CONTAINER, chosen, 4), 3);
    resources_release(set);
    resources_free(r);
}

static void an_account_that_fails_is_tried_last(void **state)
{
    (void)state;
    struct resources *r = resources_new("x");
    struct endpoint endpoint = {.verdict = VERDICT_SUCCESS};
    struct outcome outcome;
    struct resource_set *set = resources_take(r, answer, &endpoint, 0, &outcome);
    struct resource *chosen[4];
    resources_note(r, &set->list[0], VERDICT_DOWN);
    for (int i = 0; i < 50; i++) {
        resources_choose(r, set, RESOURCE_CONTAINER, chosen, 4);
        assert_string_equal(chosen[0]->account, "two");
    }
    resources_release(set);
    resources_free(r);
}

/* --- names ------------------------------------------------------------------------------------------ */

static void a_blob_is_called_by_what_is_in_it(void **state)
{
    (void)state;
    struct plan plan;
    char a[BLOB_NAME_BYTES], b[BLOB_NAME_BYTES];
    struct cursor at = {0};
    plan_init(&plan);
    plan.id = 0x2f5c940ef08b0000;
    snprintf(plan.db, sizeof plan.db, "My Db");
    snprintf(plan.table, sizeof plan.table, "T\xc3\xa4/x");
    assert_int_equal(plan_add(&plan, "s1", &(struct plan_file){.bytes = 7}), 0);
    blob_name(&plan, &at, 0, a);
    assert_memory_equal(a, "My_Db__T___x__2f5c940ef08b0000-", 31);
    assert_string_equal(a + strlen(a) - 7, ".csv.gz");
    blob_name(&plan, &at, 0, b);
    assert_string_equal(a, b);
    plan.files[0].bytes = 8; /* another batch that happens to have the same id */
    blob_name(&plan, &at, 0, b);
    assert_string_not_equal(a, b);
    plan.files[0].bytes = 7;
    blob_name(&plan, &at, 1, b);
    assert_string_not_equal(a, b);
    at.offset = 1;
    blob_name(&plan, &at, 0, b);
    assert_string_not_equal(a, b);
    memset(plan.db, 'd', NAME_FILE_MAX_BYTES);
    memset(plan.table, 't', NAME_FILE_MAX_BYTES);
    plan.db[NAME_FILE_MAX_BYTES] = plan.table[NAME_FILE_MAX_BYTES] = '\0';
    blob_name(&plan, &at, 1, b);
    assert_string_equal(b + strlen(b) - 7, ".csv.gz");
    plan_fini(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_answer_of_storage_is_about_the_rows),
        cmocka_unit_test(secrets_become_stars),
        cmocka_unit_test(what_is_lent_is_found_by_name),
        cmocka_unit_test(an_answer_that_does_not_do_is_an_error),
        cmocka_unit_test(what_is_lent_is_kept_and_asked_for_anew_when_all_failed),
        cmocka_unit_test(accounts_take_turns_and_the_bad_come_last),
        cmocka_unit_test(an_account_that_fails_is_tried_last),
        cmocka_unit_test(a_blob_is_called_by_what_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
