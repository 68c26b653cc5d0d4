#include "peerd/ring/view.h"

#include <assert.h>

#include "peerd/ring/ring.h"

const char *view_trouble_word(enum view_trouble trouble)
{
    static const char *const words[] = {
        [VIEW_OK] = "ok",
        [VIEW_NEW] = "new",
        [VIEW_SILENT] = "silent",
        [VIEW_RETURNING] = "returning",
        [VIEW_MISNAMED] = "misnamed",
        [VIEW_DOUBLE] = "double",
        [VIEW_FOREIGN] = "foreign",
    };
    return words[trouble];
}

struct view *view_new(size_t count)
{
    assert(count >= 1 && count <= VIEW_MEMBERS_MAX + 1);
    struct view *view = calloc(1, sizeof *view + count * sizeof view->members[0]);
    if (view) {
        atomic_init(&view->refs, 1);
        view->count = count;
    }
    return view;
}

struct view *view_ref(struct view *view)
{
    atomic_fetch_add(&view->refs, 1);
    return view;
}

void view_unref(struct view *view)
{
    if (!view || atomic_fetch_sub(&view->refs, 1) > 1)
        return;
    for (size_t i = 0; i < view->count; i++)
        peer_state_unref(view->members[i].state);
    free(view);
}

const struct view_member *view_find(const struct view *view, const char *name)
{
    for (size_t i = 0; *name && i < view->count; i++)
        if (strcmp(view->members[i].name, name) == 0 && view->members[i].trouble != VIEW_DOUBLE)
            return &view->members[i];
    return NULL;
}

static bool is_database_alike(const struct peer_database *a, const struct peer_database *b)
{
    return strcmp(a->name, b->name) == 0 && a->health == b->health && a->is_recovering == b->is_recovering &&
           a->failover.is_active == b->failover.is_active && strcmp(a->failover.at, b->failover.at) == 0;
}

static bool is_state_alike(const struct peer_state *a, const struct peer_state *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->database_count != b->database_count || a->incarnation != b->incarnation)
        return false;
    for (size_t i = 0; i < a->database_count; i++)
        if (!is_database_alike(&a->databases[i], &b->databases[i]))
            return false;
    return true;
}

bool view_is_alike(const struct view *a, const struct view *b)
{
    if (a->count != b->count || a->is_settled != b->is_settled)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct view_member *m = &a->members[i], *n = &b->members[i];
        if (strcmp(m->name, n->name) != 0 || strcmp(m->url, n->url) != 0 ||
            strcmp(m->connect_to, n->connect_to) != 0 || m->is_present != n->is_present ||
            m->trouble != n->trouble || !is_state_alike(m->state, n->state))
            return false;
    }
    return true;
}

/* Present members have distinct names: whoever makes a view sees to that. */
static size_t list_present(const struct view *view, struct ring_place *places)
{
    size_t count = 0;
    for (size_t i = 0; i < view->count; i++)
        if (view->members[i].is_present)
            places[count++] = (struct ring_place){.name = view->members[i].name, .index = i};
    return count;
}

const struct view_member *view_owner(const struct view *view, const char *db, const char *table,
                                     const char *schema)
{
    char key[RING_KEY_BYTES];
    struct ring_place places[VIEW_MEMBERS_MAX + 1];
    ring_key(key, db, table, schema);
    const struct ring_place *owner = ring_owner(places, list_present(view, places), key);
    return owner ? &view->members[owner->index] : view_self(view);
}

size_t view_rank(const struct view *view, const char *key, const struct view_member **order)
{
    struct ring_place places[VIEW_MEMBERS_MAX + 1];
    size_t count = list_present(view, places);
    ring_rank(places, count, key);
    for (size_t i = 0; i < count; i++)
        order[i] = &view->members[places[i].index];
    return count;
}

/* --- the view of the moment ------------------------------------------------------------------------- */

void views_init(struct views *views)
{
    *views = (struct views){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void views_fini(struct views *views)
{
    view_unref(views->now);
    pthread_mutex_destroy(&views->lock);
}

struct view *views_get(struct views *views)
{
    pthread_mutex_lock(&views->lock);
    struct view *view = views->now ? view_ref(views->now) : NULL;
    pthread_mutex_unlock(&views->lock);
    return view;
}

void views_put(struct views *views, struct view *view)
{
    pthread_mutex_lock(&views->lock);
    struct view *before = views->now;
    views->now = view;
    pthread_mutex_unlock(&views->lock);
    view_unref(before);
}
