/* How old the oldest data of a database is that has not left: said loudly when it is older than --max-age,
 * because something is wrong then that nobody may be looking at. */
#include "common/base/log.h"
#include "common/segment/flake.h"
#include "uploader/uploader.h"

static int64_t age_of(uint64_t id, int64_t now_ms)
{
    struct flake flake;
    flake_decompose(id, &flake);
    return now_ms > (int64_t)flake.unix_ms ? now_ms - (int64_t)flake.unix_ms : 0;
}

static void add(struct ages *ages, uint64_t id, uint64_t segments, int64_t now_ms, int64_t max_age_ms,
                const char *table)
{
    int64_t age_ms = age_of(id, now_ms);
    if (age_ms > ages->oldest_ms) {
        ages->oldest_ms = age_ms;
        ages->table = table;
    }
    ages->late_segments += age_ms > max_age_ms ? segments : 0;
}

/* A batch is as old as its oldest segment. */
static void add_batches(struct ages *ages, const struct batch *first, int64_t now_ms, int64_t max_age_ms)
{
    for (const struct batch *b = first; b; b = b->next)
        if (b->oldest_id != 0)
            add(ages, b->oldest_id, b->segments, now_ms, max_age_ms, b->table);
}

void ages_measure(const struct uploader *u, const struct database *d, struct ages *ages)
{
    int64_t now_ms = wall_now_ms();
    *ages = (struct ages){0};
    for (size_t i = 0; i < d->queue.group_count; i++) {
        const struct waiting_group *group = &d->queue.groups[i];
        for (uint32_t k = 0; k < group->count; k++) {
            uint64_t id = d->queue.segments[group->first + k].id;
            add(ages, id, 1, now_ms, u->max_age_ms, group->table);
            if (age_of(id, now_ms) <= u->max_age_ms) /* they are in the order of ids */
                break;
        }
    }
    add_batches(ages, d->batches, now_ms, u->max_age_ms);
    add_batches(ages, d->posted.first, now_ms, u->max_age_ms);
    add_batches(ages, d->flying, now_ms, u->max_age_ms);
}

static const char *reason(const struct database *d)
{
    return d->is_paused            ? "it is paused (spillway resume)"
           : d->last_error_ms != 0 ? d->last_error.text
           : d->posted.count > 0   ? "it is posted, and not confirmed yet"
           : d->flying             ? "it is being sent: what answers is slow, or does not"
                                   : "uploads do not keep up with what comes in";
}

void ages_report(struct uploader *u)
{
    for (size_t i = 0; i < u->database_count; i++) {
        const struct database *d = &u->databases[i];
        struct ages ages;
        ages_measure(u, d, &ages);
        if (ages.late_segments == 0)
            continue;
        log_warn("data-old", log_s("db", d->target.db), log_s("table", ages.table),
                 log_n("age_s", ages.oldest_ms / 1000), log_u("segments", ages.late_segments),
                 log_n("max_age_s", u->max_age_ms / 1000), log_s("cause", reason(d)));
        daemon_publish(u->daemon, "data-old",
                       json_pack("{s:s, s:I, s:I}", "db", d->target.db, "age_ms", (json_int_t)ages.oldest_ms,
                                 "segments", (json_int_t)ages.late_segments));
    }
    u->ages_due = mono_after(u->max_age_ms < UPLOADER_AGES_MS ? u->max_age_ms : UPLOADER_AGES_MS);
}
