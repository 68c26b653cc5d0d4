#include "common/spool/waiting.h"

#include <errno.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "common/segment/flake.h"

enum {
    RACY_MS = 2000
}; /* a directory that changed so shortly before a scan may have changed after it, too */

static const uint32_t NO_GROUP = UINT32_MAX, NO_SEGMENT = UINT32_MAX;

void waiting_init(struct waiting *waiting)
{
    *waiting = (struct waiting){0};
}

void waiting_fini(struct waiting *waiting)
{
    for (size_t i = 0; i < waiting->group_count; i++)
        free(waiting->groups[i].table);
    free(waiting->groups);
    free(waiting->chains);
    free(waiting->segments);
    free(waiting->index);
    free(waiting->due);
    waiting_init(waiting);
}

/* --- groups ------------------------------------------------------------------------------------------------
 */

static size_t chain_of(const struct waiting *waiting, const char *table, bool has_schema,
                       uint64_t schema_hash, enum segment_format format)
{
    uint64_t seed = schema_hash + (has_schema ? 2u : 0u) + (uint64_t)format;
    return XXH64(table, strlen(table), seed) & (waiting->chain_count - 1);
}

static void link_group(struct waiting *waiting, uint32_t index)
{
    struct waiting_group *g = &waiting->groups[index];
    uint32_t *chain = &waiting->chains[chain_of(waiting, g->table, g->has_schema, g->schema_hash, g->format)];
    g->next = *chain;
    *chain = index;
}

static int rehash(struct waiting *waiting, size_t chain_count)
{
    uint32_t *chains = malloc(chain_count * sizeof *chains);
    if (!chains)
        return -ENOMEM;
    memset(chains, 0xff, chain_count * sizeof *chains);
    free(waiting->chains);
    waiting->chains = chains;
    waiting->chain_count = chain_count;
    for (size_t i = 0; i < waiting->group_count; i++)
        link_group(waiting, (uint32_t)i);
    return 0;
}

static bool is_group(const struct waiting_group *g, const struct segment_name *name)
{
    return g->schema_hash == name->schema_hash && g->has_schema == name->has_schema &&
           g->format == name->format && strcmp(g->table, name->table) == 0;
}

static int add_group(struct waiting *waiting, const struct segment_name *name, uint32_t *index)
{
    if (waiting->group_count >= waiting->group_capacity) {
        size_t capacity = waiting->group_capacity > 0 ? waiting->group_capacity * 2 : 16;
        struct waiting_group *groups = realloc(waiting->groups, capacity * sizeof *groups);
        if (!groups)
            return -ENOMEM;
        waiting->groups = groups;
        waiting->group_capacity = capacity;
    }
    if (waiting->group_count >= waiting->chain_count) {
        int rc = rehash(waiting, waiting->chain_count > 0 ? 2 * waiting->chain_count : 16);
        if (rc)
            return rc;
    }
    char *table = strdup(name->table);
    if (!table)
        return -ENOMEM;
    *index = (uint32_t)waiting->group_count++;
    waiting->groups[*index] = (struct waiting_group){.table = table,
                                                     .schema_hash = name->schema_hash,
                                                     .has_schema = name->has_schema,
                                                     .format = name->format};
    link_group(waiting, *index);
    return 0;
}

static int find_group(struct waiting *waiting, const struct segment_name *name, uint32_t *index)
{
    if (waiting->chain_count > 0) {
        size_t chain = chain_of(waiting, name->table, name->has_schema, name->schema_hash, name->format);
        for (*index = waiting->chains[chain]; *index != NO_GROUP; *index = waiting->groups[*index].next)
            if (is_group(&waiting->groups[*index], name))
                return 0;
    }
    return add_group(waiting, name, index);
}

/* Tables that have nothing any more are forgotten when they are the most. */
static void drop_empty_groups(struct waiting *waiting)
{
    size_t kept = 0, empty = 0;
    for (size_t i = 0; i < waiting->group_count; i++)
        empty += waiting->groups[i].count == 0;
    if (empty < 64 || empty * 2 < waiting->group_count)
        return;
    for (size_t i = 0; i < waiting->group_count; i++) {
        struct waiting_group *g = &waiting->groups[i];
        if (g->count == 0) {
            free(g->table);
            continue;
        }
        for (uint32_t k = 0; k < g->count; k++)
            waiting->segments[g->first + k].group = (uint32_t)kept;
        waiting->groups[kept++] = *g;
    }
    waiting->group_count = kept;
    /* Fewer groups than chains: this allocates no more than there was, and without memory the old table is
     * cleared. */
    memset(waiting->chains, 0xff, waiting->chain_count * sizeof *waiting->chains);
    for (size_t i = 0; i < kept; i++)
        link_group(waiting, (uint32_t)i);
}

