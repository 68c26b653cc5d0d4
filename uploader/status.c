#include <inttypes.h>

#include "common/control/message.h"
#include "uploader/uploader.h"

static void set_time(json_t *object, const char *key, int64_t wall_ms)
{
    char text[WALL_TEXT_BYTES];
    if (wall_ms == 0)
        return;
    wall_format(wall_ms, text);
    json_object_set_new(object, key, json_string(text));
}

static const char *mode_of(const struct uploader *u, struct database *d)
{
    if (d->target.kind == TARGET_DIR)
        return "dir";
    enum ingest_mode mode = u->context.options.mode;
    return mode_word(mode != INGEST_AUTO ? mode : adx_offered(&d->endpoint));
}

static void add_queue(json_t *out, const struct database *d)
{
    struct waiting_sums sums;
    uint64_t segments = 0, rows = 0, raw_bytes = 0;
    waiting_sum(&d->queue, &sums);
    for (const struct batch *b = d->batches; b; b = b->next) {
        segments += b->segments;
        rows += b->rows;
        raw_bytes += b->raw_bytes;
    }
    json_object_set_new(out, "queued",
                        json_pack("{s:I, s:I, s:I, s:I, s:I}", "segments", (json_int_t)sums.segments,
                                  "tables", (json_int_t)sums.groups, "rows", (json_int_t)sums.rows,
                                  "raw_bytes", (json_int_t)sums.raw_bytes, "unmeasured",
                                  (json_int_t)sums.unmeasured));
    json_object_set_new(out, "waiting",
                        json_pack("{s:I, s:I, s:I, s:I}", "batches", (json_int_t)d->batch_count, "segments",
                                  (json_int_t)segments, "rows", (json_int_t)rows, "raw_bytes",
                                  (json_int_t)raw_bytes));
}

static void add_health(json_t *out, const struct database *d)
{
    static const char *const states[BREAKER_STATES] = {[BREAKER_CLOSED] = "closed",
                                                       [BREAKER_OPEN] = "open",
                                                       [BREAKER_HALF_OPEN] = "half-open",
                                                       [BREAKER_RECOVERING] = "recovering"};
    json_object_set_new(out, "health", json_string(health_word(d->health)));
    json_object_set_new(out, "since", json_integer(d->health_since_ms));
    json_object_set_new(out, "reason", json_string(d->health == HEALTH_UP ? "" : d->reason.text));
    json_object_set_new(out, "breaker", json_string(states[d->breaker.state]));
    json_object_set_new(out, "next_probe_ms",
                        json_integer(d->is_probing ? 0 : mono_left_ms(d->breaker.probe_due)));
    json_object_set_new(out, "not_before_ms", json_integer(mono_left_ms(d->breaker.not_before)));
}

static void add_posted_batch(const struct uploader *u, const struct batch *b, int64_t now_ms, uint64_t *rows,
                             uint64_t *late)
{
    if (b->posted_ms == 0)
        return;
    *rows += b->rows;
    *late += now_ms - b->posted_ms > u->confirm_after_ms ? b->rows : 0;
}

static void sum_posted(const struct uploader *u, const struct database *d, uint64_t *rows, uint64_t *late)
{
    int64_t now_ms = wall_now_ms();
    *rows = *late = 0;
    for (const struct batch *b = d->posted.first; b; b = b->next)
        add_posted_batch(u, b, now_ms, rows, late);
    for (const struct batch *b = d->flying; b; b = b->next) /* one that is being asked about */
        add_posted_batch(u, b, now_ms, rows, late);
}

static void add_posted(json_t *out, const struct uploader *u, const struct database *d)
{
    uint64_t rows, late;
    sum_posted(u, d, &rows, &late);
    json_object_set_new(out, "posted",
                        json_pack("{s:I, s:I, s:I}", "batches", (json_int_t)d->posted.count, "rows",
                                  (json_int_t)rows, "late_rows", (json_int_t)late));
}

