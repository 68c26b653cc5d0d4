#include "peerd/ring/peer_state.h"

#include <ctype.h>

struct peer_state *peer_state_new(const char *name, int64_t incarnation)
{
    struct peer_state *state = calloc(1, sizeof *state);
    if (!state)
        return NULL;
    atomic_init(&state->refs, 1);
    state->incarnation = incarnation;
    snprintf(state->name, sizeof state->name, "%s", name);
    snprintf(state->version, sizeof state->version, "%s", SPILLWAY_VERSION);
    snprintf(state->pressure, sizeof state->pressure, "unknown");
    return state;
}

struct peer_database *peer_state_add(struct peer_state *state, const char *db)
{
    enum { STEP = 16 };
    if (state->database_count >= PEER_DATABASES_MAX)
        return NULL;
    if (state->database_count % STEP == 0) {
        struct peer_database *more =
            reallocarray(state->databases, state->database_count + STEP, sizeof *more);
        if (!more)
            return NULL;
        state->databases = more;
    }
    struct peer_database *database = &state->databases[state->database_count];
    *database = (struct peer_database){.name = strdup(db)};
    if (!database->name)
        return NULL;
    state->database_count++;
    return database;
}

static int compare(const void *left, const void *right)
{
    const struct peer_database *a = left, *b = right;
    return strcmp(a->name, b->name);
}

void peer_state_sort(struct peer_state *state)
{
    if (state->database_count > 1)
        qsort(state->databases, state->database_count, sizeof *state->databases, compare);
}

struct peer_state *peer_state_ref(struct peer_state *state)
{
    if (state)
        atomic_fetch_add(&state->refs, 1);
    return state;
}

void peer_state_unref(struct peer_state *state)
{
    if (!state || atomic_fetch_sub(&state->refs, 1) > 1)
        return;
    for (size_t i = 0; i < state->database_count; i++)
        free(state->databases[i].name);
    free(state->databases);
    free(state->overrides);
    free(state);
}

const struct peer_database *peer_state_find(const struct peer_state *state, const char *db)
{
    if (!state || state->database_count == 0)
        return NULL;
    size_t low = 0, high = state->database_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(state->databases[middle].name, db);
        if (order == 0)
            return &state->databases[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool peer_name_is_valid(const char *name)
{
    size_t bytes = strnlen(name, PEER_NAME_BYTES);
    if (bytes == 0 || bytes >= PEER_NAME_BYTES || name[0] == '.' || name[0] == '-')
        return false;
    for (size_t i = 0; i < bytes; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
            return false;
    return true;
}
