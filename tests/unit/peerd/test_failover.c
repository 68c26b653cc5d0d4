/* failover.h: what must hold of any view (failover.md §5), and a model of a ring whose members see each other
 * late. Views are random from a seed, which a failure names. */
#include "tests/unit/unit.h"

#include "peerd/failover/failover.h"

enum { MEMBERS = 5, TABLES = 40, ROUNDS = 3000 };

static const char *const dbs[] = {"A", "B"};

/* --- random views ----------------------------------------------------------------------------------- */

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static void table_name(unsigned n, char name[static 16])
{
    snprintf(name, 16, "T%u", n);
}

/* Member i of `count`, with what it says of A and B. */
static void set_member(struct view *view, size_t i, bool is_present, const enum health *health)
{
    struct view_member *member = &view->members[i];
    snprintf(member->name, sizeof member->name, "node-%zu", i);
    member->is_self = i == view->self;
    member->is_present = is_present || member->is_self;
    member->state = peer_state_new(member->name, 1);
    assert_non_null(member->state);
    for (size_t d = 0; d < ARRAY_LEN(dbs); d++) {
        if (health[d] == HEALTH_WORDS) /* it says nothing of it */
            continue;
        struct peer_database *database = peer_state_add(member->state, dbs[d]);
        assert_non_null(database);
        database->health = health[d];
    }
    peer_state_sort(member->state);
}

static struct view *make_view(size_t count, size_t self)
{
    struct view *view = view_new(count);
    assert_non_null(view);
    view->self = self;
    view->is_settled = true;
    return view;
}

/* Each database all reach, none, or some of them, each about as often. */
static enum health random_health(uint32_t kind)
{
    static const enum health near[] = {HEALTH_UP, HEALTH_SUSPECT, HEALTH_DEGRADED, HEALTH_THROTTLED,
                                       HEALTH_WORDS};
    static const enum health far[] = {HEALTH_DOWN, HEALTH_UNAUTHORISED, HEALTH_MISSING};
    bool is_far = kind == 1 || (kind == 2 && rnd(2) == 0);
    return is_far ? far[rnd(ARRAY_LEN(far))] : near[rnd(ARRAY_LEN(near))];
}

static struct view *random_view(void)
{
    size_t count = 1 + rnd(MEMBERS);
    struct view *view = make_view(count, rnd((uint32_t)count));
    uint32_t kinds[ARRAY_LEN(dbs)] = {rnd(3), rnd(3)};
    for (size_t i = 0; i < count; i++) {
        const enum health health[] = {random_health(kinds[0]), random_health(kinds[1])};
        set_member(view, i, rnd(4) > 0, health);
    }
    return view;
}

/* The same ring seen by another member. */
static struct view *seen_by(const struct view *view, size_t self)
{
    struct view *other = make_view(view->count, self);
    for (size_t i = 0; i < view->count; i++) {
        other->members[i] = view->members[i];
        other->members[i].is_self = i == self;
        peer_state_ref(other->members[i].state);
    }
    return other;
}

static bool reaches(const struct view *view, size_t i, const char *db)
{
    const struct peer_database *said = peer_state_find(view->members[i].state, db);
    return view->members[i].is_present && (!said || !health_is_away(said->health));
}

/* What we say of it in a view that nobody else has; NULL: nothing. */
static struct peer_database *said_by_us(const struct view *view, const char *db)
{
    struct peer_state *state = view->members[view->self].state;
    const struct peer_database *said = peer_state_find(state, db);
    return said ? &state->databases[said - state->databases] : NULL;
}

static const char *name_of(const struct view *view, const struct failover_route *route)
{
    return route->to ? route->to->name : view_self(view)->name;
}

static struct failover_route route_table(const struct view *view, const char *db, unsigned table)
{
    char name[16];
    table_name(table, name);
    const struct failover now = failover_look(view, db, OVERRIDE_AUTO, NULL);
    const struct failover_segment segment = {.table = name};
    return failover_route(view, &now, db, &segment);
}

/* --- what holds of any view ------------------------------------------------------------------------- */