static void add_ages(json_t *out, const struct uploader *u, const struct database *d)
{
    struct ages ages;
    ages_measure(u, d, &ages);
    json_object_set_new(out, "oldest_ms", json_integer(ages.oldest_ms));
    json_object_set_new(out, "late_segments", json_integer((json_int_t)ages.late_segments));
}

static json_t *database_status(struct uploader *u, struct database *d)
{
    json_t *out = totals_of(u->context.totals, d->target.db);
    json_object_set_new(out, "target", json_string(d->target.place));
    json_object_set_new(out, "mode", json_string(mode_of(u, d)));
    json_object_set_new(out, "paused", json_boolean(d->is_paused));
    json_object_set_new(out, "in_flight", json_integer(d->in_flight));
    json_object_set_new(out, "failures_in_a_row", json_integer(d->failures));
    add_health(out, d);
    set_time(out, "last_success", d->last_success_ms);
    set_time(out, "last_error_time", d->last_error_ms);
    if (d->last_error_ms != 0) {
        json_object_set_new(out, "last_error", json_string(d->last_error.text));
        json_object_set_new(out, "last_error_code", json_string(d->last_error.code));
        json_object_set_new(out, "last_error_verdict", json_string(verdict_word(d->last_error.verdict)));
        json_object_set_new(out, "last_error_activity", json_string(d->last_error.activity_id));
    }
    add_queue(out, d);
    add_posted(out, u, d);
    add_ages(out, u, d);
    return out;
}

static json_t *sum_totals(struct uploader *u)
{
    static const char *const names[] = {"batches",          "rows_uploaded", "raw_bytes", "bytes",
                                        "rows_quarantined", "quarantined",   "failures"};
    json_t *out = json_object();
    for (size_t k = 0; k < ARRAY_LEN(names); k++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < u->database_count; i++)
            sum += tally_get(u->context.totals, u->databases[i].target.db, names[k]);
        json_object_set_new(out, names[k], json_integer((json_int_t)sum));
    }
    return out;
}

void uploader_status(void *state, json_t *out)
{
    struct uploader *u = state;
    json_t *databases = json_object(), *unknown = json_array();
    for (size_t i = 0; i < u->database_count; i++)
        json_object_set_new(databases, u->databases[i].target.db, database_status(u, &u->databases[i]));
    for (size_t i = 0; i < u->unknown_count; i++)
        json_array_append_new(unknown, json_pack("{s:s, s:I}", "db", u->unknown[i].folder, "segments",
                                                 (json_int_t)u->unknown[i].segments));
    json_object_set_new(out, "queue", json_string(spool_queue_name(u->context.queue)));
    json_object_set_new(out, "uploads", json_integer(u->uploads));
    json_object_set_new(out, "in_flight", json_integer(u->in_flight));
    json_object_set_new(out, "databases", databases);
    json_object_set_new(out, "unknown_databases", unknown);
    json_object_set_new(out, "unknown_batches", json_integer((json_int_t)u->foreign_batches));
    json_object_set_new(out, "totals", sum_totals(u));
}

/* --- metrics ---------------------------------------------------------------------------------------- */

static void add_total(struct uploader *u, struct metrics *out, const char *metric, const char *name,
                      const char *help)
{
    metrics_family(out, metric, METRICS_COUNTER, help);
    for (size_t i = 0; i < u->database_count; i++) {
        const char *db = u->databases[i].target.db;
        metrics_sample(out, metric, "db", db, (int64_t)tally_get(u->context.totals, db, name));
    }
}

struct gauge {
    const char *name, *help;
    int64_t (*value)(const struct uploader *u, const struct database *d);
};

static int64_t gauge_up(const struct uploader *u, const struct database *d)
{
    (void)u;
    return !health_is_away(d->health);
}

static int64_t gauge_health(const struct uploader *u, const struct database *d)
{
    (void)u;
    return d->health;
}

