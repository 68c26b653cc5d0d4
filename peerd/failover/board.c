#include "peerd/failover/board.h"

void board_fini(struct board *board)
{
    free(board->list);
    *board = (struct board){0};
}

static size_t place_of(const struct board *board, const char *db)
{
    size_t low = 0, high = board->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(board->list[middle].db, db) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct board_entry *board_find(const struct board *board, const char *db)
{
    size_t at = place_of(board, db);
    return at < board->count && strcmp(board->list[at].db, db) == 0 ? &board->list[at] : NULL;
}

struct board_entry *board_make(struct board *board, const char *db)
{
    struct board_entry *entry = board_find(board, db);
    if (entry || board->count >= PEER_DATABASES_MAX || strlen(db) >= sizeof entry->db)
        return entry;
    size_t at = place_of(board, db);
    struct board_entry *list = reallocarray(board->list, board->count + 1, sizeof *list);
    if (!list)
        return NULL;
    memmove(&list[at + 1], &list[at], (board->count - at) * sizeof *list);
    board->list = list;
    board->count++;
    list[at] = (struct board_entry){0};
    snprintf(list[at].db, sizeof list[at].db, "%s", db);
    return &list[at];
}

/* Every database that anybody spoke of has an entry from now on; one more or less does not matter. */
static void learn(struct board *board, const struct view *view, const struct overrides *overrides)
{
    for (size_t i = 0; i < view->count; i++)
        for (size_t k = 0; view->members[i].state && k < view->members[i].state->database_count; k++)
            (void)board_make(board, view->members[i].state->databases[k].name);
    for (size_t i = 0; i < overrides->count; i++)
        (void)board_make(board, overrides->list[i].db);
}

static bool note_health(struct board_entry *entry, const struct view *view)
{
    const struct peer_database *own = peer_state_find(view_self(view)->state, entry->db);
    enum health health = own ? own->health : HEALTH_UP;
    bool was_away = health_is_away(entry->health), is_away = health_is_away(health);
    if (entry->health != health)
        entry->health_ms = own ? own->since_ms : 0;
    entry->health = health;
    return was_away != is_away;
}

static bool look_at(struct board_entry *entry, const struct view *view, const struct overrides *overrides,
                    int64_t wall_ms, board_tell *tell, void *arg)
{
    const struct override *word = overrides_find(overrides, entry->db, wall_ms);
    struct failover now =
        failover_look(view, entry->db, word ? word->mode : OVERRIDE_AUTO, word ? word->at : NULL);
    char was_at[PEER_NAME_BYTES];
    bool was_active = entry->now.is_active;
    snprintf(was_at, sizeof was_at, "%s", entry->at);
    snprintf(entry->at, sizeof entry->at, "%s", now.at ? now.at->name : "");
    entry->is_ours = now.at && now.at->is_self;
    entry->now = now;
    entry->now.at = NULL;
    if (was_active != now.is_active) {
        entry->since_ms = wall_ms;
        entry->went_on += now.is_active;
        entry->went_off += !now.is_active;
        tell(arg, now.is_active ? BOARD_ON : BOARD_OFF, entry, was_at);
    } else if (now.is_active && strcmp(was_at, entry->at) != 0) {
        entry->moved++;
        tell(arg, BOARD_MOVED, entry, was_at);
    } else {
        return false;
    }
    return true;
}

bool board_look(struct board *board, const struct view *view, const struct overrides *overrides,
                int64_t wall_ms, board_tell *tell, void *arg)
{
    bool has_changed = false;
    if (!view->is_settled)
        return false;
    learn(board, view, overrides);
    for (size_t i = 0; i < board->count; i++) {
        has_changed = note_health(&board->list[i], view) || has_changed;
        has_changed = look_at(&board->list[i], view, overrides, wall_ms, tell, arg) || has_changed;
    }
    return has_changed;
}

size_t board_active(const struct board *board)
{
    size_t count = 0;
    for (size_t i = 0; i < board->count; i++)
        count += board->list[i].now.is_active;
    return count;
}