static void failover_is_on_exactly_when_nobody_present_reaches_it(void **state)
{
    (void)state;
    unsigned on = 0;
    for (seed = 1; seed <= ROUNDS; seed++) {
        uint64_t named = seed;
        struct view *view = random_view();
        for (size_t d = 0; d < ARRAY_LEN(dbs); d++) {
            size_t reaching = 0, present = 0;
            for (size_t i = 0; i < view->count; i++) {
                reaching += reaches(view, i, dbs[d]);
                present += view->members[i].is_present;
            }
            const struct failover now = failover_look(view, dbs[d], OVERRIDE_AUTO, NULL);
            if (now.is_active != (reaching == 0) || now.reaching != reaching || now.present != present ||
                now.is_reached != reaches(view, view->self, dbs[d]) || !now.at != !now.is_active)
                fail_msg("seed %llu, database %s", (unsigned long long)named, dbs[d]);
            on += now.is_active;
        }
        view_unref(view);
        seed = named;
    }
    assert_in_range(on, ROUNDS / 10, ROUNDS * 2 - ROUNDS / 10); /* both were seen often */
}

static void who_has_the_same_view_has_the_same_answer(void **state)
{
    (void)state;
    for (seed = 1; seed <= ROUNDS; seed++) {
        uint64_t named = seed;
        struct view *view = random_view();
        size_t at = rnd((uint32_t)view->count);
        if (view->members[at].is_present) {
            struct view *other = seen_by(view, at);
            for (size_t d = 0; d < ARRAY_LEN(dbs); d++) {
                const struct failover a = failover_look(view, dbs[d], OVERRIDE_AUTO, NULL);
                const struct failover b = failover_look(other, dbs[d], OVERRIDE_AUTO, NULL);
                assert_int_equal(a.is_active, b.is_active);
                assert_true(!a.is_active || strcmp(a.at->name, b.at->name) == 0);
                for (unsigned t = 0; t < TABLES; t++) {
                    struct failover_route r = route_table(view, dbs[d], t), s = route_table(other, dbs[d], t);
                    if (strcmp(name_of(view, &r), name_of(other, &s)) != 0)
                        fail_msg("seed %llu: %s says %s, %s says %s", (unsigned long long)named,
                                 view_self(view)->name, name_of(view, &r), view_self(other)->name,
                                 name_of(other, &s));
                }
            }
            view_unref(other);
        }
        view_unref(view);
        seed = named;
    }
}

/* Whatever the age, the size and the trouble, nothing of D ends in an upload/ from which D cannot be reached
 * while another present member reaches it (flaw (a) and (e) of what others attempted). */
static void nothing_stays_where_it_cannot_be_uploaded_while_somebody_could(void **state)
{
    (void)state;
    for (seed = 1; seed <= ROUNDS; seed++) {
        uint64_t named = seed;
        struct view *view = random_view();
        for (size_t d = 0; d < ARRAY_LEN(dbs); d++) {
            const struct failover now = failover_look(view, dbs[d], OVERRIDE_AUTO, NULL);
            for (unsigned t = 0; t < 64; t++) {
                char name[16];
                table_name(t, name);
                const struct failover_segment segment = {
                    .table = name, .hops = rnd(4), .held_ms = INT64_C(1) << 40, .is_in_upload = rnd(2)};
                struct failover_route route = failover_route(view, &now, dbs[d], &segment);
                bool stays = route.way == FAILOVER_OWN || route.way == FAILOVER_BUFFER;
                size_t to = stays ? view->self : (size_t)(route.to - view->members);
                bool is_right = now.is_active ? strcmp(now.at->name, view->members[to].name) == 0
                                              : reaches(view, to, dbs[d]);
                if (!is_right || !view->members[to].is_present || route.way == FAILOVER_REST)
                    fail_msg("seed %llu, %s, hops %u", (unsigned long long)named, dbs[d], segment.hops);
            }
        }
        view_unref(view);
        seed = named;
    }
}

/* Our uploader gets through again, and is held before it may say so: what it has, and what came here for it,
 * stays with it; what is new goes to those who have said it. Nothing else is other than without that. */