static int64_t gauge_in_flight(const struct uploader *u, const struct database *d)
{
    (void)u;
    return d->in_flight;
}

static int64_t gauge_waiting(const struct uploader *u, const struct database *d)
{
    (void)u;
    return (int64_t)d->batch_count;
}

static int64_t gauge_queued(const struct uploader *u, const struct database *d)
{
    (void)u;
    struct waiting_sums sums;
    waiting_sum(&d->queue, &sums);
    return (int64_t)sums.segments;
}

static int64_t gauge_posted(const struct uploader *u, const struct database *d)
{
    uint64_t rows, late;
    sum_posted(u, d, &rows, &late);
    return (int64_t)rows;
}

static int64_t gauge_oldest(const struct uploader *u, const struct database *d)
{
    struct ages ages;
    ages_measure(u, d, &ages);
    return ages.oldest_ms / 1000;
}

static int64_t gauge_late_segments(const struct uploader *u, const struct database *d)
{
    struct ages ages;
    ages_measure(u, d, &ages);
    return (int64_t)ages.late_segments;
}

static int64_t gauge_late(const struct uploader *u, const struct database *d)
{
    uint64_t rows, late;
    sum_posted(u, d, &rows, &late);
    return (int64_t)late;
}

void uploader_metrics(void *state, struct metrics *out)
{
    static const struct gauge gauges[] = {
        {"spillway_database_up", "0 while the database counts as away: unauthorised, missing or down.",
         gauge_up},
        {"spillway_database_health",
         "0 up, 1 degraded, 2 throttled, 3 suspect, 4 unauthorised, 5 missing, 6 down.", gauge_health},
        {"spillway_uploads_in_flight", "Batches being uploaded.", gauge_in_flight},
        {"spillway_batches_waiting", "Batches that wait to be tried again.", gauge_waiting},
        {"spillway_upload_queue_segments", "Segments in the queue, not in a batch yet.", gauge_queued},
        {"spillway_oldest_segment_age_seconds", "Since the oldest segment that has not left was begun.",
         gauge_oldest},
        {"spillway_late_segments", "Segments older than --max-age that have not left.", gauge_late_segments},
        {"spillway_posted_rows",
         "Rows in ADX's queue of which it is not known yet whether ADX failed on them (--confirm).",
         gauge_posted},
        {"spillway_posted_late_rows", "Those of them that were posted longer ago than --confirm-after.",
         gauge_late},
    };
    struct uploader *u = state;
    for (size_t k = 0; k < ARRAY_LEN(gauges); k++) {
        metrics_family(out, gauges[k].name, METRICS_GAUGE, gauges[k].help);
        for (size_t i = 0; i < u->database_count; i++)
            metrics_sample(out, gauges[k].name, "db", u->databases[i].target.db,
                           gauges[k].value(u, &u->databases[i]));
    }
    metrics_family(out, "spillway_database_health_transitions_total", METRICS_COUNTER,
                   "Changes of the database's health.");
    for (size_t i = 0; i < u->database_count; i++)
        metrics_sample(out, "spillway_database_health_transitions_total", "db", u->databases[i].target.db,
                       (int64_t)u->databases[i].transitions);
    add_total(u, out, "spillway_uploaded_rows_total", "rows_uploaded", "Rows that the target has taken.");
    add_total(u, out, "spillway_uploaded_raw_bytes_total", "raw_bytes", "Bytes of those rows, uncompressed.");
    add_total(u, out, "spillway_uploaded_batches_total", "batches", "Batches that are done.");
    add_total(u, out, "spillway_upload_failures_total", "failures",
              "Attempts that failed and will be repeated.");
    add_total(u, out, "spillway_upload_quarantined_rows_total", "rows_quarantined",
              "Rows put into quarantine by uploader.");
    metrics_single(out, "spillway_unknown_databases", METRICS_GAUGE,
                   "Databases in the queue without a target.", (int64_t)u->unknown_count);
}
