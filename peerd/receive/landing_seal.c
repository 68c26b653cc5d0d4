#include <errno.h>

#include "common/base/log.h"
#include "common/spool/writer_group.h"
#include "peerd/receive/landing_parts.h"

enum { SEALED_AT_ONCE = 32, SYNCED_AT_ONCE = 1024, RETRY_MS = 1000 };

/* --- durability ------------------------------------------------------------------------------------- */

static size_t gather(const struct link *head, bool all, struct writer **out, size_t count)
{
    for (struct link *l = head->next; l != head && count < SYNCED_AT_ONCE; l = l->next) {
        struct landing *landing = LIST_ENTRY(l, struct landing, link);
        bool is_due = (all || landing->is_touched) && !writer_is_durable(&landing->writer);
        if (is_due && !landing->writer.has_failed)
            out[count++] = &landing->writer;
    }
    return count;
}

void landings_sync(struct landings *landings, bool all)
{
    struct writer *list[SYNCED_AT_ONCE];
    size_t count;
    do {
        count = gather(&landings->open, all, list, 0);
        count = gather(&landings->ready, all, list, count);
        (void)writers_sync(list, count); /* has_failed tells of each */
    } while (count == SYNCED_AT_ONCE);
}

static void drop_failed(struct landings *landings, struct link *head)
{
    for (struct link *next, *l = head->next; l != head; l = next) {
        next = l->next;
        struct landing *landing = LIST_ENTRY(l, struct landing, link);
        if (!landing->writer.has_failed)
            continue;
        total_add(&landings->segments_failed, 1);
        landings->is_recovery_due = true;
        landing_end(landings, landing);
    }
}

void landings_drop_failed(struct landings *landings)
{
    drop_failed(landings, &landings->open);
    drop_failed(landings, &landings->ready);
}

/* --- sealing ---------------------------------------------------------------------------------------- */

/* The ids first: from the rename on nobody looks for markers in the file any more. */
static int write_ids(struct landings *landings, const struct sealing *list, struct landing *const *of,
                     size_t count, struct err *err)
{
    struct buf lines;
    int64_t grown = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += of[i]->lines.len;
    buf_init(&lines, bytes + 1);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = buf_put(&lines, of[i]->lines.data, of[i]->lines.len);
    rc = rc ? err_set(err, rc, "out of memory")
            : ledger_write(landings->ledger, &lines, landings->settings->sync != SYNC_NEVER, &grown, err);
    for (size_t i = 0; i < count && rc == 0 && bytes > 0; i++)
        lease_use(list[i].writer->lease, (int64_t)((double)grown * (double)of[i]->lines.len / (double)bytes));
    buf_fini(&lines);
    return rc;
}

static bool is_for_later(int rc)
{
    return writer_is_full(rc) || rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM;
}

/* Left in active/ with its markers, it is what a dead process left: recovery takes it. */
static void note_unsealed(struct landings *landings, struct landing *landing, int rc)
{
    log_error("not-sealed", log_s("file", landing->writer.file), log_s("cause", strerror(-rc)),
              log_s("action", is_for_later(rc) ? "tried again" : "left in active/, to be adopted"));
    if (is_for_later(rc)) {
        landings->retry_at = mono_after(RETRY_MS);
        return;
    }
    total_add(&landings->segments_failed, 1);
    landings->is_recovery_due = true;
    landing_end(landings, landing);
}

static void note_sealed(struct landings *landings, struct landing *landing)
{
    const struct writer *w = &landing->writer;
    total_add(&landings->segments_sealed, 1);
    log_info("landed", log_s("db", landing->database->name), log_s("file", w->file),
             log_u("rows", w->counts.rows), log_u("bytes", w->size_bytes), log_n("hops", landing->hops));
    landings->sealed(landings->arg, landing->database->name, w);
    landing_end(landings, landing);
}

static void seal_some(struct landings *landings)
{
    struct sealing list[SEALED_AT_ONCE];
    struct landing *of[SEALED_AT_ONCE];
    struct err err;
    size_t count = 0;
    for (struct link *l = landings->ready.next; l != &landings->ready && count < SEALED_AT_ONCE;
         l = l->next) {
        of[count] = LIST_ENTRY(l, struct landing, link);
        list[count] = (struct sealing){.writer = &of[count]->writer};
        count++;
    }
    int rc = write_ids(landings, list, of, count, &err);
    if (rc) {
        log_error("not-sealed", log_s("cause", err.text), log_s("action", "tried again"));
        landings->retry_at = mono_after(RETRY_MS);
        return;
    }
    for (size_t i = 0; i < count; i++)
        buf_clear(&of[i]->lines);
    (void)writers_seal(list, count, landings->settings->sync != SYNC_NEVER);
    for (size_t i = 0; i < count; i++)
        if (list[i].rc)
            note_unsealed(landings, of[i], list[i].rc);
        else
            note_sealed(landings, of[i]);
}

/* --- time ------------------------------------------------------------------------------------------- */

static struct mono age_due(const struct landings *landings)
{
    if (list_is_empty(&landings->open))
        return (struct mono){INT64_MAX};
    const struct landing *oldest = LIST_ENTRY(landings->open.next, struct landing, link);
    return (struct mono){oldest->writer.created.ns + landings->settings->segment_age_ms * 1000000};
}

struct mono landings_due(const struct landings *landings)
{
    struct mono due = age_due(landings);
    return list_is_empty(&landings->ready) ? due : mono_earlier(due, landings->retry_at);
}

void landings_tick(struct landings *landings, bool everything)
{
    struct link *next;
    for (struct link *l = landings->open.next; l != &landings->open; l = next) {
        next = l->next;
        struct landing *landing = LIST_ENTRY(l, struct landing, link);
        bool is_crowded = landings->count >= landings->settings->open_max / 2;
        int64_t age_ms = mono_since_ms(landing->writer.created);
        if (!everything && !is_crowded && age_ms < landings->settings->segment_age_ms)
            break; /* the rest is younger */
        if (landing->writer.counts.rows == 0)
            landings_discard(landings, landing);
        else
            landings_finish(landings, landing);
    }
    while (!list_is_empty(&landings->ready) && mono_is_past(landings->retry_at))
        seal_some(landings);
}

int64_t landings_keep(const struct landings *landings)
{
    enum { FOR_LINES = 16 << 10 };
    return (int64_t)(landings->count + 1) * (WRITER_SEAL_BYTES + FOR_LINES);
}