static void what_is_being_uploaded_again_does_not_set_out(void **state)
{
    (void)state;
    unsigned stayed = 0;
    for (seed = 1; seed <= ROUNDS; seed++) {
        uint64_t named = seed;
        struct view *view = random_view();
        for (size_t d = 0; d < ARRAY_LEN(dbs); d++) {
            const struct failover held = failover_look(view, dbs[d], OVERRIDE_AUTO, NULL);
            struct peer_database *own = said_by_us(view, dbs[d]);
            bool was_away = own && health_is_away(own->health);
            if (own)
                own->is_recovering = true;
            const struct failover now = failover_look(view, dbs[d], OVERRIDE_AUTO, NULL);
            assert_int_equal(now.is_active, held.is_active);
            assert_int_equal(now.is_reached, held.is_reached);
            for (unsigned t = 0; t < 16; t++) {
                char name[16];
                table_name(t, name);
                const struct failover_segment segment = {
                    .table = name, .hops = rnd(3), .held_ms = INT64_C(1) << 40, .is_in_upload = rnd(2)};
                struct failover_route before = failover_route(view, &held, dbs[d], &segment);
                struct failover_route after = failover_route(view, &now, dbs[d], &segment);
                bool is_ours = segment.hops > 0 || segment.is_in_upload;
                bool must_stay = was_away && !now.is_active && now.reaching > 0 && is_ours;
                if (must_stay ? after.way != FAILOVER_OWN : after.way != before.way || after.to != before.to)
                    fail_msg("seed %llu, %s", (unsigned long long)named, dbs[d]);
                stayed += must_stay && before.way == FAILOVER_DETOUR;
            }
        }
        view_unref(view);
        seed = named;
    }
    assert_in_range(stayed, ROUNDS / 10, ROUNDS * 32);
}

/* With everything in B as bad as can be, A is routed as if all were well. */
static void a_healthy_database_is_routed_as_without_any_trouble(void **state)
{
    (void)state;
    for (seed = 1; seed <= ROUNDS; seed++) {
        uint64_t named = seed;
        size_t count = 1 + rnd(MEMBERS), self = rnd((uint32_t)count);
        struct view *calm = make_view(count, self), *troubled = make_view(count, self);
        for (size_t i = 0; i < count; i++) {
            bool is_present = rnd(4) > 0;
            const enum health up[] = {HEALTH_UP, HEALTH_UP}, down[] = {HEALTH_UP, HEALTH_DOWN};
            set_member(calm, i, is_present, up);
            set_member(troubled, i, is_present, down);
        }
        for (unsigned t = 0; t < TABLES; t++) {
            char name[16];
            table_name(t, name);
            struct failover_route a = route_table(calm, "A", t), b = route_table(troubled, "A", t);
            assert_int_equal(a.way, b.way);
            assert_string_equal(name_of(calm, &a), name_of(troubled, &b));
            assert_string_equal(name_of(calm, &a), view_owner(calm, "A", name, NULL)->name);
            assert_true(a.way == FAILOVER_OWN || a.way == FAILOVER_SHARD);
            b = route_table(troubled, "B", t); /* and B all goes to one place */
            assert_true(b.way == FAILOVER_BUFFER || b.way == FAILOVER_DIVERT);
        }
        view_unref(calm);
        view_unref(troubled);
        seed = named;
    }
}

/* One member ceases to reach B: only tables of B that it owned move. */
static void a_change_moves_only_what_it_is_about(void **state)
{
    (void)state;
    for (seed = 1; seed <= ROUNDS; seed++) {
        uint64_t named = seed;
        size_t count = 2 + rnd(MEMBERS - 1), cut = rnd((uint32_t)count), self = rnd((uint32_t)count);
        struct view *before = make_view(count, self), *after = make_view(count, self);
        for (size_t i = 0; i < count; i++) {
            const enum health up[] = {HEALTH_UP, HEALTH_UP}, down[] = {HEALTH_UP, HEALTH_DOWN};
            set_member(before, i, true, up);
            set_member(after, i, true, i == cut ? down : up);
        }
        for (unsigned t = 0; t < TABLES; t++) {
            struct failover_route a = route_table(before, "A", t), b = route_table(after, "A", t);
            assert_string_equal(name_of(before, &a), name_of(after, &b));
            assert_int_equal(a.way, b.way);
            a = route_table(before, "B", t), b = route_table(after, "B", t);
            if (strcmp(name_of(before, &a), before->members[cut].name) != 0)
                assert_string_equal(name_of(before, &a), name_of(after, &b));
            else
                assert_string_not_equal(name_of(after, &b), before->members[cut].name);
        }
        view_unref(before);
        view_unref(after);
        seed = named;
    }
}

static const char *sacrificial(const struct view *view, const char *db)
{
    const struct failover now = failover_look(view, db, OVERRIDE_AUTO, NULL);
    return now.at ? now.at->name : "";
}

