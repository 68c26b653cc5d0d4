#include "walwriter/slots_parts.h"

#include <assert.h>
#include <errno.h>

#include "common/base/crash.h"
#include "common/base/log.h"

enum { PARK_SHARE = 16 }; /* one of so many open files is parked at once: they share a sync */

void slots_init(struct slots *slots, const struct receive_settings *settings, struct spool *spool,
                struct registry *registry, struct totals *totals)
{
    *slots = (struct slots){.settings = settings, .spool = spool, .registry = registry, .totals = totals};
    hints_init(&slots->hints, spool);
    list_init(&slots->recent);
    list_init(&slots->aging);
    list_init(&slots->dirty);
    list_init(&slots->closing);
    list_init(&slots->ready);
    list_init(&slots->syncing);
    list_init(&slots->dead);
}

int slots_lease(struct slots *slots, struct database *database, struct lease **lease, struct err *err)
{
    int rc = database->lease ? 0
                             : lease_open(&database->lease, slots->spool, database->name,
                                          slots->settings->is_guarded, err);
    *lease = database->lease;
    return rc;
}

/* --- one slot --------------------------------------------------------------------------------------- */

static struct slot **place_of(struct slot *slot)
{
    return slot->is_bad ? &slot->table->bad : &slot->table->rows;
}

static void set_gauges(struct slots *slots)
{
    total_set(&slots->totals->open_files, slots->open_count);
    total_set(&slots->totals->segments_open, slots->count);
}

/* No more rows for this segment; the table's next ones go to a new one. */
static void detach(struct slot *slot)
{
    if (*place_of(slot) == slot)
        *place_of(slot) = NULL;
    list_remove(&slot->aging);
}

static void note_closed(struct slots *slots, struct slot *slot)
{
    if (list_has(&slot->recent)) {
        list_remove(&slot->recent);
        slots->open_count--;
    }
}

void slots_note_opened(struct slots *slots, struct slot *slot)
{
    if (!list_has(&slot->recent))
        slots->open_count++;
    list_append(&slots->recent, &slot->recent);
}

/* The end of a slot, whose file is sealed, or left where it is. Who has a pointer to it may look whether it
 * has failed until slots_bury(). */
void slots_end(struct slots *slots, struct slot *slot)
{
    struct table *table = slot->table;
    detach(slot);
    note_closed(slots, slot);
    list_remove(&slot->dirty);
    list_remove(&slot->syncing);
    list_append(&slots->dead, &slot->closing);
    writer_abandon(&slot->writer);
    faults_fini(&slot->faults);
    slots->count--;
    set_gauges(slots);
    if (--table->segments == 0)
        registry_release(slots->registry, table);
}

void slots_bury(struct slots *slots)
{
    while (!list_is_empty(&slots->dead)) {
        struct slot *slot = LIST_ENTRY(slots->dead.next, struct slot, closing);
        list_remove(&slot->closing);
        free(slot);
    }
}

void slots_close(struct slots *slots, struct slot *slot)
{
    detach(slot);
    if (slot->writer.has_failed) {
        total_add(&slots->totals->segments_failed, 1);
        slots_end(slots, slot);
        return;
    }
    if (!list_has(&slot->closing))
        list_append(&slots->closing, &slot->closing);
    slots_settle(slots, slot);
}

void slots_settle(struct slots *slots, struct slot *slot)
{
    bool is_safe = slots->settings->sync == SYNC_NEVER || writer_is_durable(&slot->writer);
    if (list_has(&slot->closing) && is_safe)
        list_append(&slots->ready, &slot->closing);
}

void slots_close_all(struct slots *slots, const struct database *database, int64_t older_ms)
{
    struct link *next;
    for (struct link *l = slots->aging.next; l != &slots->aging; l = next) {
        struct slot *slot = LIST_ENTRY(l, struct slot, aging);
        next = l->next;
        if (older_ms > 0 && mono_since_ms(slot->writer.created) < older_ms)
            break;
        if (!database || slot->table->database == database)
            slots_close(slots, slot);
    }
}

