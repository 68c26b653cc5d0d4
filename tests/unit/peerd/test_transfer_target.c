/* What a request at peerd's door asks for. */
#include "tests/unit/unit.h"

#include "common/spool/origin.h"
#include "peerd/receive/transfer_target.h"

static struct transfer_target target_of(const char *text)
{
    struct transfer_target target;
    assert_int_equal(transfer_target_init(&target, text), 0);
    return target;
}

static void check_kind(const char *text, enum transfer_kind kind)
{
    struct transfer_target target = target_of(text);
    if (target.kind != kind)
        fail_msg("%.200s: kind %d (%s), wanted %d", text, (int)target.kind, target.why, (int)kind);
    if (kind == TARGET_BAD)
        assert_true(*target.why);
    transfer_target_fini(&target);
}

static void test_paths(void **state)
{
    (void)state;
    check_kind("/peer/state", TARGET_STATE);
    check_kind("/healthz", TARGET_HEALTHZ);
    check_kind("/readyz?verbose", TARGET_READYZ);
    check_kind("/metrics", TARGET_METRICS);
    static const char *const none[] = {"",          "/",         "/transfers", "/transfer/",
                                       "/Transfer", "/healthz/", "transfer",   "//transfer"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        check_kind(none[i], TARGET_NONE);
}

static void test_a_good_one(void **state)
{
    (void)state;
    struct transfer_target target =
        target_of("/transfer?db=My%20Db&table=a.b&schema=3w5e11264sgsf&format=json&id=n0-1&later=x");
    assert_int_equal(target.kind, TARGET_TRANSFER);
    assert_string_equal(target.db, "My Db");
    assert_string_equal(target.table, "a.b");
    assert_true(target.has_schema && target.schema_hash == UINT64_MAX);
    assert_int_equal(target.format, SEGMENT_JSON);
    assert_string_equal(target.id, "n0-1");
    transfer_target_fini(&target);
    static const char *const without[] = {"/transfer?db=D&table=T&format=csv&id=1",
                                          "/transfer?id=1&schema=-&format=csv&table=T&db=D"};
    for (size_t i = 0; i < ARRAY_LEN(without); i++) {
        target = target_of(without[i]);
        assert_int_equal(target.kind, TARGET_TRANSFER);
        assert_false(target.has_schema);
        transfer_target_fini(&target);
    }
}

static void test_bad_ones(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "",
        "db=D&table=T&format=csv",                            /* no id */
        "table=T&format=csv&id=1",                            /* no database */
        "db=D&table=T&id=1",                                  /* no format */
        "db=D&db=D&table=T&format=csv&id=1",                  /* twice */
        "db=&table=T&format=csv&id=1",                        /* empty */
        "db=..%2fD&table=T&format=csv&id=1",                  /* a path */
        "db=D&table=a%00b&format=csv&id=1",                   /* NUL */
        "db=D&table=a%2&format=csv&id=1",                     /* half an escape */
        "db=D&table=a,b&format=csv&id=1",                     /* what parts file names */
        "db=D&table=T&format=xml&id=1",                       /* no such format */
        "db=D&table=T&format=csv&id=",                        /* empty */
        "db=D&table=T&format=csv&id=a%2fb",                   /* not of an id */
        "db=D&table=T&format=csv&id=1&schema=",               /* neither - nor a hash */
        "db=D&table=T&format=csv&id=1&schema=A",              /* upper case */
        "db=D&table=T&format=csv&id=1&schema=01",             /* not as it is written */
        "db=D&table=T&format=csv&id=1&schema=3w5e11264sgsg",  /* 2^64 */
        "db=D&table=T&format=csv&id=1&schema=zzzzzzzzzzzzzz", /* longer */
    };
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        char text[256];
        snprintf(text, sizeof text, "/transfer?%s", queries[i]);
        check_kind(text, TARGET_BAD);
    }
    check_kind("/transfer", TARGET_BAD);
}

/* A table is taken exactly when its files can have names, whatever is put round them. */
static void test_longest_names(void **state)
{
    (void)state;
    const size_t longest = ORIGIN_FILE_MAX - strlen(",3w5e11264sgsf,0123456789abcdef.json.gz");
    char table[1200], text[1400];
    for (size_t bytes = 1; bytes < sizeof table; bytes++) {
        memset(table, 'L', bytes);
        table[bytes] = '\0';
        snprintf(text, sizeof text, "/transfer?db=D&format=csv&id=1&table=%s", table);
        check_kind(text, bytes <= longest ? TARGET_TRANSFER : TARGET_BAD);
    }
    /* A byte that is written as %XX counts three times. */
    memset(table, '.', longest / 3 + 1);
    table[longest / 3 + 1] = '\0';
    snprintf(text, sizeof text, "/transfer?db=D&format=csv&id=1&table=%s", table);
    check_kind(text, TARGET_BAD);
    table[longest / 3] = '\0';
    snprintf(text, sizeof text, "/transfer?db=D&format=csv&id=1&table=%s", table);
    check_kind(text, TARGET_TRANSFER);
    char id[TRANSFER_ID_MAX + 2];
    memset(id, 'i', sizeof id);
    id[TRANSFER_ID_MAX + 1] = '\0';
    snprintf(text, sizeof text, "/transfer?db=D&format=csv&table=T&id=%s", id);
    check_kind(text, TARGET_BAD);
    id[TRANSFER_ID_MAX] = '\0';
    snprintf(text, sizeof text, "/transfer?db=D&format=csv&table=T&id=%s", id);
    check_kind(text, TARGET_TRANSFER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_a_good_one),
        cmocka_unit_test(test_bad_ones),
        cmocka_unit_test(test_longest_names),
    };
    return cmocka_run_group_tests_name("peerd/transfer_target", tests, NULL, NULL);
}