/* Flaw (b): it goes to the next in rendezvous order, and back when the first is there again. */
static void the_next_in_order_takes_over_from_one_that_is_away(void **state)
{
    (void)state;
    const enum health down[] = {HEALTH_DOWN, HEALTH_DOWN};
    const struct view_member *order[MEMBERS];
    for (size_t self = 0; self < MEMBERS; self++) {
        struct view *view = make_view(MEMBERS, self);
        for (size_t i = 0; i < MEMBERS; i++)
            set_member(view, i, true, down);
        assert_int_equal(view_rank(view, "B", order), MEMBERS);
        for (size_t gone = 0; gone + 1 < MEMBERS && !order[gone]->is_self; gone++) {
            assert_string_equal(sacrificial(view, "B"), order[gone]->name);
            view->members[order[gone] - view->members].is_present = false;
            assert_string_equal(sacrificial(view, "B"), order[gone + 1]->name);
        }
        for (size_t i = 0; i < MEMBERS; i++)
            view->members[i].is_present = true;
        assert_string_equal(sacrificial(view, "B"), order[0]->name);
        view_unref(view);
    }
}

static void different_databases_have_different_ones(void **state)
{
    (void)state;
    unsigned load[MEMBERS] = {0};
    struct view *view = make_view(MEMBERS, 0);
    const enum health none[] = {HEALTH_WORDS, HEALTH_WORDS};
    for (size_t i = 0; i < MEMBERS; i++)
        set_member(view, i, true, none);
    for (unsigned n = 0; n < 500; n++) {
        char db[16];
        snprintf(db, sizeof db, "Db%u", n);
        const struct failover now = failover_look(view, db, OVERRIDE_ON, NULL);
        load[now.at - view->members]++;
    }
    for (size_t i = 0; i < MEMBERS; i++)
        assert_in_range(load[i], 60, 150);
    view_unref(view);
}

/* --- the operator's word ---------------------------------------------------------------------------- */

static void the_operators_word_wins_over_the_rule(void **state)
{
    (void)state;
    const enum health up[] = {HEALTH_UP, HEALTH_UP}, down[] = {HEALTH_UP, HEALTH_DOWN};
    struct view *view = make_view(3, 0);
    for (size_t i = 0; i < 3; i++)
        set_member(view, i, true, i == 2 ? down : up);
    struct failover now = failover_look(view, "A", OVERRIDE_ON, "node-1");
    assert_true(now.is_active);
    assert_string_equal(now.at->name, "node-1");
    assert_int_equal(now.cause, FAILOVER_ORDERED);
    view->members[1].is_present = false; /* the named one is away: the ring chooses */
    now = failover_look(view, "A", OVERRIDE_ON, "node-1");
    assert_true(now.is_active && now.at->is_present);
    now = failover_look(view, "A", OVERRIDE_ON, "nobody");
    assert_true(now.is_active && now.at->is_present);
    view_unref(view);

    view = make_view(3, 0);
    for (size_t i = 0; i < 3; i++)
        set_member(view, i, true, down);
    now = failover_look(view, "B", OVERRIDE_OFF, NULL);
    assert_false(now.is_active);
    assert_int_equal(now.cause, FAILOVER_FORBIDDEN);
    for (unsigned t = 0; t < TABLES; t++) { /* sharded over all, as if they reached it */
        char name[16];
        table_name(t, name);
        struct failover_segment segment = {.table = name};
        struct failover_route route = failover_route(view, &now, "B", &segment);
        assert_string_equal(name_of(view, &route), view_owner(view, "B", name, NULL)->name);
        segment.hops = 1;
        assert_int_equal(failover_route(view, &now, "B", &segment).way, FAILOVER_OWN);
    }
    view_unref(view);
}

/* --- resting ---------------------------------------------------------------------------------------- */

static void what_was_received_rests_before_it_moves_on(void **state)
{
    (void)state;
    static const int64_t rest_ms[] = {0, 10000, 20000, 40000, 80000, 120000, 120000};
    const enum health down[] = {HEALTH_UP, HEALTH_DOWN};
    struct view *view = make_view(2, 0);
    set_member(view, 0, true, down);
    set_member(view, 1, true, down);
    view->self = strcmp(sacrificial(view, "B"), "node-0") == 0; /* we are the other one */
    view->members[0].is_self = view->self == 0;
    view->members[1].is_self = view->self == 1;
    const struct failover now = failover_look(view, "B", OVERRIDE_AUTO, NULL);
    for (unsigned hops = 0; hops < ARRAY_LEN(rest_ms); hops++) {
        assert_int_equal(failover_rest_ms(hops), rest_ms[hops]);
        struct failover_segment segment = {.table = "T", .hops = hops, .held_ms = rest_ms[hops]};
        assert_int_equal(failover_route(view, &now, "B", &segment).way, FAILOVER_DIVERT);
        segment.held_ms--;
        struct failover_route route = failover_route(view, &now, "B", &segment);
        assert_int_equal(route.way, hops ? FAILOVER_REST : FAILOVER_DIVERT);
        assert_int_equal(route.rest_ms, hops ? 1 : 0);
    }
    assert_int_equal(failover_rest_ms(1000000), FAILOVER_REST_MAX_MS);
    view->is_settled = false; /* nothing leaves before the ring is known */
    const struct failover_segment segment = {.table = "T"};
    assert_int_equal(failover_route(view, &now, "B", &segment).way, FAILOVER_REST);
    view_unref(view);
}

