#include "common/spool/waiting_plan.h"

#include "common/segment/flake.h"

size_t batch_choose(const struct waiting_segment *segments, size_t count, const struct batch_limits *limits,
                    bool is_old, size_t *unmeasured)
{
    uint64_t raw_bytes = 0, blocks = 0;
    *unmeasured = count;
    for (size_t i = 0; i < count; i++) {
        if (!segments[i].is_measured) {
            *unmeasured = i;
            return 0;
        }
        if (i > 0 && blocks + segments[i].blocks > limits->blocks)
            return i;
        raw_bytes += segments[i].raw_bytes;
        blocks += segments[i].blocks;
        if (raw_bytes >= limits->raw_bytes || i + 1 >= limits->files)
            return i + 1;
    }
    return is_old ? count : 0;
}

bool waiting_is_old(const struct waiting *waiting, const struct waiting_group *group, int64_t age_ms,
                    int64_t wall_ms)
{
    struct flake flake;
    if (group->count == 0)
        return false;
    const struct waiting_segment *oldest = &waiting->segments[group->first];
    if ((int64_t)(uint32_t)(waiting_clock_ms() - oldest->seen_ms) >= age_ms)
        return true;
    flake_decompose(oldest->id, &flake);
    return wall_ms - (int64_t)flake.unix_ms >= age_ms;
}

