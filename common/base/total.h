/* Counters and gauges that any thread adds to and reads; nothing is ordered by them. */
#ifndef SPILLWAY_TOTAL_H
#define SPILLWAY_TOTAL_H

#include <stdatomic.h>
#include <stdint.h>

static inline void total_add(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static inline void total_sub(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_sub_explicit(counter, by, memory_order_relaxed);
}

static inline void total_set(_Atomic uint64_t *gauge, uint64_t value)
{
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}

static inline uint64_t total_of(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
