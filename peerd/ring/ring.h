/* Who owns what: rendezvous hashing (failover.md §2). Each member's weight for a key is xxHash64 (seed 0) of
 * the key followed by the member's name; the highest weight owns the key, ties go to the smaller name. The
 * same function as ADX-Mon's, so a mixed ring agrees (tests/golden/adxmon-vectors.json). A member that joins
 * or leaves moves its own share of the keys and nothing else. Pure; thread-safe. */
#ifndef SPILLWAY_PEERD_RING_H
#define SPILLWAY_PEERD_RING_H

#include <stddef.h>
#include <stdint.h>

#include "common/segment/name.h"

enum { RING_KEY_BYTES = 2 * (NAME_MAX_BYTES + 1) + SCHEMA_HASH_TEXT_BYTES };

/* The key of a table's segments: DB_TABLE, or DB_TABLE_SCHEMA where `schema` (the hash as in file names) is
 * neither NULL nor "-". Names as people write them, at most NAME_MAX_BYTES each. */
void ring_key(char key[static RING_KEY_BYTES], const char *db, const char *table, const char *schema);

uint64_t ring_weight(const char *key, const char *name);

struct ring_place {
    const char *name; /* the caller's */
    size_t index;     /* the caller's: which member this is */
    uint64_t weight;  /* set by the functions below */
};

/* The place that owns the key; NULL when there is none. Names are distinct. */
const struct ring_place *ring_owner(struct ring_place *places, size_t count, const char *key);

/* All of them in order: the owner first, then who would own it if those before were gone. */
void ring_rank(struct ring_place *places, size_t count, const char *key);

#endif
