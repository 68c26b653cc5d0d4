/* The ceiling over all bodies that are being received: who keeps bytes of a body takes them from here first.
 * Thread-safe. */
#ifndef SPILLWAY_MEMORY_H
#define SPILLWAY_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct memory {
    int64_t limit; /* bytes; constant */
    _Atomic int64_t used;
};

/* False: there is not so much. */
static inline bool memory_take(struct memory *memory, int64_t bytes)
{
    if (atomic_fetch_add_explicit(&memory->used, bytes, memory_order_relaxed) + bytes <= memory->limit)
        return true;
    atomic_fetch_sub_explicit(&memory->used, bytes, memory_order_relaxed);
    return false;
}

static inline void memory_give(struct memory *memory, int64_t bytes)
{
    atomic_fetch_sub_explicit(&memory->used, bytes, memory_order_relaxed);
}

#endif
