/* failover.h: the rule of failover.md §5, and what holds in any view. */
#include "tests/unit/unit.h"

#include "peerd/failover.h"
#include "peerd/ring.h"

enum { MEMBERS_MAX = 9, RUNS = 3000, TABLES = 20 };

static const char *const databases[] = {"A", "B", "Logs", "Metrics"};

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* What a test says of the members; views are made of it. */
struct world {
    size_t count;
    bool is_present[MEMBERS_MAX];
    int health[MEMBERS_MAX][ARRAY_LEN(databases)]; /* -1: it says nothing */
};

/* As `self` sees it; `by_name` false: in the opposite order. */
static struct view *make_view(const struct world *world, size_t self, bool by_name)
{
    struct view *view = view_new(world->count);
    assert_non_null(view);
    for (size_t i = 0; i < world->count; i++) {
        size_t at = by_name ? i : world->count - 1 - i;
        struct view_member *member = &view->members[at];
        snprintf(member->name, sizeof member->name, "node-%zu", i);
        member->is_present = world->is_present[i];
        member->is_self = i == self;
        member->state = peer_state_new(member->name, 1);
        if (i == self)
            view->self = at;
        for (size_t d = 0; d < ARRAY_LEN(databases); d++)
            if (world->health[i][d] >= 0)
                peer_state_add(member->state, databases[d])->health = (enum health)world->health[i][d];
        peer_state_sort(member->state);
    }
    return view;
}

/* A random world in which node-0, the one that looks, is present. */
static struct world make_world(void)
{
    struct world world = {.count = 1 + rnd(MEMBERS_MAX)};
    unsigned away = rnd(4), lost = rnd(5);
    for (size_t i = 0; i < world.count; i++) {
        world.is_present[i] = i == 0 || rnd(4) >= away;
        for (size_t d = 0; d < ARRAY_LEN(databases); d++)
            world.health[i][d] = rnd(4) < lost ? (int)(HEALTH_UNAUTHORISED + (int)rnd(3)) : (int)rnd(5) - 1;
    }
    return world;
}

static bool reaches(const struct world *world, size_t i, size_t d)
{
    return world->is_present[i] && world->health[i][d] < (int)HEALTH_UNAUTHORISED;
}

static size_t count_reaching(const struct world *world, size_t d)
{
    size_t count = 0;
    for (size_t i = 0; i < world->count; i++)
        count += reaches(world, i, d);
    return count;
}

static size_t index_of(const struct view_member *member)
{
    return (size_t)strtoul(member->name + strlen("node-"), NULL, 10);
}

static const struct view_member *owner_of(const struct view *view, size_t d, unsigned table)
{
    char name[16];
    snprintf(name, sizeof name, "T%u", table);
    return failover_owner(view, databases[d], name, table % 2 ? "abc" : NULL, NULL);
}

/* --- the rule ---------------------------------------------------------------------------------- */

static void on_exactly_when_nobody_who_is_there_can_reach_it(void **state)
{
    (void)state;
    unsigned ons = 0, detours = 0, offs = 0;
    for (seed = 0; ons + detours + offs < RUNS;) {
        struct world world = make_world();
        struct view *view = make_view(&world, 0, true);
        for (size_t d = 0; d < ARRAY_LEN(databases); d++) {
            struct failover failover = failover_of(view, databases[d], NULL);
            size_t reaching = count_reaching(&world, d);
            assert_int_equal(failover.mode == FAILOVER_ON, reaching == 0);
            assert_int_equal(failover.mode == FAILOVER_DETOUR, reaching > 0 && !reaches(&world, 0, d));
            assert_int_equal(failover.reaching, reaching);
            assert_true(failover.sacrificial->is_present);
            assert_false(failover.is_override);
            ons += failover.mode == FAILOVER_ON;
            detours += failover.mode == FAILOVER_DETOUR;
            offs += failover.mode == FAILOVER_OFF;
        }
        view_unref(view);
    }
    assert_true(ons > 100 && detours > 100 && offs > 100); /* all of it was tried */
}

