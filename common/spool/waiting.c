#include "common/spool/waiting.h"

#include <errno.h>
#include <sys/stat.h>
#include <xxhash.h>

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

/* --- groups ----------------------------------------------------------------------------------------- */

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

/* --- segments --------------------------------------------------------------------------------------- */

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
    waiting->now_ms = waiting_clock_ms();
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

/* --- what others read ------------------------------------------------------------------------------- */

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
