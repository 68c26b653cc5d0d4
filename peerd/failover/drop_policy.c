#include "peerd/failover/drop_policy.h"

static struct drop_decision give_up(enum drop_action action, enum drop_fate fate, enum drop_reason reason)
{
    return (struct drop_decision){.action = action, .fate = fate, .reason = reason};
}

struct drop_decision drop_policy_decide(enum drop_policy policy, const struct drop_facts *facts)
{
    bool can_archive = policy == POLICY_ARCHIVE && !facts->is_archive_failing;
    if (facts->is_full && policy == POLICY_DROP)
        return give_up(DROP_THESE, DROP_DROPPED, DROP_FULL);
    if (facts->is_full && can_archive)
        return give_up(DROP_THESE, DROP_ARCHIVED, DROP_FULL);
    if (!facts->is_pressed)
        return give_up(DROP_HOLD, DROP_DROPPED, DROP_PRESSURE);
    return give_up(DROP_OLDEST, can_archive ? DROP_ARCHIVED : DROP_DROPPED,
                   facts->is_full || policy == POLICY_KEEP ? DROP_PRESSURE : DROP_UNREACHABLE);
}