/* --- a model: five members that see each other late -------------------------------------------------------
 *
 * Time goes in steps of a second. What a member says reaches another after a delay of its own; health flaps,
 * held by recovery (10 s) as uploader holds it; members come and go, held by presence (5 s). Segments are
 * written everywhere and are moved by failover_route() of each member's own, stale view. */
enum { STEPS = 600, FLAPPING = 240, DELAY = 4, HOLD_UP = 10, HOLD_PEER = 5, SEGMENTS = 200 };

struct model {
    enum health said[STEPS + 1][MEMBERS]; /* of B by each member, over time */
    bool is_alive[STEPS + 1][MEMBERS];
    int up_for[MEMBERS];
    int silent_for[MEMBERS][MEMBERS], heard_for[MEMBERS][MEMBERS]; /* as seen by, of */
    bool is_present[MEMBERS][MEMBERS];
    unsigned delay[MEMBERS][MEMBERS];
    struct {
        unsigned table, hops;
        size_t at;
        int since;
    } segments[SEGMENTS];
    unsigned transitions[MEMBERS];
    bool was_active[MEMBERS];
};

static void flap(struct model *model, int step)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        bool is_reached = step >= FLAPPING || rnd(4) == 0;
        model->up_for[i] = is_reached ? model->up_for[i] + 1 : 0;
        model->said[step][i] = model->up_for[i] > HOLD_UP ? HEALTH_UP : HEALTH_DOWN;
        bool was = step ? model->is_alive[step - 1][i] : true;
        model->is_alive[step][i] = step >= FLAPPING || (rnd(12) == 0 ? !was : was);
    }
}

static void watch(struct model *model, int step)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        for (size_t j = 0; j < MEMBERS; j++) {
            int then = step - (int)model->delay[i][j];
            bool is_heard = i == j || (then >= 0 && model->is_alive[then][j]);
            model->heard_for[i][j] = is_heard ? model->heard_for[i][j] + 1 : 0;
            model->silent_for[i][j] = is_heard ? 0 : model->silent_for[i][j] + 1;
            if (model->silent_for[i][j] >= HOLD_PEER)
                model->is_present[i][j] = false;
            if (model->heard_for[i][j] >= HOLD_PEER || i == j)
                model->is_present[i][j] = true;
        }
    }
}

static struct view *view_of(const struct model *model, size_t self, int step)
{
    struct view *view = make_view(MEMBERS, self);
    for (size_t j = 0; j < MEMBERS; j++) {
        int then = step - (int)model->delay[self][j];
        const enum health health[] = {HEALTH_UP, then >= 0 ? model->said[then][j] : HEALTH_UP};
        set_member(view, j, model->is_present[self][j], health);
    }
    return view;
}

static void move_segments(struct model *model, size_t self, const struct view *view, int step)
{
    const struct failover now = failover_look(view, "B", OVERRIDE_AUTO, NULL);
    model->transitions[self] += now.is_active != model->was_active[self];
    model->was_active[self] = now.is_active;
    for (size_t s = 0; s < SEGMENTS; s++) {
        char table[16];
        if (model->segments[s].at != self)
            continue;
        table_name(model->segments[s].table, table);
        const struct failover_segment segment = {.table = table,
                                                 .hops = model->segments[s].hops,
                                                 .held_ms =
                                                     (step - model->segments[s].since) * INT64_C(1000)};
        const struct failover_route route = failover_route(view, &now, "B", &segment);
        bool does_leave =
            route.way == FAILOVER_SHARD || route.way == FAILOVER_DETOUR || route.way == FAILOVER_DIVERT;
        size_t to = does_leave ? (size_t)(route.to - view->members) : self;
        if (!does_leave || !model->is_alive[step][to])
            continue; /* it answers nothing: the segment stays where it is */
        model->segments[s].at = to;
        model->segments[s].hops++;
        model->segments[s].since = step;
    }
}

