#include "peerd/receive/idset.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_MIN = 1024 };

void idset_key(const char *id, uint64_t key[static 2])
{
    XXH128_hash_t hash = XXH3_128bits(id, strlen(id));
    key[0] = hash.low64;
    key[1] = hash.high64;
}

static struct idset_slot *place(const struct idset *set, const uint64_t key[static 2])
{
    size_t at = key[0] & (set->room - 1);
    while (set->slots[at].digest.bytes && memcmp(set->slots[at].key, key, sizeof set->slots[at].key) != 0)
        at = (at + 1) & (set->room - 1);
    return &set->slots[at];
}

const struct digest_value *idset_find(const struct idset *set, const uint64_t key[static 2])
{
    const struct idset_slot *slot = set->room ? place(set, key) : NULL;
    return slot && slot->digest.bytes ? &slot->digest : NULL;
}

int idset_reserve(struct idset *set, size_t more)
{
    struct idset grown = {.room = set->room ? set->room : ROOM_MIN};
    while ((set->count + more) / 2 > grown.room / 3)
        grown.room *= 2;
    if (grown.room == set->room)
        return 0;
    grown.slots = calloc(grown.room, sizeof *grown.slots);
    if (!grown.slots)
        return -ENOMEM;
    for (size_t i = 0; i < set->room; i++)
        if (set->slots[i].digest.bytes)
            idset_put(&grown, set->slots[i].key, set->slots[i].digest);
    free(set->slots);
    *set = grown;
    return 0;
}

void idset_put(struct idset *set, const uint64_t key[static 2], struct digest_value digest)
{
    assert(set->count < set->room && digest.bytes > 0);
    struct idset_slot *slot = place(set, key);
    if (slot->digest.bytes)
        return;
    memcpy(slot->key, key, sizeof slot->key);
    slot->digest = digest;
    set->count++;
}

void idset_fini(struct idset *set)
{
    free(set->slots);
    *set = (struct idset){0};
}