void slots_fini(struct slots *slots)
{
    slots_close_all(slots, NULL, 0);
    while (!list_is_empty(&slots->closing))
        slots_end(slots, LIST_ENTRY(slots->closing.next, struct slot, closing));
    while (!list_is_empty(&slots->ready))
        slots_end(slots, LIST_ENTRY(slots->ready.next, struct slot, closing));
    slots_bury(slots);
    hints_fini(&slots->hints);
}

/* --- open files ------------------------------------------------------------------------------------- */

/* Park the least recently used, all of them synced together first. */
static void park_some(struct slots *slots, size_t count)
{
    struct slot **some = malloc(count * sizeof *some);
    size_t n = 0, dirty = 0;
    if (!some)
        return;
    for (struct link *l = slots->recent.next; l != &slots->recent && n < count; l = l->next) {
        struct slot *slot = LIST_ENTRY(l, struct slot, recent);
        some[n++] = slot;
    }
    if (slots->settings->sync != SYNC_NEVER) {
        struct slot **unsynced = malloc(count * sizeof *unsynced);
        for (size_t i = 0; i < n && unsynced; i++)
            if (!writer_is_durable(&some[i]->writer))
                unsynced[dirty++] = some[i];
        if (unsynced)
            (void)slots_sync_some(slots, unsynced, dirty);
        free(unsynced);
    }
    for (size_t i = 0; i < n; i++) {
        bool is_safe = slots->settings->sync == SYNC_NEVER || writer_is_durable(&some[i]->writer);
        if (!is_safe || writer_park(&some[i]->writer) != 0)
            continue;
        note_closed(slots, some[i]);
        total_add(&slots->totals->files_parked, 1);
    }
    free(some);
}

void slots_make_open(struct slots *slots)
{
    size_t limit = slots->settings->open_max, share = limit / PARK_SHARE;
    if (slots->open_count + slots->outside < limit)
        return;
    park_some(slots, share > 0 ? share : 1);
}

/* 0; -ESTALE: an adopter has it, with all its rows; another error: later. */
int slots_reopen(struct slots *slots, struct slot *slot)
{
    if (!writer_is_parked(&slot->writer))
        return 0;
    slots_make_open(slots);
    int rc = writer_unpark(&slot->writer);
    if (rc == 0) {
        slots_note_opened(slots, slot);
        total_add(&slots->totals->files_reopened, 1);
    }
    return rc;
}

static int create(struct slots *slots, struct table *table, bool is_bad, size_t bytes, struct slot **out,
                  struct err *err)
{
    struct lease *lease;
    enum writer_fate fate = is_bad ? WRITER_REFUSED : WRITER_ROWS;
    int rc = slots_lease(slots, table->database, &lease, err);
    /* No file is made for a block that would then not fit. */
    if (rc == 0)
        rc = lease_take_file(lease, writer_cost(&table->origin, fate, bytes), err);
    struct slot *slot = rc == 0 ? calloc(1, sizeof *slot) : NULL;
    if (rc == 0 && !slot)
        rc = err_set(err, -ENOMEM, "out of memory");
    if (rc)
        return rc;
    slots_make_open(slots);
    slot->table = table;
    slot->is_bad = is_bad;
    rc = writer_create(&slot->writer, slots->spool, lease, &table->origin, fate, err);
    if (rc) {
        free(slot);
        return rc;
    }
    if (table->segments++ == 0)
        registry_use(slots->registry, table);
    *place_of(slot) = slot;
    slots->count++;
    list_append(&slots->aging, &slot->aging);
    *out = slot;
    return 0;
}

/* --- appending -------------------------------------------------------------------------------------- */

