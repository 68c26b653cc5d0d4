#include "walwriter/slots_parts.h"

/* --- now -------------------------------------------------------------------------------------------- */

void slots_mark_dirty(struct slots *slots, struct slot *slot)
{
    if (slots->settings->sync != SYNC_INTERVAL && slots->settings->sync != SYNC_ALWAYS)
        return;
    if (list_is_empty(&slots->dirty))
        slots->dirty_since = mono_now();
    if (!list_has(&slot->dirty))
        list_append(&slots->dirty, &slot->dirty);
}

size_t slots_sync_some(struct slots *slots, struct slot **some, size_t count)
{
    enum { AT_ONCE = 1024 };
    struct writer *writers[AT_ONCE];
    size_t failed = 0;
    for (size_t done = 0, n; done < count; done += n) {
        for (n = 0; n < AT_ONCE && done + n < count; n++)
            writers[n] = &some[done + n]->writer;
        failed += writers_sync(writers, n);
        total_add(&slots->totals->syncs, 1);
    }
    for (size_t i = 0; i < count; i++)
        if (writer_is_durable(&some[i]->writer)) {
            list_remove(&some[i]->dirty);
            slots_settle(slots, some[i]);
        }
    return failed;
}

size_t slots_sync(struct slots *slots)
{
    size_t count = 0, room = slots->count;
    if (list_is_empty(&slots->dirty))
        return 0;
    struct slot **some = calloc(room + 1, sizeof *some);
    struct slot *one = NULL;
    struct slot **list = some ? some : &one;
    size_t most = some ? room : 1, failed = 0;
    /* Without memory for all of them: one by one. */
    for (struct link *l = slots->dirty.next, *next; l != &slots->dirty; l = next) {
        next = l->next;
        list[count++] = LIST_ENTRY(l, struct slot, dirty);
        if (count == most || next == &slots->dirty) {
            failed += slots_sync_some(slots, list, count);
            count = 0;
        }
    }
    free(some);
    slots->dirty_since = mono_now();
    return failed;
}

void slots_forget_failed(struct slots *slots)
{
    for (struct link *l = slots->dirty.next, *next; l != &slots->dirty; l = next) {
        struct slot *slot = LIST_ENTRY(l, struct slot, dirty);
        next = l->next;
        if (slot->writer.has_failed) {
            total_add(&slots->totals->segments_failed, 1);
            slots_end(slots, slot);
        }
    }
}

/* --- by the syncer ---------------------------------------------------------------------------------- */

/* Those with bytes that the syncer is to see to: what is dirty, and what waits to be sealed. */
static void begin_sync(struct slots *slots)
{
    for (struct link *l = slots->closing.next; l != &slots->closing; l = l->next)
        list_append(&slots->syncing, &LIST_ENTRY(l, struct slot, closing)->syncing);
    while (!list_is_empty(&slots->dirty)) {
        struct slot *slot = LIST_ENTRY(slots->dirty.next, struct slot, dirty);
        list_remove(&slot->dirty);
        list_append(&slots->syncing, &slot->syncing);
    }
    for (struct link *l = slots->syncing.next; l != &slots->syncing; l = l->next) {
        struct slot *slot = LIST_ENTRY(l, struct slot, syncing);
        slot->goal_bytes = slot->writer.size_bytes;
    }
    slots->sync_ticket = syncer_ask(slots->syncer);
    total_add(&slots->totals->syncs, 1);
}

static void end_sync(struct slots *slots, bool is_done)
{
    slots->sync_ticket = 0;
    while (!list_is_empty(&slots->syncing)) {
        struct slot *slot = LIST_ENTRY(slots->syncing.next, struct slot, syncing);
        struct writer *w = &slot->writer;
        list_remove(&slot->syncing);
        if (!is_done) {
            list_append(&slots->dirty, &slot->dirty);
            continue;
        }
        if (slot->goal_bytes > w->synced_bytes)
            w->synced_bytes = slot->goal_bytes;
        w->is_entry_synced = true;
        slots_settle(slots, slot);
    }
    if (is_done)
        return;
    (void)slots_sync(slots);
    slots_forget_failed(slots);
}

struct mono slots_sync_due(const struct slots *slots)
{
    if (!slots->syncer || slots->sync_ticket)
        return slots_never; /* it wakes us */
    if (!list_is_empty(&slots->closing))
        return (struct mono){0};
    bool is_wanted = slots->settings->sync == SYNC_INTERVAL && !list_is_empty(&slots->dirty);
    return is_wanted ? slots_later(slots->dirty_since, SYNC_INTERVAL_MS) : slots_never;
}

void slots_tick_sync(struct slots *slots)
{
    if (slots->sync_ticket) {
        enum syncer_state state = syncer_state(slots->syncer, slots->sync_ticket);
        if (state != SYNCER_WAITING)
            end_sync(slots, state == SYNCER_DONE);
    }
    if (mono_is_past(slots_sync_due(slots)))
        begin_sync(slots);
}
