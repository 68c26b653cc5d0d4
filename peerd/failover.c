#include "peerd/failover.h"

#include "peerd/ring.h"

const char *failover_mode_word(enum failover_mode mode)
{
    static const char *const words[] = {
        [FAILOVER_OFF] = "off", [FAILOVER_DETOUR] = "detour", [FAILOVER_ON] = "on"};
    return words[mode];
}

bool failover_is_reaching(const struct view_member *member, const char *db)
{
    const struct peer_database *said = peer_state_find(member->state, db);
    return !said || !health_is_away(said->health);
}

/* The owner of `key` among the present members, or among those of them that reach `db` (NULL: all). NULL:
 * there is none. `*count` is among how many. */
static const struct view_member *owner_among(const struct view *view, const char *db, const char *key,
                                             size_t *count)
{
    struct ring_place places[VIEW_MEMBERS_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; i < view->count; i++) {
        const struct view_member *member = &view->members[i];
        if (member->is_present && (!db || failover_is_reaching(member, db)))
            places[n++] = (struct ring_place){.name = member->name, .index = i};
    }
    const struct ring_place *owner = ring_owner(places, n, key);
    *count = n;
    return owner ? &view->members[owner->index] : NULL;
}

static const struct view_member *find_sacrificial(const struct view *view, const char *db,
                                                  const struct failover_override *override, size_t *present)
{
    const struct view_member *by_rule = owner_among(view, NULL, db, present);
    bool is_named = override && override->wish == FAILOVER_FORCED && *override->at;
    const struct view_member *named = is_named ? view_find(view, override->at) : NULL;
    if (named && named->is_present)
        return named;
    return by_rule ? by_rule : view_self(view);
}

struct failover failover_of(const struct view *view, const char *db, const struct failover_override *override)
{
    struct failover failover = {0};
    enum failover_wish wish = override ? override->wish : FAILOVER_AUTOMATIC;
    failover.sacrificial = find_sacrificial(view, db, override, &failover.present);
    (void)owner_among(view, db, db, &failover.reaching);
    bool is_lost = failover.reaching == 0;
    failover.is_override = (wish == FAILOVER_FORCED && !is_lost) || (wish == FAILOVER_FORBIDDEN && is_lost) ||
                           (wish == FAILOVER_FORCED && *override->at);
    if (wish == FAILOVER_FORCED || (wish == FAILOVER_AUTOMATIC && is_lost))
        failover.mode = FAILOVER_ON;
    else if (!is_lost && !failover_is_reaching(view_self(view), db))
        failover.mode = FAILOVER_DETOUR;
    return failover;
}

const struct view_member *failover_owner(const struct view *view, const char *db, const char *table,
                                         const char *schema, const struct failover_override *override)
{
    char key[RING_KEY_BYTES];
    size_t count;
    struct failover failover = failover_of(view, db, override);
    if (failover.mode == FAILOVER_ON)
        return failover.sacrificial;
    ring_key(key, db, table, schema);
    const struct view_member *owner = owner_among(view, db, key, &count);
    return owner ? owner : view_owner(view, db, table, schema);
}
