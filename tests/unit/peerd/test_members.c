/* members.h and roster.h: who is in the view, from what was listed, found and answered. */
#include "tests/unit/unit.h"

#include "peerd/ring/members.h"
#include "peerd/ring/roster.h"

enum { HOLD = 5000, OWN_INCARNATION = 1000 };

static struct members members;
static struct peer_state *own;
static struct view *view;
static struct moment now;

static int set_up(void **state)
{
    (void)state;
    now = (struct moment){.mono_ms = 1000000, .wall_ms = 1795000000000};
    members_init(&members, "me", OWN_INCARNATION, HOLD);
    own = peer_state_new("me", OWN_INCARNATION);
    return own ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    members_fini(&members);
    peer_state_unref(own);
    view_unref(view);
    view = NULL;
    return 0;
}

static struct member_address at(const char *name, const char *url, const char *connect_to)
{
    struct member_address address = {0};
    snprintf(address.name, sizeof address.name, "%s", name);
    snprintf(address.url, sizeof address.url, "%s", url);
    snprintf(address.connect_to, sizeof address.connect_to, "%s", connect_to);
    return address;
}

static void set(const struct member_address *addresses, size_t count)
{
    assert_int_equal(members_set(&members, addresses, count, now), 0);
}
#define SET(...)                                      \
    set((const struct member_address[]){__VA_ARGS__}, \
        sizeof((const struct member_address[]){__VA_ARGS__}) / sizeof(struct member_address))

static void answer(size_t i, const char *name, int64_t incarnation)
{
    members_answer(&members, &members.list[i], peer_state_new(name, incarnation), now);
}

static void fail_for(size_t i, int64_t ms)
{
    for (int64_t t = 0; t < ms; t += 1000) {
        now.mono_ms += 1000;
        now.wall_ms += 1000;
        members_failure(&members, &members.list[i], VIEW_SILENT, "connection refused", now);
    }
}

static void answer_for(size_t i, const char *name, int64_t incarnation, int64_t ms)
{
    for (int64_t t = 0; t <= ms; t += 1000) {
        answer(i, name, incarnation);
        now.mono_ms += 1000;
        now.wall_ms += 1000;
    }
}

static const struct view *look(void)
{
    struct view *next = members_view(&members, own, true, view);
    assert_non_null(next);
    view_unref(view);
    view = next;
    return view;
}

static const struct view_member *see(const char *name)
{
    const struct view_member *member = view_find(look(), name);
    if (!member)
        fail_msg("%s is not in the view", name);
    return member;
}

static void alone(void **state)
{
    (void)state;
    assert_int_equal(look()->count, 1);
    assert_true(view_self(view)->is_self && view_self(view)->is_present);
    assert_string_equal(view_self(view)->name, "me");
    assert_int_equal(view->version, 1);
    look();
    assert_int_equal(view->version, 1);
    assert_false(members_has_new(&members));
}

static void listed_members_come_and_go(void **state)
{
    (void)state;
    SET(at("n2", "http://b", ""), at("a1", "http://a", ""));
    assert_true(members_has_new(&members));
    assert_int_equal(look()->count, 3);
    assert_string_equal(view->members[0].name, "a1"); /* by name, ourselves among them */
    assert_int_equal(view->self, 1);
    assert_int_equal(see("n2")->trouble, VIEW_NEW);
    answer(0, "n2", 5);
    assert_true(see("n2")->is_present);
    assert_int_equal(see("n2")->state->incarnation, 5);
    assert_false(see("a1")->is_present);
    fail_for(1, HOLD);
    assert_int_equal(see("a1")->trouble, VIEW_SILENT);
    assert_string_equal(see("a1")->words, "connection refused");
    assert_false(members_has_new(&members));

    /* the list changes: who stays keeps what is known */
    SET(at("n3", "http://c", ""), at("n2", "http://b", ""));
    assert_true(see("n2")->is_present);
    assert_null(view_find(view, "a1"));
    assert_int_equal(see("n3")->trouble, VIEW_NEW);
}

static void a_new_address_is_a_new_member(void **state)
{
    (void)state;
    SET(at("n2", "http://b", ""));
    answer(0, "n2", 5);
    uint64_t id = members.list[0].id;
    SET(at("n2", "http://elsewhere", ""));
    assert_null(members_find(&members, id));
    assert_false(see("n2")->is_present);
}

static void version_grows_with_what_matters_only(void **state)
{
    (void)state;
    SET(at("n2", "http://b", ""));
    answer(0, "n2", 5);
    uint64_t version = look()->version;
    for (int i = 0; i < 5; i++) {
        now.wall_ms += 1000;
        now.mono_ms += 1000;
        struct peer_state *said = peer_state_new("n2", 5);
        said->disk_used = i;
        members_answer(&members, &members.list[0], said, now);
        assert_int_equal(look()->version, version);
        assert_int_equal(see("n2")->state->disk_used, i);
    }
    struct peer_state *said = peer_state_new("n2", 5);
    peer_state_add(said, "D")->health = HEALTH_DOWN;
    members_answer(&members, &members.list[0], said, now);
    assert_int_equal(look()->version, version + 1);
    fail_for(0, 3000);
    assert_int_equal(look()->version, version + 1); /* it flaps, and moves nothing */
    fail_for(0, 3000);
    assert_int_equal(look()->version, version + 2);
    assert_false(see("n2")->is_present);
}

