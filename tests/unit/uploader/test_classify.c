/* What answers of ADX mean: adx.md §1.2-1.4, §3, §6. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "uploader/adx/classify.h"

#define ERROR(code, type, message, permanent)                                                 \
    "{\"error\":{\"code\":\"" code "\",\"message\":\"Request is invalid.\",\"@type\":\"" type \
    "\",\"@message\":\"" message "\",\"@permanent\":" permanent "}}"

static const struct {
    const char *what;
    long status;
    const char *body;
    enum verdict verdict;
} cases[] = {
    {"a V1 answer", 200, "{\"Tables\":[{\"TableName\":\"T\",\"Columns\":[],\"Rows\":[[1]]}]}",
     VERDICT_SUCCESS},
    {"no rows at all", 200, "{\"Tables\":[]}", VERDICT_SUCCESS},
    {"exceptions in a row", 200, "{\"Tables\":[{\"Rows\":[[1],{\"Exceptions\":[\"boom\"]}]}]}",
     VERDICT_RETRY},
    {"exceptions at the top", 200, "{\"Tables\":[{\"Rows\":[]}],\"Exceptions\":[\"boom\"]}", VERDICT_RETRY},
    {"exceptions in a table", 200, "{\"Tables\":[{\"Rows\":[],\"Exceptions\":[\"boom\"]}]}", VERDICT_RETRY},
    {"an exception that is for good", 200, "{\"Exceptions\":[\"BadRequest_InvalidMapping: no\"]}",
     VERDICT_REFUSED},
    {"an exception without a text", 200, "{\"Tables\":[],\"Exceptions\":[{}]}", VERDICT_RETRY},
    {"an empty list of exceptions", 200, "{\"Tables\":[],\"Exceptions\":[]}", VERDICT_SUCCESS},
    {"an error inside a 200", 200, ERROR("BadRequest_X", "K", "m", "true"), VERDICT_REFUSED},
    {"200 with nothing", 200, "", VERDICT_DOWN},
    {"200 with a web page", 200, "<html>login</html>", VERDICT_DOWN},
    {"200 cut in the middle", 200, "{\"Tables\":[{\"Row", VERDICT_DOWN},
    {"201 is not success", 201, "{\"Tables\":[]}", VERDICT_DOWN},
    {"a redirect is not followed", 302, "", VERDICT_DOWN},
    {"bad request", 400, ERROR("General_BadRequest", "K", "m", "true"), VERDICT_REFUSED},
    {"bad request without @permanent", 400, "{\"error\":{\"code\":\"BadRequest\",\"message\":\"m\"}}",
     VERDICT_REFUSED},
    {"transient, said as 400", 400, ERROR("BadRequest", "K", "m", "false"), VERDICT_RETRY},
    {"400 of a proxy", 400, "<html>bad</html>", VERDICT_DOWN},
    {"413", 413, ERROR("Stream_InputStreamTooLarge", "K", "m", "true"), VERDICT_REFUSED},
    {"409", 409, ERROR("Conflict", "K", "m", "true"), VERDICT_REFUSED},
    {"401, empty", 401, "", VERDICT_UNAUTHORISED},
    {"401, permanent", 401, ERROR("Unauthorized", "K", "m", "true"), VERDICT_UNAUTHORISED},
    {"403", 403, ERROR("Forbidden", "Kusto.Data.Exceptions.KustoRequestDeniedException", "m", "true"),
     VERDICT_UNAUTHORISED},
    {"400 that speaks of rights", 400, ERROR("BadRequest_DatabaseAccessDenied", "K", "m", "true"),
     VERDICT_UNAUTHORISED},
    {"database unknown, 404", 404,
     ERROR("NotFound", "Kusto.Common.Svc.Exceptions.EntityNameDoesNotExistException",
           "Entity 'D' of kind 'Database' was not found.", "true"),
     VERDICT_MISSING},
    {"database unknown, 400", 400, ERROR("BadRequest_DatabaseNotExist", "K", "m", "true"), VERDICT_MISSING},
    {"database unknown, as an entity", 400,
     ERROR("BadRequest_EntityNotFound", "K", "Entity 'D' of kind 'Database'", "true"), VERDICT_MISSING},
    {"404 of whoever", 404, "not here", VERDICT_MISSING},
    {"table unknown", 400, ERROR("BadRequest_TableNotExist", "K", "m", "true"), VERDICT_GONE},
    {"table unknown, 404", 404,
     ERROR("NotFound", "Kusto.Common.Svc.Exceptions.EntityNameDoesNotExistException",
           "Entity 'T' of kind 'Table'", "true"),
     VERDICT_GONE},
    {"mapping unknown", 400, ERROR("BadRequest_MappingReferenceWasNotFound", "K", "m", "true"), VERDICT_GONE},
    {"streaming off for the table", 400,
     ERROR("BadRequest_StreamingIngestionPolicyNotEnabled", "StreamingIngestionPolicyNotEnabledException",
           "m", "true"),
     VERDICT_UNAVAILABLE},
    {"streaming off for the cluster", 404, ERROR("StreamingIngestionFunctionalityDisabled", "K", "m", "true"),
     VERDICT_UNAVAILABLE},
    {"maintenance", 503,
     ERROR("ServiceUnavailable_StreamingIngestionDatabaseUnderMaintenance", "K", "m", "false"), VERDICT_DOWN},
    {"throttled", 429,
     ERROR("TooManyRequests", "Kusto.DataNode.Exceptions.ControlCommandThrottledException", "m", "false"),
     VERDICT_THROTTLED},
    {"throttled, whatever is said", 429, ERROR("X", "K", "m", "true"), VERDICT_THROTTLED},
    {"throttled, not JSON", 429, "slow down", VERDICT_THROTTLED},
    {"suspended", 412, ERROR("ClusterSuspended", "K", "m", "false"), VERDICT_DOWN},
    {"500", 500, ERROR("General_InternalServerError", "K", "m", "false"), VERDICT_DOWN},
    {"502 of a gateway", 502, "<html>", VERDICT_DOWN},
    {"504", 504, ERROR("RequestExecutionTimeout", "K", "m", "false"), VERDICT_DOWN},
    {"520, for good", 520, ERROR("ServiceError", "K", "m", "true"), VERDICT_REFUSED},
    {"520", 520, ERROR("ServiceError", "K", "m", "false"), VERDICT_DOWN},
    {"OneApiErrors", 400, "{\"OneApiErrors\":[{\"error\":{\"code\":\"X\",\"@permanent\":true}}]}",
     VERDICT_REFUSED},
    {"an error that is no object", 400, "{\"error\":\"text\"}", VERDICT_DOWN},
    {"fields of other types", 400, "{\"error\":{\"code\":1,\"@permanent\":\"yes\"}}", VERDICT_DOWN},
    {"@permanent of another type", 400, "{\"error\":{\"code\":\"X\",\"@permanent\":\"no\"}}",
     VERDICT_REFUSED},
};

static void answers_mean_what_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome outcome = {0};
        struct http_answer answer = {
            .status = cases[i].status, .body = cases[i].body, .body_bytes = strlen(cases[i].body)};
        classify(&answer, &outcome);
        if (outcome.verdict != cases[i].verdict)
            fail_msg("%s: %s instead of %s", cases[i].what, verdict_word(outcome.verdict),
                     verdict_word(cases[i].verdict));
        assert_int_equal(outcome.status, cases[i].status);
        if (outcome.verdict != VERDICT_SUCCESS)
            assert_int_not_equal(outcome.code[0] || outcome.text[0] || outcome.type[0], 0);
    }
}

static void no_answer_is_down(void **state)
{
    (void)state;
    struct outcome outcome = {0};
    struct http_answer answer = {.failure = "Could not resolve host", .status = 0};
    classify(&answer, &outcome);
    assert_int_equal(outcome.verdict, VERDICT_DOWN);
    assert_string_equal(outcome.text, "Could not resolve host");
    assert_true(verdict_is_of_database(outcome.verdict));
}

static void a_cut_body_is_no_success(void **state)
{
    (void)state;
    struct outcome outcome = {0};
    static const char body[] = "{\"Tables\":[]}";
    struct http_answer answer = {.status = 200, .body = body, .body_bytes = sizeof body - 1, .is_cut = true};
    classify(&answer, &outcome);
    assert_int_equal(outcome.verdict, VERDICT_DOWN);
}

static void words_of_adx_are_kept_without_secrets(void **state)
{
    (void)state;
    struct outcome outcome = {0};
    static const char body[] =
        ERROR("BadRequest_X", "Kusto.E",
              "cannot read https://a/b?sv=1&sig=abc%2F123&x=1 with Bearer eyJ.abc now", "true");
    struct http_answer answer = {.status = 400, .body = body, .body_bytes = sizeof body - 1};
    classify(&answer, &outcome);
    assert_string_equal(outcome.code, "BadRequest_X");
    assert_string_equal(outcome.type, "Kusto.E");
    assert_non_null(strstr(outcome.text, "sig=*********&x=1"));
    assert_null(strstr(outcome.text, "abc%2F123"));
    assert_null(strstr(outcome.text, "eyJ"));
    assert_non_null(strstr(outcome.text, " now"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_mean_what_the_table_says),
        cmocka_unit_test(no_answer_is_down),
        cmocka_unit_test(a_cut_body_is_no_success),
        cmocka_unit_test(words_of_adx_are_kept_without_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