/* The table's segment, open and with room for `bytes`; `*out` NULL: there is none. */
static int find_open(struct slots *slots, struct table *table, bool is_bad, size_t bytes, struct slot **out,
                     struct err *err)
{
    struct slot *slot = is_bad ? table->bad : table->rows;
    *out = NULL;
    if (slot && slot->writer.counts.blocks > 0 &&
        slot->writer.size_bytes + bytes > slots->settings->segment_bytes) {
        slots_close(slots, slot);
        slot = NULL;
    }
    if (slot && slot->writer.has_failed) {
        slots_end(slots, slot);
        return 0;
    }
    int rc = slot ? slots_reopen(slots, slot) : 0;
    if (rc == -ESTALE) {
        total_add(&slots->totals->files_lost, 1);
        log_warn("parked-adopted", log_s("file", slot->writer.file),
                 log_s("meaning", "another program sealed it"));
        slots_end(slots, slot);
        return 0;
    }
    *out = rc ? NULL : slot;
    return rc ? err_errno(err, rc, "segment %s: cannot be opened again", slot->writer.file) : 0;
}

int slots_append(struct slots *slots, struct table *table, bool is_bad, const void *member, size_t bytes,
                 const struct writer_counts *counts, struct slot **out, struct err *err)
{
    int rc = find_open(slots, table, is_bad, bytes, out, err);
    if (rc == 0 && !*out)
        rc = create(slots, table, is_bad, bytes, out, err);
    if (rc)
        return rc;
    struct slot *slot = *out;
    rc = writer_append(&slot->writer, member, bytes, counts, err);
    if (rc == 0) {
        slots_note_opened(slots, slot);
        slots_mark_dirty(slots, slot);
        total_add(&slots->totals->blocks, 1);
        if (slots->settings->sync != SYNC_NEVER)
            writer_start_sync(&slot->writer);
    } else if (slot->writer.counts.rows == 0) {
        writer_discard(&slot->writer);
        slots_end(slots, slot);
    } else {
        slots_note_opened(slots, slot);
    }
    set_gauges(slots);
    return rc;
}

void slots_take_back(struct slots *slots, struct slot *slot, const struct writer_mark *mark)
{
    writer_rollback(&slot->writer, mark);
    if (slot->writer.counts.rows > 0)
        return;
    writer_discard(&slot->writer);
    slots_end(slots, slot);
}

/* --- leases ----------------------------------------------------------------------------------------- */

enum { KEPT_BYTES = 4 * WRITER_SEAL_BYTES, KEPT_A_FILE = 512 }; /* what directories may grow by at sealing */

struct idle {
    struct lease *leases[64];
    size_t count;
    int64_t keep;
};

static void note_idle(void *arg, struct database *database)
{
    struct idle *idle = arg;
    if (database->lease && idle->count < ARRAY_LEN(idle->leases) &&
        mono_is_past(lease_due(database->lease, idle->keep)))
        idle->leases[idle->count++] = database->lease;
}

void slots_tend_leases(struct slots *slots)
{
    struct idle idle = {.keep = KEPT_BYTES + (int64_t)slots->count * KEPT_A_FILE};
    registry_each(slots->registry, note_idle, &idle);
    for (size_t i = 0; i < idle.count; i++)
        lease_tick(idle.leases[i], idle.keep);
}

/* --- who is ours ------------------------------------------------------------------------------------ */

static int compare_ids(const void *a, const void *b)
{
    const uint64_t *first = a, *second = b;
    return (*first > *second) - (*first < *second);
}

int slots_ids(struct slots *slots, uint64_t **ids, size_t *count)
{
    uint64_t *list = malloc((slots->count + 1) * sizeof *list);
    if (!list)
        return -ENOMEM;
    *count = 0;
    for (struct link *l = slots->aging.next; l != &slots->aging; l = l->next)
        list[(*count)++] = LIST_ENTRY(l, struct slot, aging)->writer.id;
    for (struct link *l = slots->closing.next; l != &slots->closing; l = l->next)
        list[(*count)++] = LIST_ENTRY(l, struct slot, closing)->writer.id;
    for (struct link *l = slots->ready.next; l != &slots->ready; l = l->next)
        list[(*count)++] = LIST_ENTRY(l, struct slot, closing)->writer.id;
    qsort(list, *count, sizeof *list, compare_ids);
    *ids = list;
    return 0;
}
