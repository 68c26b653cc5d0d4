/* When segments of a database in failover are given up, as a pure function (failover.md §5):
 *
 *                  the sacrificial instance is full         it cannot be reached
 *     drop         they are dropped                         held; under pressure the oldest are dropped
 *     archive      they are archived                        held; under pressure the oldest are archived
 *     keep         held; under pressure the oldest go       held; under pressure the oldest are dropped
 *
 * "Under pressure": our own disk's pressure is high or full. What is held is sent again with backoff. When
 * the archive takes nothing, "archive" holds, and under pressure drops the oldest: one dead database does not
 * fill the disk on which all others depend. Where the pressure is not known, nothing is dropped for it.
 * Thread-safe. */
#ifndef SPILLWAY_PEERD_DROP_POLICY_H
#define SPILLWAY_PEERD_DROP_POLICY_H

#include "peerd/failover/drops.h"

enum drop_policy { POLICY_DROP, POLICY_KEEP, POLICY_ARCHIVE }; /* in the order of the key's words */

struct drop_facts {
    bool is_full;            /* the sacrificial instance said 429, for this database in failover */
    bool is_pressed;         /* our own disk */
    bool is_archive_failing; /* the last attempt to archive failed */
};

enum drop_action {
    DROP_HOLD,
    DROP_THESE,  /* those that were refused */
    DROP_OLDEST, /* of all that we hold of this database, the oldest, until the pressure is gone */
};

struct drop_decision {
    enum drop_action action;
    enum drop_fate fate;
    enum drop_reason reason;
};

struct drop_decision drop_policy_decide(enum drop_policy policy, const struct drop_facts *facts);

#endif