static uint32_t at_most_u32(uint64_t number)
{
    return number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

static void measure(struct waiting *waiting, const struct waiting_group *group, size_t index,
                    const struct waiting_ruler *ruler)
{
    char file[NAME_FILE_MAX_BYTES + 1];
    struct walk_sums sums;
    struct waiting_segment *segment = &waiting->segments[group->first + index];
    waiting_name(waiting, group, index, file);
    /* What cannot be measured counts as small: the worker that takes it will say what is wrong with it. */
    if (walk_measure(ruler->walk, ruler->dir, file, &sums) == 0) {
        segment->raw_bytes = sums.raw_bytes;
        segment->rows = at_most_u32(sums.rows);
        segment->blocks = at_most_u32(sums.blocks);
    }
    segment->is_measured = true;
}

/* How many make a batch, measuring what must be known. False: no budget left. */
static bool choose(struct waiting *waiting, const struct waiting_group *group,
                   const struct batch_limits *limits, struct waiting_ruler *ruler, size_t *count)
{
    bool is_old = waiting_is_old(waiting, group, limits->age_ms, wall_now_ms());
    size_t unmeasured;
    for (;;) {
        *count = batch_choose(waiting->segments + group->first, group->count, limits, is_old, &unmeasured);
        if (*count > 0 || unmeasured >= group->count)
            return true;
        for (size_t end = unmeasured + 64; unmeasured < end && unmeasured < group->count; unmeasured++) {
            if (waiting->segments[group->first + unmeasured].is_measured)
                continue;
            if (ruler->budget == 0)
                return false;
            ruler->budget--;
            measure(waiting, group, unmeasured, ruler);
        }
    }
}

static int by_age(const void *a, const void *b, void *arg)
{
    const struct waiting *waiting = arg;
    uint64_t x = waiting->segments[waiting->groups[*(const uint32_t *)a].first].id;
    uint64_t y = waiting->segments[waiting->groups[*(const uint32_t *)b].first].id;
    return x < y ? -1 : x > y;
}

static bool reserve_due(struct waiting *waiting)
{
    uint32_t *due = realloc(waiting->due, (waiting->group_count + 1) * sizeof *due);
    if (due)
        waiting->due = due;
    return due != NULL;
}

bool waiting_find_due(struct waiting *waiting, const struct batch_limits *limits, struct waiting_ruler *ruler)
{
    bool is_complete = true;
    waiting->due_count = waiting->due_next = 0;
    if (!reserve_due(waiting))
        return false;
    for (size_t i = 0; i < waiting->group_count; i++) {
        size_t count;
        if (waiting->groups[i].count == 0)
            continue;
        /* What is old is due whatever its size: that is found out when its turn comes. */
        if (waiting_is_old(waiting, &waiting->groups[i], limits->age_ms, wall_now_ms()))
            count = 1;
        else if (!choose(waiting, &waiting->groups[i], limits, ruler, &count))
            is_complete = false;
        if (count > 0)
            waiting->due[waiting->due_count++] = (uint32_t)i;
    }
    qsort_r(waiting->due, waiting->due_count, sizeof *waiting->due, by_age, waiting);
    return is_complete;
}

struct waiting_group *waiting_next_due(struct waiting *waiting, const struct batch_limits *limits,
                                       struct waiting_ruler *ruler, size_t *count)
{
    while (waiting->due_next < waiting->due_count) {
        struct waiting_group *group = &waiting->groups[waiting->due[waiting->due_next]];
        ruler->budget = UINT32_MAX;
        if (group->count > 0 && choose(waiting, group, limits, ruler, count) && *count > 0)
            return group;
        waiting->due_next++;
    }
    return NULL;
}

/* --- new data beside old ---------------------------------------------------------------------------- */

static int64_t age_of(uint64_t id, int64_t wall_ms)
{
    struct flake flake;
    flake_decompose(id, &flake);
    return wall_ms - (int64_t)flake.unix_ms;
}

/* How many of the group's last segments are fresh and make a batch together. */
static size_t choose_tail(struct waiting *waiting, const struct waiting_group *group,
                          const struct batch_limits *limits, const struct waiting_ruler *ruler,
                          int64_t fresh_ms, int64_t wall_ms)
{
    uint64_t raw_bytes = 0, blocks = 0;
    size_t count = 0;
    while (count < group->count && count < limits->files && raw_bytes < limits->raw_bytes) {
        size_t index = group->count - 1 - count;
        const struct waiting_segment *segment = &waiting->segments[group->first + index];
        if (age_of(segment->id, wall_ms) >= fresh_ms)
            break;
        if (!segment->is_measured)
            measure(waiting, group, index, ruler);
        if (count > 0 && blocks + segment->blocks > limits->blocks)
            break;
        raw_bytes += segment->raw_bytes;
        blocks += segment->blocks;
        count++;
    }
    if (count == 0 || raw_bytes >= limits->raw_bytes || count >= limits->files)
        return count;
    return age_of(waiting->segments[group->first + group->count - count].id, wall_ms) >= limits->age_ms
               ? count
               : 0;
}

/* The one with the oldest segment of those that are due and were not emptied since. */
static const struct waiting_group *first_due(struct waiting *waiting)
{
    for (; waiting->due_next < waiting->due_count; waiting->due_next++) {
        const struct waiting_group *group = &waiting->groups[waiting->due[waiting->due_next]];
        if (group->count > 0)
            return group;
    }
    return NULL;
}

struct waiting_group *waiting_newest(struct waiting *waiting, const struct batch_limits *limits,
                                     struct waiting_ruler *ruler, int64_t fresh_ms, int64_t wall_ms,
                                     size_t *count)
{
    struct waiting_group *newest = NULL;
    uint64_t newest_id = 0;
    const struct waiting_group *oldest = first_due(waiting);
    if (!oldest || age_of(waiting->segments[oldest->first].id, wall_ms) < fresh_ms)
        return NULL;
    for (size_t i = 0; i < waiting->group_count; i++) {
        struct waiting_group *group = &waiting->groups[i];
        uint64_t id = group->count > 0 ? waiting->segments[group->first + group->count - 1].id : 0;
        if (id > newest_id) {
            newest_id = id;
            newest = group;
        }
    }
    *count = newest ? choose_tail(waiting, newest, limits, ruler, fresh_ms, wall_ms) : 0;
    return *count > 0 ? newest : NULL;
}
