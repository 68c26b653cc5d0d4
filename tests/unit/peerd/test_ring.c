/* ring.h and view.h: ADX-Mon's own answers (tests/golden/adxmon-vectors.json), and what must hold of any
 * ring. */
#include "tests/unit/unit.h"

#include <jansson.h>

#include "peerd/ring/ring.h"
#include "peerd/ring/view.h"

enum { PLACES_MAX = 64, KEYS = 2000 };

static json_t *read_vectors(void)
{
    const char *repo = getenv("REPO");
    char path[4096];
    json_error_t error;
    snprintf(path, sizeof path, "%s/tests/golden/adxmon-vectors.json", repo ? repo : ".");
    json_t *vectors = json_load_file(path, 0, &error);
    if (!vectors)
        fail_msg("%s: %s", path, error.text);
    return vectors;
}

static size_t take_peers(const json_t *peers, struct ring_place *places)
{
    size_t i;
    json_t *peer;
    assert_true(json_array_size(peers) <= PLACES_MAX);
    json_array_foreach (peers, i, peer)
        places[i] = (struct ring_place){.name = json_string_value(peer), .index = i};
    return json_array_size(peers);
}

static void owners_are_those_of_adx_mon(void **state)
{
    (void)state;
    json_t *vectors = read_vectors(), *ring, *owner;
    size_t i, checked = 0;
    const char *key;
    json_array_foreach (json_object_get(vectors, "rendezvous"), i, ring) {
        struct ring_place places[PLACES_MAX];
        size_t count = take_peers(json_object_get(ring, "peers"), places);
        json_object_foreach (json_object_get(ring, "owner"), key, owner) {
            assert_string_equal(ring_owner(places, count, key)->name, json_string_value(owner));
            ring_rank(places, count, key);
            assert_string_equal(places[0].name, json_string_value(owner));
            checked++;
        }
    }
    assert_true(checked > 100);
    json_decref(vectors);
}

static void keys_are_database_table_and_schema(void **state)
{
    (void)state;
    char key[RING_KEY_BYTES], longest[NAME_MAX_BYTES + 1];
    ring_key(key, "Metrics", "Cpu", "2cawzsrvl4mw4");
    assert_string_equal(key, "Metrics_Cpu_2cawzsrvl4mw4");
    ring_key(key, "Metrics", "Cpu", "-");
    assert_string_equal(key, "Metrics_Cpu");
    ring_key(key, "Metrics", "Cpu", NULL);
    assert_string_equal(key, "Metrics_Cpu");
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    ring_key(key, longest, longest, "zzzzzzzzzzzzz");
    assert_int_equal(strlen(key), 2 * NAME_MAX_BYTES + 2 + 13);
}

/* Real ties cannot be made at will; two members of one name weigh the same, and the order is that of names.
 */
static void ties_do_not_depend_on_the_order(void **state)
{
    (void)state;
    struct ring_place places[] = {{.name = "a", .index = 0}, {.name = "a", .index = 1}};
    assert_true(ring_weight("k", "xa") == ring_weight("kx", "a")); /* key and name are one text */
    assert_int_equal(ring_owner(places, 2, "key")->index, 0);
    assert_null(ring_owner(places, 0, "key"));
}

static void key_of(unsigned n, char key[static 32])
{
    snprintf(key, 32, "D_T%u", n);
}

/* With `count` members n0, n1, ...; the one at `without` left out (count: none). */
static size_t make_ring(struct ring_place *places, char (*names)[16], size_t count, size_t without)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], 16, "node-%zu", i);
        if (i != without)
            places[n++] = (struct ring_place){.name = names[i], .index = i};
    }
    return n;
}

static void a_member_that_leaves_moves_its_share_only(void **state)
{
    (void)state;
    for (size_t count = 2; count <= 9; count++) {
        struct ring_place all[PLACES_MAX], rest[PLACES_MAX];
        char names[PLACES_MAX][16], key[32];
        size_t gone = count / 2, moved = 0;
        size_t n = make_ring(all, names, count, count), m = make_ring(rest, names, count, gone);
        for (unsigned k = 0; k < KEYS; k++) {
            key_of(k, key);
            size_t before = ring_owner(all, n, key)->index, after = ring_owner(rest, m, key)->index;
            assert_true(before == gone || after == before);
            moved += before == gone;
            ring_rank(all, n, key); /* and it moves to the next in order */
            if (before == gone)
                assert_int_equal(after, all[1].index);
        }
        /* 1/count of them, give or take a third. */
        assert_in_range(moved, KEYS / count * 2 / 3, KEYS / count * 4 / 3);
    }
}

