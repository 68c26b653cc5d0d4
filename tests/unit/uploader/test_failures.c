/* What ADX says of blobs that it could not ingest, and what that means for their rows: adx.md §2.6, §6. */
#include "tests/unit/unit.h"

#include "uploader/adx/base64.h"
#include "uploader/adx/failures.h"
#include "uploader/batch/plan.h"

static const struct {
    const char *code, *kind;
    enum verdict verdict;
} meanings[] = {
    {"Stream_WrongNumberOfFields", "Permanent", VERDICT_REFUSED},
    {"BadRequest_InvalidMapping", "permanent", VERDICT_REFUSED},
    {"BadRequest_NoRecordsOrWrongFormat", "Permanent", VERDICT_REFUSED},
    {"General_InternalServerError", "Transient", VERDICT_RETRY},
    {"Timeout", "Exhausted", VERDICT_RETRY},
    {"Unknown", "Unknown", VERDICT_RETRY},
    {"General_RetryAttemptsExceeded", "Permanent", VERDICT_RETRY},
    {"Download_Forbidden", "Permanent", VERDICT_RETRY},
    {"BadRequest_InvalidKustoIdentityToken", "Permanent", VERDICT_RETRY},
    {"BadRequest_DatabaseNotExist", "Permanent", VERDICT_RETRY},
    {"BadRequest_TableAccessDenied", "Permanent", VERDICT_RETRY},
    {"BadRequest_TableNotExist", "Permanent", VERDICT_GONE},
    {"BadRequest_MappingReferenceWasNotFound", "Permanent", VERDICT_GONE},
    {"BlobAlreadyReceived_BlobAlreadyFoundInBatch", "Permanent", VERDICT_SUCCESS},
};

static json_t *table(const char *path, const char *code, const char *kind)
{
    json_t *root =
        json_pack("{s:[{s:s},{s:s},{s:s},{s:s}], s:[[s,s,s,s],[n,s,n,n]]}", "Columns", "ColumnName",
                  "Details", "ColumnName", "FailureKind", "ColumnName", "ErrorCode", "ColumnName",
                  "IngestionSourcePath", "Rows", "words", kind, code, path, "no path");
    assert_non_null(root);
    return root;
}

static void each_code_has_its_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        struct failures failures = {0};
        json_t *one = table("https://a/tmp/blob.csv.gz", meanings[i].code, meanings[i].kind);
        assert_int_equal(failures_add_table(&failures, one), 0);
        assert_int_equal(failures.count, 1);
        if (failure_verdict(&failures.list[0]) != meanings[i].verdict)
            fail_msg("%s: %s", meanings[i].code, verdict_word(failure_verdict(&failures.list[0])));
        const struct failure *found = failures_find(&failures, "blob.csv.gz");
        if (meanings[i].verdict == VERDICT_SUCCESS)
            assert_null(found);
        else
            assert_string_equal(found->details, "words");
        json_decref(one);
        failures_fini(&failures);
    }
}

static void blobs_are_known_by_their_names(void **state)
{
    (void)state;
    struct failures failures = {0};
    json_t *one = table("https://a.blob.core.windows.net/tmp/x/blob.csv.gz?sig=1", "Timeout", "Transient");
    assert_int_equal(failures_add_table(&failures, one), 0);
    assert_non_null(failures_find(&failures, "blob.csv.gz"));
    assert_null(failures_find(&failures, "lob.csv.gz"));
    assert_null(failures_find(&failures, "blob.csv.g"));
    json_decref(one);
    one = json_pack("{s:[{s:s}], s:[]}", "Columns", "ColumnName", "Details", "Rows");
    assert_int_equal(failures_add_table(&failures, one), -EPROTO);
    assert_int_equal(failures_add_table(&failures, NULL), -EPROTO);
    json_decref(one);
    failures_fini(&failures);
}

