#include "peerd/send/route.h"

#include "common/segment/flake.h"

static const struct {
    const char *reason, *text;
} rules[ROUTE_RULES] = {
    [ROUTE_RECEIVED] = {"received", "it was sent here, and is not sent on"},
    [ROUTE_OLD] = {"old", "it is older than --max-transfer-age: it is uploaded from here"},
    [ROUTE_UNSETTLED] = {"unsettled", "it waits until every member of the ring was heard of"},
    [ROUTE_ALONE] = {"alone", "there are no other members: it is uploaded from here"},
    [ROUTE_OWN] = {"own", "it is uploaded from here"},
    [ROUTE_LARGE] = {"large", "more than --max-transfer-size of its table waits: it is uploaded from here"},
    [ROUTE_TROUBLE] = {"owner-in-trouble",
                       "that member had no room or was not reached a short time ago: it is "
                       "uploaded from here"},
    [ROUTE_NO_SLOT] = {"no-slot", "it waits until other transfers to that member have ended"},
    [ROUTE_LINGER] = {"linger", "it waits for others of its table, to be sent with them"},
    [ROUTE_OWNER] = {"owner", "it is sent"},
    [ROUTE_HELD] = {"held", "that member has no room for this database: it is held here, and asked again"},
    [ROUTE_AWAY] = {"away", "that member had no room or was not reached a short time ago: it is held here"},
};

static struct route go(enum route_way way, enum route_rule rule)
{
    return (struct route){.way = way, .rule = rule, .reason = rules[rule].reason, .text = rules[rule].text};
}

static bool does_linger(const struct route_settings *settings, const struct route_facts *facts)
{
    return facts->seen_ms < settings->linger_ms && facts->files < settings->files;
}

struct route route_decide(const struct route_settings *settings, const struct route_facts *facts)
{
    if (facts->hops > 0)
        return go(ROUTE_UPLOAD, ROUTE_RECEIVED);
    if (facts->age_ms > settings->max_age_ms)
        return go(ROUTE_UPLOAD, ROUTE_OLD);
    if (!facts->is_settled)
        return go(ROUTE_WAIT, ROUTE_UNSETTLED);
    if (facts->is_alone)
        return go(ROUTE_UPLOAD, ROUTE_ALONE);
    if (facts->is_own)
        return go(ROUTE_UPLOAD, ROUTE_OWN);
    if (facts->bytes > settings->max_bytes)
        return go(ROUTE_UPLOAD, ROUTE_LARGE);
    if (facts->is_trouble)
        return go(ROUTE_UPLOAD, ROUTE_TROUBLE);
    if (!facts->has_slot)
        return go(ROUTE_WAIT, ROUTE_NO_SLOT);
    if (does_linger(settings, facts))
        return go(ROUTE_WAIT, ROUTE_LINGER);
    return go(ROUTE_SEND, ROUTE_OWNER);
}

struct route route_move_on(const struct route_settings *settings, const struct route_facts *facts)
{
    if (!facts->is_settled)
        return go(ROUTE_WAIT, ROUTE_UNSETTLED);
    if (facts->is_held)
        return go(ROUTE_WAIT, ROUTE_HELD);
    if (does_linger(settings, facts) && facts->bytes <= settings->max_bytes)
        return go(ROUTE_WAIT, ROUTE_LINGER);
    if (facts->is_trouble)
        return go(ROUTE_WAIT, ROUTE_AWAY);
    if (!facts->has_slot)
        return go(ROUTE_WAIT, ROUTE_NO_SLOT);
    return go(ROUTE_SEND, ROUTE_OWNER);
}

int64_t route_age_ms(uint64_t id, int64_t wall_ms, int64_t seen_ms)
{
    struct flake flake;
    flake_decompose(id, &flake);
    int64_t age_ms = wall_ms - (int64_t)flake.unix_ms;
    return age_ms > seen_ms ? age_ms : seen_ms;
}
