#include "peerd/failover/failover.h"

#include "peerd/ring/ring.h"

const char *failover_cause_word(enum failover_cause cause)
{
    static const char *const words[] = {
        [FAILOVER_HEALTHY] = "healthy",
        [FAILOVER_UNREACHABLE] = "unreachable",
        [FAILOVER_ORDERED] = "ordered",
        [FAILOVER_FORBIDDEN] = "forbidden",
    };
    return words[cause];
}

const char *failover_way_word(enum failover_way way)
{
    static const char *const words[] = {
        [FAILOVER_OWN] = "own",       [FAILOVER_SHARD] = "shard",   [FAILOVER_DETOUR] = "detour",
        [FAILOVER_BUFFER] = "buffer", [FAILOVER_DIVERT] = "divert", [FAILOVER_REST] = "rest",
    };
    return words[way];
}

/* --- the ring of a database ------------------------------------------------------------------------- */

static bool does_reach(const struct view_member *member, const char *db)
{
    const struct peer_database *said = peer_state_find(member->state, db);
    return !said || !health_is_away(said->health); /* who says nothing counts as reaching it */
}

/* Present members, with `reaching` only those that reach D. */
static size_t list_members(const struct view *view, const char *db, bool reaching, struct ring_place *places)
{
    size_t count = 0;
    for (size_t i = 0; i < view->count; i++) {
        const struct view_member *member = &view->members[i];
        if (member->is_present && (!reaching || does_reach(member, db)))
            places[count++] = (struct ring_place){.name = member->name, .index = i};
    }
    return count;
}

/* We are always present, so there is always an owner. */
static const struct view_member *first_of(const struct view *view, const char *db, bool reaching,
                                          const char *key)
{
    struct ring_place places[VIEW_MEMBERS_MAX + 1];
    const struct ring_place *owner = ring_owner(places, list_members(view, db, reaching, places), key);
    return owner ? &view->members[owner->index] : view_self(view);
}

static const struct view_member *choose_sacrificial(const struct view *view, const char *db, const char *at)
{
    const struct view_member *named = at && *at ? view_find(view, at) : NULL;
    return named && named->is_present ? named : first_of(view, db, false, db);
}

static bool is_recovering(const struct view_member *self, const char *db)
{
    const struct peer_database *said = peer_state_find(self->state, db);
    return said && health_is_away(said->health) && said->is_recovering;
}

struct failover failover_look(const struct view *view, const char *db, enum override_mode mode,
                              const char *at)
{
    struct failover failover = {.is_reached = does_reach(view_self(view), db),
                                .is_recovering = is_recovering(view_self(view), db)};
    for (size_t i = 0; i < view->count; i++) {
        if (!view->members[i].is_present)
            continue;
        failover.present++;
        failover.reaching += does_reach(&view->members[i], db);
    }
    if (mode == OVERRIDE_ON)
        failover.cause = FAILOVER_ORDERED;
    else if (failover.reaching > 0)
        failover.cause = FAILOVER_HEALTHY;
    else
        failover.cause = mode == OVERRIDE_OFF ? FAILOVER_FORBIDDEN : FAILOVER_UNREACHABLE;
    failover.is_active = failover.cause == FAILOVER_ORDERED || failover.cause == FAILOVER_UNREACHABLE;
    if (failover.is_active)
        failover.at = choose_sacrificial(view, db, mode == OVERRIDE_ON ? at : NULL);
    return failover;
}

/* --- the way of a segment --------------------------------------------------------------------------- */

int64_t failover_rest_ms(unsigned hops)
{
    int64_t rest_ms = FAILOVER_REST_MS;
    if (hops == 0)
        return 0;
    for (unsigned i = 1; i < hops && rest_ms < FAILOVER_REST_MAX_MS; i++)
        rest_ms *= 2;
    return rest_ms < FAILOVER_REST_MAX_MS ? rest_ms : FAILOVER_REST_MAX_MS;
}

static struct failover_route stay(enum failover_way way, const char *reason)
{
    return (struct failover_route){.way = way, .reason = reason};
}

/* It leaves, once it has rested. Until the ring is known, nothing leaves for a member that may not be it. */
static struct failover_route leave(const struct view *view, const struct failover_segment *segment,
                                   enum failover_way way, const struct view_member *to, const char *reason)
{
    int64_t rest_ms = failover_rest_ms(segment->hops) - segment->held_ms;
    if (segment->hops > 0 && rest_ms > 0)
        return (struct failover_route){
            .way = FAILOVER_REST, .to = to, .rest_ms = rest_ms, .reason = "it was received a short time ago"};
    if (!view->is_settled)
        return (struct failover_route){.way = FAILOVER_REST,
                                       .to = to,
                                       .rest_ms = 1,
                                       .reason = "not every member of the ring was heard of yet"};
    return (struct failover_route){.way = way, .to = to, .reason = reason};
}

static struct failover_route route_sharded(const struct view *view, const struct failover *failover,
                                           const char *db, const struct failover_segment *segment)
{
    char key[RING_KEY_BYTES];
    bool is_ring_empty = failover->reaching == 0; /* forbidden: sharded over all */
    bool can_stay = failover->is_reached || failover->is_recovering || is_ring_empty;
    if (segment->hops > 0 && can_stay)
        return stay(FAILOVER_OWN, "it was sent here");
    if (segment->is_in_upload && can_stay)
        return stay(FAILOVER_OWN, "it is with our uploader already");
    ring_key(key, db, segment->table, segment->schema);
    const struct view_member *owner = first_of(view, db, !is_ring_empty, key);
    if (owner->is_self)
        return stay(FAILOVER_OWN, "we own the table");
    if (failover->is_reached || is_ring_empty)
        return (struct failover_route){
            .way = FAILOVER_SHARD, .to = owner, .reason = "another member owns the table"};
    return leave(view, segment, FAILOVER_DETOUR, owner,
                 "the database cannot be reached from here, but from there");
}

struct failover_route failover_route(const struct view *view, const struct failover *failover, const char *db,
                                     const struct failover_segment *segment)
{
    if (!failover->is_active)
        return route_sharded(view, failover, db, segment);
    if (failover->at->is_self)
        return stay(FAILOVER_BUFFER, "the database is in failover and we buffer it");
    return leave(view, segment, FAILOVER_DIVERT, failover->at,
                 "the database is in failover and buffered there");
}