static void messages_of_a_failure_queue_are_read(void **state)
{
    (void)state;
    static const char json[] =
        "{\"IngestionSourcePath\":\"https://a/b/c.csv.gz\",\"ErrorCode\":\"E\",\"Details\":\"d\","
        "\"FailureStatus\":\"Permanent\"}";
    struct failures failures = {0};
    struct buf xml;
    buf_init(&xml, 4096);
    assert_int_equal(
        buf_puts(&xml, "<QueueMessagesList><QueueMessage><MessageText>not base64</MessageText></QueueMessage>"
                       "<QueueMessage><MessageText>"),
        0);
    assert_int_equal(base64_put(json, strlen(json), &xml), 0);
    assert_int_equal(buf_puts(&xml, "</MessageText></QueueMessage><MessageText>cut"), 0);
    assert_int_equal(failures_add_messages(&failures, xml.data, xml.len), 0);
    assert_int_equal(failures.count, 1);
    assert_int_equal(failure_verdict(failures_find(&failures, "c.csv.gz")), VERDICT_REFUSED);
    assert_int_equal(failures_add_messages(&failures, NULL, 0), 0);
    buf_fini(&xml);
    failures_fini(&failures);
}

static void the_question_is_about_the_time_since(void **state)
{
    (void)state;
    struct buf csl;
    buf_init(&csl, 1024);
    assert_int_equal(failures_command("D'b", 1000, 1000 + 10 * 60000, &csl), 0);
    assert_string_equal(csl.data,
                        ".show ingestion failures | where Database == 'D\\'b' and FailedOn > ago(16m) "
                        "| project IngestionSourcePath, ErrorCode, Details, FailureKind");
    buf_clear(&csl);
    assert_int_equal(failures_command("D", 5000, 0, &csl), 0); /* the clock went back */
    assert_non_null(strstr(csl.data, "ago(6m)"));
    buf_fini(&csl);
}

/* --- the steps on disk ------------------------------------------------------------------------------ */

static void the_steps_of_a_blob_are_read_back(void **state)
{
    (void)state;
    for (int step = PROGRESS_UPLOADED; step <= PROGRESS_POSTED; step++) {
        struct progress out = {.state = (enum progress_state)step,
                               .at = {.file = 1, .offset = 2},
                               .end = {.file = 3},
                               .sends = 4,
                               .blob_rows = 5,
                               .blob_raw_bytes = 6,
                               .step_ms = 7};
        struct progress in;
        struct err err;
        struct buf text;
        buf_init(&text, PROGRESS_BYTES_MAX);
        snprintf(out.blob, sizeof out.blob, "%s", step == PROGRESS_UPLOADED ? "https://a/b?sig=c" : "");
        assert_int_equal(progress_write(&out, &text), 0);
        assert_int_equal(progress_read(text.data, text.len, &in, &err), 0);
        assert_int_equal(in.state, out.state);
        assert_int_equal(in.end.file, 3);
        assert_int_equal(in.sends, 4);
        assert_int_equal(in.blob_rows, 5);
        assert_int_equal(in.blob_raw_bytes, 6);
        assert_int_equal(in.step_ms, 7);
        assert_string_equal(in.blob, out.blob);
        buf_fini(&text);
    }
}

static void steps_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"v\":1,\"state\":\"uploaded\",\"at\":{\"file\":0,\"offset\":0,\"raw\":0},\"parts\":0,\"rows\":0,\"refused_rows\":0}",
        "{\"v\":1,\"state\":\"uploaded\",\"at\":{\"file\":0,\"offset\":0,\"raw\":0},\"end\":{\"file\":1,\"offset\":0,\"raw\":0},"
        "\"blob\":\"\",\"blob_rows\":1,\"blob_raw_bytes\":1,\"step_ms\":1,\"parts\":0,\"rows\":0,\"refused_rows\":0}",
        "{\"v\":1,\"state\":\"posted\",\"at\":{\"file\":0,\"offset\":0,\"raw\":0},\"end\":{\"file\":1,\"offset\":0,\"raw\":0},"
        "\"blob\":\"\",\"blob_rows\":-1,\"blob_raw_bytes\":1,\"step_ms\":1,\"parts\":0,\"rows\":0,\"refused_rows\":0}",
        "{\"v\":1,\"state\":\"sending\",\"at\":{\"file\":0,\"offset\":0,\"raw\":0},\"sends\":\"x\",\"parts\":0,\"rows\":0,"
        "\"refused_rows\":0}",
    };
    struct progress in;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(progress_read(texts[i], strlen(texts[i]), &in, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_has_its_meaning),
        cmocka_unit_test(blobs_are_known_by_their_names),
        cmocka_unit_test(messages_of_a_failure_queue_are_read),
        cmocka_unit_test(the_question_is_about_the_time_since),
        cmocka_unit_test(the_steps_of_a_blob_are_read_back),
        cmocka_unit_test(steps_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