static void owners_can_reach_it_or_are_the_one_that_buffers(void **state)
{
    (void)state;
    for (unsigned run = 0; run < RUNS; run++) {
        seed = run;
        struct world world = make_world();
        struct view *view = make_view(&world, 0, true);
        size_t d = rnd(ARRAY_LEN(databases));
        struct failover failover = failover_of(view, databases[d], NULL);
        for (unsigned t = 0; t < TABLES; t++) {
            const struct view_member *owner = owner_of(view, d, t);
            if (failover.mode == FAILOVER_ON)
                assert_ptr_equal(owner, failover.sacrificial);
            else
                assert_true(reaches(&world, index_of(owner), d));
        }
        view_unref(view);
    }
}

static void the_same_view_gives_the_same_answer_everywhere(void **state)
{
    (void)state;
    for (unsigned run = 0; run < RUNS; run++) {
        seed = run;
        struct world world = make_world();
        struct view *here = make_view(&world, 0, true);
        for (size_t self = 0; self < world.count; self++) {
            if (!world.is_present[self])
                continue;
            struct view *there = make_view(&world, self, run % 2);
            for (size_t d = 0; d < ARRAY_LEN(databases); d++) {
                struct failover a = failover_of(here, databases[d], NULL),
                                b = failover_of(there, databases[d], NULL);
                assert_int_equal(a.mode == FAILOVER_ON, b.mode == FAILOVER_ON);
                assert_string_equal(a.sacrificial->name, b.sacrificial->name);
                for (unsigned t = 0; t < 3; t++)
                    assert_string_equal(owner_of(here, d, t)->name, owner_of(there, d, t)->name);
            }
            view_unref(there);
        }
        view_unref(here);
    }
}

static void a_database_in_trouble_is_in_no_other_ones_answer(void **state)
{
    (void)state;
    for (unsigned run = 0; run < RUNS; run++) {
        seed = run;
        struct world world = make_world(), changed = world;
        size_t sick = rnd(ARRAY_LEN(databases));
        for (size_t i = 0; i < world.count; i++)
            changed.health[i][sick] = (int)rnd(HEALTH_WORDS + 1) - 1;
        struct view *before = make_view(&world, 0, true), *after = make_view(&changed, 0, true);
        for (size_t d = 0; d < ARRAY_LEN(databases); d++) {
            struct failover a = failover_of(before, databases[d], NULL),
                            b = failover_of(after, databases[d], NULL);
            assert_string_equal(a.sacrificial->name,
                                b.sacrificial->name); /* no health is in this, its own neither */
            if (d == sick)
                continue;
            assert_int_equal(a.mode, b.mode);
            for (unsigned t = 0; t < TABLES; t++)
                assert_string_equal(owner_of(before, d, t)->name, owner_of(after, d, t)->name);
        }
        view_unref(before);
        view_unref(after);
    }
}

static void one_that_cannot_reach_it_gives_up_its_share_only(void **state)
{
    (void)state;
    for (unsigned run = 0; run < RUNS; run++) {
        seed = run;
        struct world world = make_world(), changed = world;
        size_t d = rnd(ARRAY_LEN(databases)), who = rnd((uint32_t)world.count);
        changed.health[who][d] = HEALTH_DOWN;
        if (!reaches(&world, who, d) || count_reaching(&changed, d) == 0)
            continue;
        struct view *before = make_view(&world, 0, true), *after = make_view(&changed, 0, true);
        for (unsigned t = 0; t < TABLES; t++) {
            size_t a = index_of(owner_of(before, d, t)), b = index_of(owner_of(after, d, t));
            assert_true(a == who ? b != who : a == b);
        }
        view_unref(before);
        view_unref(after);
    }
}

static void the_next_in_order_takes_over(void **state)
{
    (void)state;
    for (unsigned run = 0; run < RUNS; run++) {
        seed = run;
        struct world world = make_world();
        const struct view_member *order[MEMBERS_MAX];
        struct view *before = make_view(&world, 0, true);
        size_t d = rnd(ARRAY_LEN(databases)), present = view_rank(before, databases[d], order);
        const struct view_member *first = failover_of(before, databases[d], NULL).sacrificial;
        assert_ptr_equal(first, order[0]);
        if (present > 1 && index_of(first) != 0) {
            world.is_present[index_of(first)] = false;
            struct view *after = make_view(&world, 0, true);
            assert_string_equal(failover_of(after, databases[d], NULL).sacrificial->name, order[1]->name);
            view_unref(after);
        }
        view_unref(before);
    }
}

