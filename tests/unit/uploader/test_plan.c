/* plan.json and progress.json: there and back, and whatever else may be in such a file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "uploader/batch/plan.h"

static void make_plan(struct plan *plan, unsigned files)
{
    plan_init(plan);
    plan->id = 0x0123456789abcdef;
    snprintf(plan->db, sizeof plan->db, "My Db");
    snprintf(plan->table, sizeof plan->table, "T");
    plan->format = SEGMENT_JSON;
    assert_int_equal(plan_set_schema(plan, "n:long,s:string"), 0);
    for (unsigned i = 0; i < files; i++) {
        char name[64];
        struct plan_file file = {.bytes = 100 + i, .raw_bytes = 1000 + i, .rows = 10, .blocks = 2};
        snprintf(name, sizeof name, "T,-,%016x.json.gz", i);
        assert_int_equal(plan_add(plan, name, &file), 0);
    }
}

static void a_plan_goes_there_and_back(void **state)
{
    (void)state;
    struct plan plan, back;
    struct buf buf;
    struct err err = {0};
    buf_init(&buf, PLAN_BYTES_MAX);
    make_plan(&plan, PLAN_FILES_MAX);
    assert_int_equal(plan_add(&plan, "one too many", &(struct plan_file){0}), -ENOSPC);
    assert_int_equal(plan_write(&plan, &buf), 0);
    if (plan_read(buf.data, buf.len, &back, &err) != 0)
        fail_msg("%s", err.text);
    assert_true(back.id == plan.id && back.format == plan.format && back.count == plan.count);
    assert_true(back.bytes == plan.bytes && back.raw_bytes == plan.raw_bytes && back.rows == plan.rows &&
                back.blocks == plan.blocks);
    assert_string_equal(back.db, plan.db);
    assert_string_equal(back.table, plan.table);
    assert_string_equal(back.schema, plan.schema);
    for (size_t i = 0; i < plan.count; i++) {
        assert_string_equal(back.files[i].name, plan.files[i].name);
        assert_true(back.files[i].raw_bytes == plan.files[i].raw_bytes);
    }
    assert_true(plan_is_thin(&back));
    plan_fini(&plan);
    plan_fini(&back);
    buf_fini(&buf);
}

static void bad_plans_are_refused(void **state)
{
    (void)state;
    static const char good[] =
        "\"id\":\"0123456789abcdef\",\"db\":\"D\",\"table\":\"T\",\"format\":\"csv\",\"schema\":\"\"";
#define FILE_OF(name) \
    "\"files\":[{\"name\":\"" name "\",\"bytes\":1,\"raw_bytes\":1,\"rows\":1,\"blocks\":1}]"
    static const struct {
        const char *before, *after;
        int rc;
    } cases[] = {
        {"{\"v\":1,", "," FILE_OF("T,-,0000000000000001.csv.gz") "}", 0},
        {"{\"v\":2,", "," FILE_OF("T,-,0000000000000001.csv.gz") "}", -EPROTO},
        {"{", "," FILE_OF("T,-,0000000000000001.csv.gz") "}", -EINVAL},
        {"{\"v\":\"1\",", "," FILE_OF("T,-,0000000000000001.csv.gz") "}", -EINVAL},
        {"{\"v\":1,", "}", -EINVAL},
        {"{\"v\":1,", ",\"files\":[]}", -EINVAL},
        {"{\"v\":1,", ",\"files\":[1]}", -EINVAL},
        {"{\"v\":1,", "," FILE_OF("../../etc/passwd") "}", -EINVAL},
        {"{\"v\":1,", "," FILE_OF("U,-,0000000000000001.csv.gz") "}", -EINVAL},
        {"{\"v\":1,", "," FILE_OF("T,-,0000000000000001.json.gz") "}", -EINVAL},
        {"{\"v\":1,",
         ",\"files\":[{\"name\":\"T,-,0000000000000001.csv.gz\",\"bytes\":-1,\"raw_bytes\":1,\"rows\":1,"
         "\"blocks\":1}]}",
         -EINVAL},
        {"{\"v\":1,\"db\":\"E\",", "," FILE_OF("T,-,0000000000000001.csv.gz") "}", -EINVAL},
        {"[", "]", -EINVAL},
        {"", "", -EINVAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[1024];
        struct plan plan;
        struct err err = {0};
        snprintf(text, sizeof text, "%s%s%s", cases[i].before, good, cases[i].after);
        int rc = plan_read(text, strlen(text), &plan, &err);
        if (rc != cases[i].rc)
            fail_msg("case %zu: %d instead of %d: %s", i, rc, cases[i].rc, err.text);
        if (rc)
            assert_true(err.text[0] && plan.count == 0);
        plan_fini(&plan);
    }
    struct plan plan;
    for (size_t len = 0; len < sizeof good; len++)
        assert_int_not_equal(plan_read(good, len, &plan, NULL), 0);
}

static void progress_goes_there_and_back(void **state)
{
    (void)state;
    struct buf buf;
    struct progress back, progress = {.state = PROGRESS_REFUSED,
                                      .at = {.file = 3, .offset = 12345678901, .raw = 4194304},
                                      .end = {.file = 4, .offset = 1, .raw = 2},
                                      .is_whole = true,
                                      .quarantine_id = 42,
                                      .parts = 7,
                                      .rows = 100,
                                      .refused_rows = 5,
                                      .why = "{\"reason\":\"refused\"}"};
    buf_init(&buf, PROGRESS_BYTES_MAX);
    assert_int_equal(progress_write(&progress, &buf), 0);
    assert_int_equal(progress_read(buf.data, buf.len, &back, NULL), 0);
    assert_true(back.state == progress.state && back.at.file == 3 && back.at.offset == 12345678901 &&
                back.at.raw == 4194304);
    assert_true(back.end.file == 4 && back.end.offset == 1 && back.end.raw == 2 && back.is_whole);
    assert_true(back.quarantine_id == 42 && back.parts == 7 && back.rows == 100 && back.refused_rows == 5);
    assert_string_equal(back.why, progress.why);
    for (size_t len = 0; len < buf.len - 2; len++)
        assert_int_equal(progress_read(buf.data, len, &back, NULL), -EINVAL);
    buf_clear(&buf);
    progress = (struct progress){.left_file = 3, .left_rows = 70000000000};
    assert_int_equal(progress_write(&progress, &buf), 0);
    assert_int_equal(progress_read(buf.data, buf.len, &back, NULL), 0);
    assert_true(back.left_file == 3 && back.left_rows == 70000000000);
    buf_clear(&buf);
    progress = (struct progress){0};
    assert_int_equal(progress_write(&progress, &buf), 0);
    assert_int_equal(progress_read(buf.data, buf.len, &back, NULL), 0);
    assert_int_equal(back.state, PROGRESS_SENDING);
    static const char bad[] = "{\"v\":1,\"state\":\"sold\",\"at\":{\"file\":0,\"offset\":0,\"raw\":0},"
                              "\"parts\":0,\"rows\":0,\"refused_rows\":0}";
    assert_int_equal(progress_read(bad, sizeof bad - 1, &back, NULL), -EINVAL);
    static const char far[] = "{\"v\":1,\"state\":\"sending\",\"at\":{\"file\":100000,\"offset\":0,\"raw\":0}"
                              ",\"parts\":0,\"rows\":0,\"refused_rows\":0}";
    assert_int_equal(progress_read(far, sizeof far - 1, &back, NULL), -EINVAL);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_goes_there_and_back),
        cmocka_unit_test(bad_plans_are_refused),
        cmocka_unit_test(progress_goes_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