static void run_model(struct model *model)
{
    for (size_t i = 0; i < MEMBERS; i++)
        for (size_t j = 0; j < MEMBERS; j++)
            model->delay[i][j] = i == j ? 0 : rnd(DELAY + 1);
    for (size_t s = 0; s < SEGMENTS; s++) {
        model->segments[s].table = rnd(TABLES);
        model->segments[s].at = rnd(MEMBERS);
    }
    for (int step = 0; step <= STEPS; step++) {
        flap(model, step);
        watch(model, step);
        for (size_t i = 0; i < MEMBERS; i++) {
            if (!model->is_alive[step][i])
                continue;
            struct view *view = view_of(model, i, step);
            move_segments(model, i, view, step);
            view_unref(view);
        }
    }
}

static void a_ring_with_late_views_strands_nothing(void **state)
{
    (void)state;
    for (uint64_t run = 1; run <= 12; run++) {
        struct model *model = calloc(1, sizeof *model);
        unsigned most = 0;
        assert_non_null(model);
        seed = run;
        run_model(model);
        struct view *view = view_of(model, 0, STEPS);
        assert_false(failover_look(view, "B", OVERRIDE_AUTO, NULL).is_active);
        for (size_t s = 0; s < SEGMENTS; s++) { /* it is where it can be uploaded from */
            if (!reaches(view, model->segments[s].at, "B"))
                fail_msg("run %llu: a segment is stranded", (unsigned long long)run);
            most = model->segments[s].hops > most ? model->segments[s].hops : most;
        }
        /* Each hop but the first costs a rest, doubling: 10 + 20 + 40 + 80 s and more are not to be had in
         * the time of flapping and what it takes to settle. */
        if (most > 6)
            fail_msg("run %llu: a segment moved %u times", (unsigned long long)run, most);
        /* A change of a member's mind costs a hold time of somebody: with five members that flap as fast as
         * they can, at most one change each way for each hold of each. */
        for (size_t i = 0; i < MEMBERS; i++)
            assert_in_range(model->transitions[i], 0, 2 * MEMBERS * FLAPPING / HOLD_PEER);
        view_unref(view);
        free(model);
    }
}

/* One that flaps as fast as it can, seen at once: held, it changes at most once a hold time. */
static void transitions_are_bounded_by_the_hold_time(void **state)
{
    (void)state;
    int up_for = 0;
    unsigned transitions = 0;
    bool was_active = false;
    seed = 7;
    for (int step = 0; step < 10000; step++) {
        up_for = rnd(8) ? up_for + 1 : 0;
        const enum health health[] = {HEALTH_UP, up_for > HOLD_UP ? HEALTH_UP : HEALTH_DOWN};
        struct view *view = make_view(1, 0);
        set_member(view, 0, true, health);
        bool is_active = failover_look(view, "B", OVERRIDE_AUTO, NULL).is_active;
        transitions += is_active != was_active;
        was_active = is_active;
        view_unref(view);
    }
    assert_in_range(transitions, 10, 2 * 10000 / HOLD_UP);
}

static void each_word_is_its_own(void **state)
{
    (void)state;
    for (int way = FAILOVER_OWN; way <= FAILOVER_REST; way++)
        for (int other = FAILOVER_OWN; other < way; other++)
            assert_string_not_equal(failover_way_word((enum failover_way)way),
                                    failover_way_word((enum failover_way)other));
    assert_string_equal(failover_cause_word(FAILOVER_HEALTHY), "healthy");
    assert_string_equal(failover_cause_word(FAILOVER_FORBIDDEN), "forbidden");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failover_is_on_exactly_when_nobody_present_reaches_it),
        cmocka_unit_test(who_has_the_same_view_has_the_same_answer),
        cmocka_unit_test(nothing_stays_where_it_cannot_be_uploaded_while_somebody_could),
        cmocka_unit_test(what_is_being_uploaded_again_does_not_set_out),
        cmocka_unit_test(a_healthy_database_is_routed_as_without_any_trouble),
        cmocka_unit_test(a_change_moves_only_what_it_is_about),
        cmocka_unit_test(the_next_in_order_takes_over_from_one_that_is_away),
        cmocka_unit_test(different_databases_have_different_ones),
        cmocka_unit_test(the_operators_word_wins_over_the_rule),
        cmocka_unit_test(what_was_received_rests_before_it_moves_on),
        cmocka_unit_test(a_ring_with_late_views_strands_nothing),
        cmocka_unit_test(transitions_are_bounded_by_the_hold_time),
        cmocka_unit_test(each_word_is_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
