/* The leases as a later diskguard finds them: `state/leases`, a mapped file of fixed slots, written before a
 * grant is answered. It outlives kill -9 of diskguard, not the machine: writers die with that too. One
 * thread.
 *
 * Native byte order: header (magic, version, boot), then slots. A slot is in use when its pid is not 0; that
 * is written last. */
#ifndef SPILLWAY_DISKGUARD_SLOTS_H
#define SPILLWAY_DISKGUARD_SLOTS_H

#include "common/spool/spool.h"

struct slot {
    int64_t pid; /* 0: free */
    uint64_t start, lease, seq;
    int64_t bytes, files; /* outstanding */
    char folder[SPOOL_NAME_BYTES];
};

struct slots {
    int fd;
    void *map; /* NULL: nothing mapped yet */
    size_t mapped_bytes, count;
};

/* Open, or make. A file of another boot, another version or of no sense is started anew; `*is_anew` tells it.
 */
NODISCARD int slots_open(struct slots *slots, const struct spool *spool, bool *is_anew, struct err *err);
void slots_close(struct slots *slots);

/* Have room on disk for slot `index`, so that writing it cannot fail. -ENOSPC and the like. Pointers from
 * slots_at() are void. */
NODISCARD int slots_reserve(struct slots *slots, size_t index);

/* NULL: beyond the end, or free. */
const struct slot *slots_at(const struct slots *slots, size_t index);

/* Write a slot that there is room for; with pid 0 it becomes free. */
void slots_write(struct slots *slots, size_t index, const struct slot *slot);

#endif