static void the_order_of_the_list_does_not_matter(void **state)
{
    (void)state;
    struct ring_place forward[PLACES_MAX], backward[PLACES_MAX];
    char names[PLACES_MAX][16], key[32];
    for (unsigned k = 0; k < 200; k++) {
        size_t count = make_ring(forward, names, 1 + k % 9, PLACES_MAX);
        for (size_t i = 0; i < count; i++)
            backward[i] = forward[count - 1 - i];
        key_of(k, key);
        ring_rank(forward, count, key);
        ring_rank(backward, count, key);
        for (size_t i = 0; i < count; i++) {
            assert_string_equal(forward[i].name, backward[i].name);
            assert_true(i == 0 || forward[i - 1].weight >= forward[i].weight);
        }
    }
}

static struct view *make_view(size_t count, size_t self, size_t away)
{
    struct view *view = view_new(count);
    assert_non_null(view);
    view->self = self;
    for (size_t i = 0; i < count; i++) {
        struct view_member *member = &view->members[i];
        snprintf(member->name, sizeof member->name, "node-%zu", i);
        member->is_self = i == self;
        member->is_present = i != away;
        member->trouble = i == away ? VIEW_SILENT : VIEW_OK;
    }
    return view;
}

static void who_is_away_owns_nothing(void **state)
{
    (void)state;
    struct view *all = make_view(5, 0, 5), *some = make_view(5, 0, 3);
    for (unsigned k = 0; k < KEYS; k++) {
        char table[32];
        key_of(k, table);
        const struct view_member *before = view_owner(all, "D", table, NULL),
                                 *after = view_owner(some, "D", table, NULL);
        const struct view_member *order[5];
        assert_true(after->is_present);
        if (strcmp(before->name, "node-3") != 0)
            assert_string_equal(before->name, after->name);
        char key[RING_KEY_BYTES];
        ring_key(key, "D", table, NULL);
        assert_int_equal(view_rank(some, key, order), 4);
        assert_ptr_equal(order[0], after);
    }
    view_unref(all);
    view_unref(some);
}

static void alone_everything_is_ours(void **state)
{
    (void)state;
    struct view *view = make_view(1, 0, 1);
    assert_ptr_equal(view_owner(view, "D", "T", "abc"), view_self(view));
    assert_ptr_equal(view_find(view, "node-0"), view_self(view));
    assert_null(view_find(view, "node-1"));
    assert_null(view_find(view, ""));
    view_unref(view);
}

static void a_view_lives_as_long_as_somebody_holds_it(void **state)
{
    (void)state;
    struct views views;
    views_init(&views);
    assert_null(views_get(&views));
    struct view *first = make_view(2, 0, 2);
    first->members[1].state = peer_state_new("node-1", 7);
    first->version = 1;
    views_put(&views, first);
    struct view *held = views_get(&views);
    struct view *second = make_view(2, 0, 2);
    second->version = 2;
    second->members[1].state = peer_state_ref(first->members[1].state); /* shared by both */
    views_put(&views, second);
    assert_int_equal(held->version, 1);
    assert_int_equal(held->members[1].state->incarnation, 7);
    view_unref(held);
    struct view *now = views_get(&views);
    assert_int_equal(now->version, 2);
    assert_int_equal(now->members[1].state->incarnation, 7);
    view_unref(now);
    views_fini(&views);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owners_are_those_of_adx_mon),
        cmocka_unit_test(keys_are_database_table_and_schema),
        cmocka_unit_test(ties_do_not_depend_on_the_order),
        cmocka_unit_test(a_member_that_leaves_moves_its_share_only),
        cmocka_unit_test(the_order_of_the_list_does_not_matter),
        cmocka_unit_test(who_is_away_owns_nothing),
        cmocka_unit_test(alone_everything_is_ours),
        cmocka_unit_test(a_view_lives_as_long_as_somebody_holds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
