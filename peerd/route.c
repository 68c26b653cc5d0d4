#include "peerd/route.h"

#include "common/segment/flake.h"

static struct route go(enum route_way way, const char *reason)
{
    return (struct route){.way = way, .reason = reason};
}

struct route route_decide(const struct route_settings *settings, const struct route_facts *facts)
{
    if (facts->hops > 0)
        return go(ROUTE_UPLOAD, "received");
    if (facts->age_ms > settings->max_age_ms)
        return go(ROUTE_UPLOAD, "old");
    if (!facts->is_settled)
        return go(ROUTE_WAIT, "unsettled");
    if (facts->is_alone)
        return go(ROUTE_UPLOAD, "alone");
    if (facts->is_own)
        return go(ROUTE_UPLOAD, "own");
    if (facts->bytes > settings->max_bytes)
        return go(ROUTE_UPLOAD, "large");
    if (facts->is_trouble)
        return go(ROUTE_UPLOAD, "owner-in-trouble");
    if (!facts->has_slot)
        return go(ROUTE_WAIT, "no-slot");
    if (facts->seen_ms < settings->linger_ms && facts->files < settings->files)
        return go(ROUTE_WAIT, "linger");
    return go(ROUTE_SEND, "owner");
}

int64_t route_age_ms(uint64_t id, int64_t wall_ms, int64_t seen_ms)
{
    struct flake flake;
    flake_decompose(id, &flake);
    int64_t age_ms = wall_ms - (int64_t)flake.unix_ms;
    return age_ms > seen_ms ? age_ms : seen_ms;
}
