#include <errno.h>

#include "common/base/log.h"
#include "walwriter/slots_parts.h"

enum {
    SEALED_AT_ONCE = 32, /* some milliseconds; then it is the requests' turn */
    AGED_AT_ONCE = 1024,
    RETRY_MS = 1000, /* before sealing is tried again that failed */
};

const struct mono slots_never = {INT64_MAX};

/* --- sealing ---------------------------------------------------------------------------------------- */

static json_t *why_of(const struct slot *slot)
{
    if (!slot->is_bad)
        return NULL;
    json_t *rows = slot->faults.list ? json_incref(slot->faults.list) : json_array();
    return json_pack("{s:s, s:s, s:I, s:o}", "reason", "rows that walwriter could not take", "input", "http",
                     "count", (json_int_t)slot->faults.count, "rows", rows);
}

void slots_note_sealed(struct slots *slots, const char *db, const struct writer *w)
{
    bool is_bad = writer_is_refused(w->fate);
    total_add(is_bad ? &slots->totals->segments_refused : &slots->totals->segments_sealed, 1);
    log_info(is_bad ? "refused" : "sealed", log_s("db", db), log_s("file", w->file),
             log_u("rows", w->counts.rows), log_u("raw_bytes", w->counts.raw_bytes),
             log_u("blocks", w->counts.blocks), log_u("bytes", w->size_bytes));
    if (slots->sealed && !is_bad)
        slots->sealed(slots->sealed_arg, db, w);
    slots->is_hint_due |= !is_bad;
}

/* What could not be sealed: later, where that may help; else it stays in active/, for adoption. */
static void note_unsealed(struct slots *slots, struct slot *slot, int rc)
{
    bool is_later = writer_is_full(rc) || rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM;
    log_error("not-sealed", log_s("file", slot->writer.file), log_s("cause", strerror(-rc)),
              log_s("action", is_later ? "tried again" : "left in active/, to be adopted"));
    if (is_later) {
        slots->retry_at = mono_after(RETRY_MS);
        list_append(&slots->ready, &slot->closing);
        return;
    }
    total_add(&slots->totals->segments_failed, 1);
    slots_end(slots, slot);
}

/* Take the next of `ready` that can be sealed; NULL: none. Those that are gone or empty end here. */
static struct slot *next_to_seal(struct slots *slots)
{
    while (!list_is_empty(&slots->ready)) {
        struct slot *slot = LIST_ENTRY(slots->ready.next, struct slot, closing);
        int rc = slots_reopen(slots, slot);
        if (rc == 0 && slot->writer.counts.rows > 0) {
            list_remove(&slot->closing);
            slots_note_opened(slots, slot);
            return slot;
        }
        if (rc && rc != -ESTALE) {
            note_unsealed(slots, slot, rc);
            return NULL;
        }
        if (rc == 0)
            writer_discard(&slot->writer);
        slots_end(slots, slot);
    }
    return NULL;
}

/* Their contents are as durable as they are to be; the syncer sees to the renames, and nobody waits for that:
 * until then a power cut takes them back to active/, where they are adopted. */
static void seal_some(struct slots *slots)
{
    struct sealing list[SEALED_AT_ONCE];
    struct slot *some[SEALED_AT_ONCE];
    size_t count = 0, most = slots->settings->open_max / 2;
    while (count < ARRAY_LEN(list) && count < most && (some[count] = next_to_seal(slots)) != NULL) {
        list[count] = (struct sealing){.writer = &some[count]->writer, .why = why_of(some[count])};
        if (some[count]->is_bad && !list[count].why) {
            note_unsealed(slots, some[count], -ENOMEM);
            break;
        }
        count++;
    }
    (void)writers_seal(list, count, false);
    for (size_t i = 0; i < count; i++) {
        json_decref(list[i].why);
        if (list[i].rc) {
            note_unsealed(slots, some[i], list[i].rc);
            continue;
        }
        slots_note_sealed(slots, some[i]->table->database->name, &some[i]->writer);
        slots_end(slots, some[i]);
    }
    if (slots->syncer && count > 0)
        slots->moved_ticket = syncer_ask(slots->syncer);
}

bool slots_is_settled(struct slots *slots)
{
    return slots->count == 0 &&
           (!slots->moved_ticket || syncer_state(slots->syncer, slots->moved_ticket) != SYNCER_WAITING);
}

/* --- time ------------------------------------------------------------------------------------------- */

struct mono slots_later(struct mono start, int64_t ms)
{
    return (struct mono){ms > (INT64_MAX - start.ns) / 1000000 ? INT64_MAX : start.ns + ms * 1000000};
}

static struct mono age_due(const struct slots *slots)
{
    if (list_is_empty(&slots->aging))
        return slots_never;
    const struct slot *oldest = LIST_ENTRY(slots->aging.next, struct slot, aging);
    return slots_later(oldest->writer.created, slots->settings->segment_age_ms);
}

struct mono slots_due(const struct slots *slots)
{
    struct mono due = mono_earlier(age_due(slots), slots_sync_due(slots));
    return list_is_empty(&slots->ready) ? due : mono_earlier(due, slots->retry_at);
}

void slots_tick(struct slots *slots)
{
    for (unsigned i = 0; i < AGED_AT_ONCE && mono_is_past(age_due(slots)); i++)
        slots_close(slots, LIST_ENTRY(slots->aging.next, struct slot, aging));
    slots_tick_sync(slots);
    if (!list_is_empty(&slots->ready) && mono_is_past(slots->retry_at))
        seal_some(slots);
    if (slots->is_hint_due)
        hints_give(&slots->hints);
    slots->is_hint_due = false;
}