static void another_name_is_not_present(void **state)
{
    (void)state;
    SET(at("n2", "http://b", ""));
    answer(0, "n9", 5);
    assert_false(see("n2")->is_present);
    assert_int_equal(see("n2")->trouble, VIEW_MISNAMED);
    assert_non_null(strstr(see("n2")->words, "n9"));
    /* mended: back after hold, as anybody */
    answer_for(0, "n2", 6, 2000);
    assert_int_equal(see("n2")->trouble, VIEW_RETURNING);
    answer_for(0, "n2", 6, HOLD);
    assert_true(see("n2")->is_present);
    /* and gone at once when it changes again */
    answer(0, "n9", 7);
    assert_false(see("n2")->is_present);
}

static void found_members_say_their_names(void **state)
{
    (void)state;
    SET(at("", "http://ring", "::10.0.0.1:80"), at("", "http://ring", "::10.0.0.2:80"));
    assert_int_equal(look()->count, 3);
    assert_string_equal(view->members[0].name, "");
    answer(1, "n2", 5);
    assert_true(see("n2")->is_present);
    assert_string_equal(see("n2")->connect_to, "::10.0.0.2:80");
    /* another instance got this address: it is new, the old one is gone */
    answer(1, "n3", 6);
    assert_true(see("n3")->is_present);
    assert_null(view_find(view, "n2"));
}

static void one_that_is_ourselves_is_left_out(void **state)
{
    (void)state;
    SET(at("", "http://ring", "::10.0.0.1:80"));
    answer(0, "me", OWN_INCARNATION);
    assert_int_equal(look()->count, 1);
    assert_false(members_has_new(&members));
    /* the address is another's now */
    answer(0, "n2", 7);
    assert_true(see("n2")->is_present);
}

static void another_instance_of_our_name_is_told_of(void **state)
{
    (void)state;
    SET(at("", "http://ring", "::10.0.0.1:80"), at("n2", "http://b", ""));
    answer(0, "me", OWN_INCARNATION + 1);
    answer(1, "me", OWN_INCARNATION + 1);
    assert_int_equal(look()->count, 3);
    for (size_t i = 0; i < view->count; i++) {
        assert_int_equal(view->members[i].is_present, view->members[i].is_self);
        if (!view->members[i].is_self)
            assert_int_equal(view->members[i].trouble, VIEW_MISNAMED);
    }
    assert_true(view_find(view, "me")->is_self);
}

static void of_one_name_one_counts(void **state)
{
    (void)state;
    SET(at("", "http://ring", "::10.0.0.1:80"), at("", "http://ring", "::[fd00::1]:80"),
        at("n2", "http://b", ""));
    answer(0, "n2", 5);
    answer(1, "n2", 5); /* the same process */
    answer(2, "n2", 6); /* another one */
    look();
    size_t present = 0, doubles = 0;
    for (size_t i = 0; i < view->count; i++) {
        present += view->members[i].is_present;
        doubles += view->members[i].trouble == VIEW_DOUBLE;
    }
    assert_int_equal(present, 2); /* and we */
    assert_int_equal(doubles, 2);
    /* the one that counted is silent: the next takes its place, and the name never left */
    const char *counted = see("n2")->connect_to;
    size_t i = counted && *counted ? (strstr(counted, "fd00") ? 1 : 0) : 2;
    for (int k = 0; k < 7; k++) {
        now.mono_ms += 1000;
        members_failure(&members, &members.list[i], VIEW_SILENT, "x", now);
        for (size_t other = 0; other < 3; other++)
            if (other != i)
                answer(other, "n2", other == 2 ? 6 : 5);
        assert_true(see("n2")->is_present);
    }
}

/* --- roster ----------------------------------------------------------------------------------------- */

static void a_roster_is_replaced_as_a_whole(void **state)
{
    (void)state;
    struct roster roster;
    struct member_address *all, listed[] = {at("n1", "http://a", ""), at("n2", "http://b", "")},
                                found[] = {at("", "http://ring", "::10.0.0.1:80"), at("", "http://b", "")};
    size_t count;
    uint64_t version = 0;
    roster_init(&roster, true);
    assert_false(roster_is_complete(&roster));
    assert_int_equal(roster_set_listed(&roster, listed, 2), 0);
    assert_int_equal(roster_read(&roster, &version, &all, &count), 1);
    assert_int_equal(count, 2);
    free(all);
    assert_int_equal(roster_read(&roster, &version, &all, &count), 0);
    assert_int_equal(roster_set_found(&roster, found, 2), 0);
    assert_true(roster_is_complete(&roster));
    assert_int_equal(roster_read(&roster, &version, &all, &count), 1);
    assert_int_equal(count, 3); /* the address that is listed counts once */
    free(all);
    assert_int_equal(roster_set_found(&roster, found, 2), 0); /* the same again: no news */
    assert_int_equal(roster_read(&roster, &version, &all, &count), 0);
    assert_int_equal(roster_set_listed(&roster, NULL, 0), 0);
    assert_int_equal(roster_read(&roster, &version, &all, &count), 1);
    assert_int_equal(count, 2);
    free(all);
    roster_fini(&roster);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(alone),
        TEST(listed_members_come_and_go),
        TEST(a_new_address_is_a_new_member),
        TEST(version_grows_with_what_matters_only),
        TEST(another_name_is_not_present),
        TEST(found_members_say_their_names),
        TEST(one_that_is_ourselves_is_left_out),
        TEST(another_instance_of_our_name_is_told_of),
        TEST(of_one_name_one_counts),
        cmocka_unit_test(a_roster_is_replaced_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
