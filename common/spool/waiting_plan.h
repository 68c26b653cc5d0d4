/* Which of the segments that wait (waiting.h) make a batch now, and in which order. One thread at a time. */
#ifndef SPILLWAY_SPOOL_WAITING_PLAN_H
#define SPILLWAY_SPOOL_WAITING_PLAN_H

#include "common/spool/waiting.h"
#include "common/spool/walk.h"

/* What makes a batch. */
struct batch_limits {
    uint64_t raw_bytes; /* it is full when it holds this much */
    uint64_t blocks;
    uint32_t files;
    int64_t age_ms; /* it is due when its oldest segment has waited this long */
};

enum { BATCH_BLOCKS_MAX = 256 << 10 };

/* How many segments, from the oldest on, make a batch now; 0: not due yet. All of the first `count` that
 * matter must be measured: *unmeasured is the index of the first that is not, when that is needed for an
 * answer (and then 0 is returned); else count. Pure. */
size_t batch_choose(const struct waiting_segment *segments, size_t count, const struct batch_limits *limits,
                    bool is_old, size_t *unmeasured);

/* Has the oldest segment of the group waited for age_ms? By the monotonic clock since it was first seen, or
 * by its id's own time: whichever is more, so that neither a restart nor a step of the wall clock delays it.
 */
bool waiting_is_old(const struct waiting *waiting, const struct waiting_group *group, int64_t age_ms,
                    int64_t wall_ms);

/* Measures files; at most `budget` of them before it says that more time is needed. */
struct waiting_ruler {
    struct walk *walk;
    int dir; /* of the queue's folder */
    unsigned budget;
};

/* Rebuild the list of due groups. False: the budget was spent before all was known; call again. */
bool waiting_find_due(struct waiting *waiting, const struct batch_limits *limits,
                      struct waiting_ruler *ruler);

/* The next group of the list, or NULL; *count is how many of its segments make the batch. */
struct waiting_group *waiting_next_due(struct waiting *waiting, const struct batch_limits *limits,
                                       struct waiting_ruler *ruler, size_t *count);

/* While old data is drained, new data must not wait behind all of it: if the oldest that is due is older than
 * fresh_ms, the group of the newest segment, and in *count how many of its last segments, all of them younger
 * than that, make a batch now. NULL: nothing is that old, or nothing new is due. */
struct waiting_group *waiting_newest(struct waiting *waiting, const struct batch_limits *limits,
                                     struct waiting_ruler *ruler, int64_t fresh_ms, int64_t wall_ms,
                                     size_t *count);

#endif
