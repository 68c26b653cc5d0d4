#include "peerd/ring/ring.h"

#define XXH_STATIC_LINKING_ONLY /* the struct of the state, for the stack */
#include <xxhash.h>

void ring_key(char key[static RING_KEY_BYTES], const char *db, const char *table, const char *schema)
{
    bool has_schema = schema && *schema && strcmp(schema, "-") != 0;
    snprintf(key, RING_KEY_BYTES, "%s_%s%s%s", db, table, has_schema ? "_" : "", has_schema ? schema : "");
}

uint64_t ring_weight(const char *key, const char *name)
{
    XXH64_state_t state;
    XXH64_reset(&state, 0);
    XXH64_update(&state, key, strlen(key));
    XXH64_update(&state, name, strlen(name));
    return XXH64_digest(&state);
}

static int compare(const void *left, const void *right)
{
    const struct ring_place *a = left, *b = right;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return strcmp(a->name, b->name);
}

const struct ring_place *ring_owner(struct ring_place *places, size_t count, const char *key)
{
    const struct ring_place *owner = NULL;
    for (size_t i = 0; i < count; i++) {
        places[i].weight = ring_weight(key, places[i].name);
        if (!owner || compare(&places[i], owner) < 0)
            owner = &places[i];
    }
    return owner;
}

void ring_rank(struct ring_place *places, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        places[i].weight = ring_weight(key, places[i].name);
    if (count > 1)
        qsort(places, count, sizeof *places, compare);
}
