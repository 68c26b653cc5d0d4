/* Ids of transfers and what came under them: a hash set of 128-bit hashes. One thread at a time. */
#ifndef SPILLWAY_PEERD_IDSET_H
#define SPILLWAY_PEERD_IDSET_H

#include "common/segment/digest.h"

struct idset {
    struct idset_slot {
        uint64_t key[2];
        struct digest_value digest; /* bytes 0: an empty slot; no transfer has none */
    } * slots;
    size_t room, count; /* room: a power of two, or 0 */
};

void idset_key(const char *id, uint64_t key[static 2]);

/* NULL: it is not in it. */
const struct digest_value *idset_find(const struct idset *set, const uint64_t key[static 2]);

/* Make room for so many more. -ENOMEM. */
NODISCARD int idset_reserve(struct idset *set, size_t more);

/* Into room that was reserved. One that is there already keeps its digest. */
void idset_put(struct idset *set, const uint64_t key[static 2], struct digest_value digest);

void idset_fini(struct idset *set);

#endif