/* --- segments
 * ------------------------------------------------------------------------------------------------ */

static int by_group_and_id(const void *a, const void *b)
{
    const struct waiting_segment *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Where the segment with this name is in the index, or the free place where it would be. */
static size_t place_of(const struct waiting *waiting, uint64_t name_hash)
{
    size_t at = name_hash & (waiting->index_count - 1);
    while (waiting->index[at] != NO_SEGMENT && waiting->segments[waiting->index[at]].name_hash != name_hash)
        at = (at + 1) & (waiting->index_count - 1);
    return at;
}

static struct waiting_segment *find_known(struct waiting *waiting, uint64_t name_hash)
{
    if (waiting->index_count == 0)
        return NULL;
    uint32_t at = waiting->index[place_of(waiting, name_hash)];
    return at == NO_SEGMENT ? NULL : &waiting->segments[at];
}

/* After segments have moved. Without memory there is none, and each name is parsed. */
static void rebuild_index(struct waiting *waiting)
{
    size_t count = 64;
    while (count < waiting->count * 2)
        count *= 2;
    if (count != waiting->index_count) {
        free(waiting->index);
        waiting->index = malloc(count * sizeof *waiting->index);
        waiting->index_count = waiting->index ? count : 0;
    }
    if (!waiting->index)
        return;
    memset(waiting->index, 0xff, count * sizeof *waiting->index);
    for (size_t i = 0; i < waiting->count; i++)
        waiting->index[place_of(waiting, waiting->segments[i].name_hash)] = (uint32_t)i;
}

static int add_segment(struct waiting *waiting, uint32_t group, uint64_t id, uint64_t name_hash)
{
    if (!waiting->segments || waiting->count >= waiting->capacity) {
        size_t capacity = waiting->capacity > 0 ? waiting->capacity + waiting->capacity / 2 : 64;
        struct waiting_segment *segments = realloc(waiting->segments, capacity * sizeof *segments);
        if (!segments)
            return -ENOMEM;
        waiting->segments = segments;
        waiting->capacity = capacity;
    }
    waiting->segments[waiting->count++] = (struct waiting_segment){
        .id = id, .name_hash = name_hash, .group = group, .seen_ms = waiting->now_ms, .is_present = true};
    return 0;
}

static int see_file(void *arg, const struct spool_place *place, int dir, const char *file)
{
    (void)place, (void)dir;
    struct waiting *waiting = arg;
    struct segment_name name;
    uint32_t group;
    uint64_t name_hash = XXH64(file, strlen(file), 0);
    struct waiting_segment *known = find_known(waiting, name_hash);
    if (known) {
        known->is_present = true;
        return 0;
    }
    if (segment_name_parse(file, &name) != NAME_OK) {
        waiting->strays++;
        return 0;
    }
    int rc = find_group(waiting, &name, &group);
    if (rc)
        return rc;
    struct waiting_segment key = {.group = group, .id = name.id};
    struct waiting_segment *found =
        waiting->segments && waiting->sorted > 0
            ? bsearch(&key, waiting->segments, waiting->sorted, sizeof key, by_group_and_id)
            : NULL;
    if (!found)
        return add_segment(waiting, group, name.id, name_hash);
    found->is_present = true;
    return 0;
}

static void find_ranges(struct waiting *waiting)
{
    for (size_t i = 0; i < waiting->group_count; i++)
        waiting->groups[i].count = 0;
    for (size_t i = 0; i < waiting->count; i++) {
        struct waiting_group *g = &waiting->groups[waiting->segments[i].group];
        if (g->count++ == 0)
            g->first = (uint32_t)i;
    }
}

/* Bring those behind the first `sorted` into order with them. */
static void sort_new(struct waiting *waiting, size_t sorted)
{
    struct waiting_segment *all = waiting->segments;
    size_t fresh = waiting->count - sorted, at = waiting->count;
    struct waiting_segment *copy = malloc(fresh * sizeof *copy);
    if (!copy) {
        qsort(all, waiting->count, sizeof *all, by_group_and_id);
        return;
    }
    memcpy(copy, all + sorted, fresh * sizeof *copy);
    qsort(copy, fresh, sizeof *copy, by_group_and_id);
    while (fresh > 0) {
        bool is_old_last = sorted > 0 && by_group_and_id(&all[sorted - 1], &copy[fresh - 1]) > 0;
        all[--at] = is_old_last ? all[--sorted] : copy[--fresh];
    }
    free(copy);
}

/* What was not seen is gone; the rest goes into order. */
static void settle(struct waiting *waiting)
{
    size_t kept = 0, kept_sorted = 0, had = waiting->count, had_sorted = waiting->sorted;
    for (size_t i = 0; i < waiting->count; i++) {
        if (!waiting->segments[i].is_present)
            continue;
        waiting->segments[kept++] = waiting->segments[i];
        kept_sorted += i < waiting->sorted;
    }
    waiting->count = kept;
    if (kept_sorted < kept)
        sort_new(waiting, kept_sorted);
    waiting->sorted = kept;
    if (kept < had || had_sorted < had)
        rebuild_index(waiting);
    if (waiting->capacity > 1024 && kept < waiting->capacity / 4) {
        struct waiting_segment *smaller = realloc(waiting->segments, waiting->capacity / 2 * sizeof *smaller);
        if (smaller) {
            waiting->segments = smaller;
            waiting->capacity /= 2;
        }
    }
    find_ranges(waiting);
    drop_empty_groups(waiting);
}

static uint32_t monotonic_ms(void)
{
    return (uint32_t)(uint64_t)(mono_now().ns / 1000000);
}

/* Its mtime, and whether it is the one of the last scan, beyond doubt. */
static bool is_unchanged(struct waiting *waiting, const struct spool *spool, enum spool_queue queue,
                         const char *db_folder, struct timespec *mtime)
{
    struct spool_place place = spool_place(queue, db_folder);
    struct stat st = {0};
    int dir = spool_place_open(spool, &place, false);
    if (dir >= 0) {
        if (fstat(dir, &st) != 0)
            st.st_mtim = (struct timespec){0};
        close(dir);
    }
    *mtime = st.st_mtim;
    int64_t changed_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    int64_t age_ms = wall_now_ms() - changed_ms - mono_since_ms(waiting->scanned);
    return waiting->has_scanned && st.st_mtim.tv_sec == waiting->changed.tv_sec &&
           st.st_mtim.tv_nsec == waiting->changed.tv_nsec && age_ms > RACY_MS;
}

int waiting_scan(struct waiting *waiting, const struct spool *spool, enum spool_queue queue,
                 const char *db_folder, bool force)
{
    struct timespec mtime;
    if (is_unchanged(waiting, spool, queue, db_folder, &mtime) && !force)
        return 0;
    waiting->scanned = mono_now();
    waiting->now_ms = monotonic_ms();
    waiting->strays = 0;
    waiting->due_count = waiting->due_next = 0;
    for (size_t i = 0; i < waiting->count; i++)
        waiting->segments[i].is_present = false;
    int rc = spool_walk(spool, queue, db_folder, see_file, waiting);
    if (rc) { /* half seen: what is missing may be there */
        for (size_t i = 0; i < waiting->count; i++)
            waiting->segments[i].is_present = true;
    }
    settle(waiting);
    waiting->has_scanned = rc == 0;
    waiting->changed = mtime;
    return rc;
}

/* --- planning
 * -------------------------------------------------------------------------------------------------- */

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
    if ((int64_t)(uint32_t)(monotonic_ms() - oldest->seen_ms) >= age_ms)
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

/* --- new data beside old --------------------------------------------------------------------------- */

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

struct waiting_group *waiting_newest(struct waiting *waiting, const struct batch_limits *limits,
                                     struct waiting_ruler *ruler, int64_t fresh_ms, int64_t wall_ms,
                                     size_t *count)
{
    struct waiting_group *newest = NULL;
    uint64_t newest_id = 0;
    if (waiting->due_next >= waiting->due_count)
        return NULL;
    const struct waiting_group *oldest = &waiting->groups[waiting->due[waiting->due_next]];
    if (oldest->count == 0 || age_of(waiting->segments[oldest->first].id, wall_ms) < fresh_ms)
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

void waiting_name(const struct waiting *waiting, const struct waiting_group *group, size_t index,
                  char file[static NAME_FILE_MAX_BYTES + 1])
{
    struct segment_name name = {.has_schema = group->has_schema,
                                .schema_hash = group->schema_hash,
                                .id = waiting->segments[group->first + index].id,
                                .format = group->format};
    snprintf(name.table, sizeof name.table, "%s", group->table);
    if (segment_name_build(&name, file) != NAME_OK) /* it was parsed from one */
        file[0] = '\0';
}

void waiting_drop(struct waiting *waiting, struct waiting_group *group, size_t count)
{
    (void)waiting;
    group->first += (uint32_t)count;
    group->count -= (uint32_t)count;
}

void waiting_sum(const struct waiting *waiting, struct waiting_sums *sums)
{
    *sums = (struct waiting_sums){0};
    for (size_t i = 0; i < waiting->group_count; i++) {
        const struct waiting_group *g = &waiting->groups[i];
        sums->segments += g->count;
        sums->groups += g->count > 0;
        for (uint32_t k = 0; k < g->count; k++) {
            const struct waiting_segment *s = &waiting->segments[g->first + k];
            sums->rows += s->rows;
            sums->raw_bytes += s->raw_bytes;
            sums->unmeasured += !s->is_measured;
        }
    }
}
