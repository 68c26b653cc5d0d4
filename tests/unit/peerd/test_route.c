/* Where segments of a table go: each rule at its boundary, and which rule comes before which. */
#include "tests/unit/unit.h"

#include "common/segment/flake.h"
#include "peerd/send/route.h"

static const struct route_settings settings = {
    .max_age_ms = 90000, .max_bytes = 1000, .linger_ms = 500, .files = 4};

/* Of another member that is well, long enough here, small, few: it is sent. */
static const struct route_facts sent = {
    .is_settled = true, .has_slot = true, .age_ms = 600, .seen_ms = 500, .bytes = 1000, .files = 1};

static void expect(struct route_facts facts, enum route_way way, const char *reason)
{
    struct route route = route_decide(&settings, &facts);
    assert_string_equal(route.reason, reason);
    assert_int_equal(route.way, way);
}

static void each_rule_at_its_boundary(void **state)
{
    (void)state;
    struct route_facts f = sent;
    expect(f, ROUTE_SEND, "owner");
    f.age_ms = 90000;
    expect(f, ROUTE_SEND, "owner");
    f.age_ms = 90001;
    expect(f, ROUTE_UPLOAD, "old");
    f = sent;
    f.bytes = 1001;
    expect(f, ROUTE_UPLOAD, "large");
    f = sent;
    f.seen_ms = 499;
    expect(f, ROUTE_WAIT, "linger");
    f.files = 3;
    expect(f, ROUTE_WAIT, "linger");
    f.files = 4;
    expect(f, ROUTE_SEND, "owner");
    f = sent;
    f.is_own = true;
    expect(f, ROUTE_UPLOAD, "own");
    f = sent;
    f.is_alone = true;
    expect(f, ROUTE_UPLOAD, "alone");
    f = sent;
    f.is_trouble = true;
    expect(f, ROUTE_UPLOAD, "owner-in-trouble");
    f = sent;
    f.has_slot = false;
    expect(f, ROUTE_WAIT, "no-slot");
    f = sent;
    f.hops = 1;
    expect(f, ROUTE_UPLOAD, "received");
    f = sent;
    f.is_settled = false;
    expect(f, ROUTE_WAIT, "unsettled");
}

/* What would keep a segment here gives way to what moves it, so that nothing waits for ever. */
static void age_outweighs_what_would_wait(void **state)
{
    (void)state;
    struct route_facts f = sent;
    f.age_ms = 90001;
    f.is_settled = f.has_slot = false;
    f.seen_ms = 0;
    expect(f, ROUTE_UPLOAD, "old");
    f = sent;
    f.seen_ms = 0;
    f.is_own = true; /* ours does not linger */
    expect(f, ROUTE_UPLOAD, "own");
    f = sent;
    f.has_slot = false;
    f.is_trouble = true; /* a peer in trouble does not hold up what it cannot take */
    expect(f, ROUTE_UPLOAD, "owner-in-trouble");
}

static void nothing_but_an_owner_that_is_well_is_ever_sent_to(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 512; bits++) {
        const struct route_facts f = {.is_alone = bits & 1,
                                      .is_own = bits & 2,
                                      .is_settled = bits & 4,
                                      .is_trouble = bits & 8,
                                      .has_slot = bits & 16,
                                      .hops = bits & 32 ? 1 : 0,
                                      .age_ms = bits & 64 ? 90001 : 1,
                                      .seen_ms = bits & 128 ? 500 : 0,
                                      .bytes = bits & 256 ? 1001 : 1,
                                      .files = 1};
        bool may = !f.is_alone && !f.is_own && f.is_settled && !f.is_trouble && f.has_slot && f.hops == 0 &&
                   f.age_ms <= 90000 && f.seen_ms >= 500 && f.bytes <= 1000;
        assert_int_equal(route_decide(&settings, &f).way == ROUTE_SEND, may);
    }
}

/* What cannot be uploaded from here: whatever its age and size it is sent, or waits; never to upload/. */
static void what_must_move_on_is_sent_or_waits(void **state)
{
    (void)state;
    static const struct {
        bool is_settled, is_held, is_trouble, has_slot;
        int64_t age_ms, seen_ms;
        uint64_t bytes;
        uint32_t files;
        const char *reason;
    } cases[] = {
        {true, false, false, true, 600, 500, 1000, 1, "owner"},
        {true, false, false, true, 90001, 500, 1001, 4, "owner"}, /* neither age nor size keeps it here */
        {true, false, false, true, 600, 499, 1000, 3, "linger"},
        {true, false, false, true, 600, 499, 1001, 3, "owner"},
        {true, false, false, true, 600, 499, 1000, 4, "owner"},
        {true, true, false, true, 90001, 500, 1001, 4, "held"},
        {true, false, true, true, 90001, 500, 1001, 4, "away"},
        {true, false, false, false, 90001, 500, 1001, 4, "no-slot"},
        {false, false, false, true, 90001, 500, 1001, 4, "unsettled"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct route_facts f = {.is_settled = cases[i].is_settled,
                                      .is_held = cases[i].is_held,
                                      .is_trouble = cases[i].is_trouble,
                                      .has_slot = cases[i].has_slot,
                                      .age_ms = cases[i].age_ms,
                                      .seen_ms = cases[i].seen_ms,
                                      .bytes = cases[i].bytes,
                                      .files = cases[i].files};
        struct route route = route_move_on(&settings, &f);
        assert_string_equal(route.reason, cases[i].reason);
        assert_int_equal(route.way, strcmp(route.reason, "owner") == 0 ? ROUTE_SEND : ROUTE_WAIT);
        assert_true(*route.text);
    }
}

static void age_is_the_ids_and_survives_the_hop(void **state)
{
    (void)state;
    const int64_t now_ms = 1800000000000;
    struct flake flake = {.unix_ms = (uint64_t)now_ms - 60000, .host = 7};
    assert_int_equal(route_age_ms(flake_compose(&flake), now_ms, 5), 60000); /* begun elsewhere, just come */
    assert_int_equal(route_age_ms(flake_compose(&flake), now_ms - 3600000, 5),
                     5); /* a clock that is an hour behind */
    assert_int_equal(route_age_ms(flake_compose(&flake), now_ms, 70000), 70000); /* one that was set back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_at_its_boundary),
        cmocka_unit_test(age_outweighs_what_would_wait),
        cmocka_unit_test(nothing_but_an_owner_that_is_well_is_ever_sent_to),
        cmocka_unit_test(what_must_move_on_is_sent_or_waits),
        cmocka_unit_test(age_is_the_ids_and_survives_the_hop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
