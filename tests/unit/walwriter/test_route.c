/* The target of a request line: what is taken, and what is refused and how. */
#include "tests/unit/unit.h"

#include "walwriter/route.h"

static struct route parse(const char *target)
{
    struct route route;
    assert_int_equal(route_init(&route, target), 0);
    return route;
}

static void check_bad(const char *target, const char *hint)
{
    struct route route = parse(target);
    if (route.kind != ROUTE_BAD || !strstr(route.why, hint))
        fail_msg("%s: kind %d, why '%s'", target, (int)route.kind, route.why);
    route_fini(&route);
}

static void an_ingest_is_understood(void **state)
{
    (void)state;
    struct route route = parse("/ingest/My%20Db/T-1?schema=A%3along,B+1:string&format=json&partial=1&");
    assert_int_equal(route.kind, ROUTE_INGEST);
    assert_string_equal(route.db, "My Db");
    assert_string_equal(route.table, "T-1");
    assert_string_equal(route.schema, "A:long,B 1:string");
    assert_int_equal(route.format, SEGMENT_JSON);
    assert_true(route.is_partial);
    route_fini(&route);
    route = parse("/ingest/D+1/T?format=csv");
    assert_string_equal(route.db, "D+1"); /* in a path a plus is a plus */
    assert_string_equal(route.schema, "");
    assert_false(route.is_partial);
    route_fini(&route);
}

static void the_other_paths(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        enum route_kind kind;
    } cases[] = {{"/healthz", ROUTE_HEALTHZ},
                 {"/readyz?x=y", ROUTE_READYZ},
                 {"/metrics", ROUTE_METRICS},
                 {"/", ROUTE_NONE},
                 {"", ROUTE_NONE},
                 {"/ingest", ROUTE_NONE},
                 {"/healthz/", ROUTE_NONE},
                 {"*", ROUTE_NONE}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct route route = parse(cases[i].target);
        assert_int_equal(route.kind, cases[i].kind);
        route_fini(&route);
    }
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    check_bad("/ingest/", "path");
    check_bad("/ingest/D", "path");
    check_bad("/ingest/D/", "path");
    check_bad("/ingest//T?format=csv", "path");
    check_bad("/ingest/D/T/U?format=csv", "path");
    check_bad("/ingest/D/T", "format");
    check_bad("/ingest/D/T?", "format");
    check_bad("/ingest/D/T?format", "format");
    check_bad("/ingest/D/T?format=", "csv or json");
    check_bad("/ingest/D/T?format=CSV", "csv or json");
    check_bad("/ingest/D/T?format=csv&format=csv", "twice");
    check_bad("/ingest/D/T?format=csv&partial=yes", "0 or 1");
    check_bad("/ingest/D/T?format=csv&foo=1", "'foo'");
    check_bad("/ingest/D/T%00?format=csv", "percent");
    check_bad("/ingest/D%0/T?format=csv", "percent");
    check_bad("/ingest/D%/T?format=csv", "percent");
    check_bad("/ingest/D/T?format=csv&schema=%g1", "schema");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ingest_is_understood),
        cmocka_unit_test(the_other_paths),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests_name("walwriter/route", tests, NULL, NULL);
}