/* --- cases, and an operator's word ------------------------------------------------------------- */

static struct world all_present(size_t count)
{
    struct world world = {.count = count};
    for (size_t i = 0; i < count; i++) {
        world.is_present[i] = true;
        for (size_t d = 0; d < ARRAY_LEN(databases); d++)
            world.health[i][d] = HEALTH_UP;
    }
    return world;
}

static void only_words_that_mean_away_count(void **state)
{
    (void)state;
    for (int health = -1; health < HEALTH_WORDS; health++) {
        struct world world = all_present(3);
        for (size_t i = 0; i < 3; i++)
            world.health[i][0] = health;
        struct view *view = make_view(&world, 1, true);
        bool is_away = health == HEALTH_DOWN || health == HEALTH_UNAUTHORISED || health == HEALTH_MISSING;
        assert_int_equal(failover_of(view, "A", NULL).mode, is_away ? FAILOVER_ON : FAILOVER_OFF);
        assert_int_equal(failover_of(view, "never heard of", NULL).mode, FAILOVER_OFF);
        view_unref(view);
    }
}

static void alone(void **state)
{
    (void)state;
    struct world world = all_present(1);
    world.health[0][0] = HEALTH_DOWN;
    struct view *view = make_view(&world, 0, true);
    struct failover failover = failover_of(view, "A", NULL);
    assert_int_equal(failover.mode, FAILOVER_ON);
    assert_true(failover.sacrificial->is_self);
    assert_true(failover_owner(view, "A", "T", NULL, NULL)->is_self);
    view_unref(view);
}

static void an_operator_wins_over_the_rule(void **state)
{
    (void)state;
    struct world world = all_present(4);
    struct view *view = make_view(&world, 0, true);
    struct failover_override on = {.wish = FAILOVER_FORCED, .at = "node-2"},
                             off = {.wish = FAILOVER_FORBIDDEN};
    struct failover failover = failover_of(view, "A", &on);
    assert_int_equal(failover.mode, FAILOVER_ON);
    assert_string_equal(failover.sacrificial->name, "node-2");
    assert_true(failover.is_override);
    assert_string_equal(failover_owner(view, "A", "T", NULL, &on)->name, "node-2");
    view_unref(view);

    /* who was named is away: as by the rule */
    world.is_present[2] = false;
    view = make_view(&world, 0, true);
    failover = failover_of(view, "A", &on);
    assert_int_equal(failover.mode, FAILOVER_ON);
    assert_ptr_equal(failover.sacrificial, failover_of(view, "A", NULL).sacrificial);
    on.at[0] = '\0';
    assert_true(failover_of(view, "A", &on).is_override);
    view_unref(view);

    /* forbidden: nobody reaches it, and it stays sharded over those that are there */
    for (size_t i = 0; i < world.count; i++)
        world.health[i][0] = HEALTH_MISSING;
    view = make_view(&world, 0, true);
    failover = failover_of(view, "A", &off);
    assert_int_equal(failover.mode, FAILOVER_OFF);
    assert_true(failover.is_override);
    for (unsigned t = 0; t < TABLES; t++) {
        char table[16];
        snprintf(table, sizeof table, "T%u", t);
        assert_ptr_equal(failover_owner(view, "A", table, NULL, &off), view_owner(view, "A", table, NULL));
    }
    view_unref(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_exactly_when_nobody_who_is_there_can_reach_it),
        cmocka_unit_test(owners_can_reach_it_or_are_the_one_that_buffers),
        cmocka_unit_test(the_same_view_gives_the_same_answer_everywhere),
        cmocka_unit_test(a_database_in_trouble_is_in_no_other_ones_answer),
        cmocka_unit_test(one_that_cannot_reach_it_gives_up_its_share_only),
        cmocka_unit_test(the_next_in_order_takes_over),
        cmocka_unit_test(only_words_that_mean_away_count),
        cmocka_unit_test(alone),
        cmocka_unit_test(an_operator_wins_over_the_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
