#include "walwriter/reception.h"

struct room {
    size_t databases, refused;
};

static void note_room(void *arg, struct database *database)
{
    struct room *room = arg;
    room->databases++;
    room->refused += database->refusal.until.ns != 0;
}

size_t reception_reasons(struct reception *reception, const char *reasons[static REASONS_MAX])
{
    size_t count = 0;
    struct room room = {0};
    registry_each(&reception->registry, note_room, &room);
    if (atomic_load(&reception->is_draining))
        reasons[count++] = "draining: it is about to leave";
    if (!commit_has_guard(reception->commit))
        reasons[count++] = "no diskguard: nobody grants room on the disk";
    else if (room.databases > 0 && room.refused == room.databases)
        reasons[count++] = "full: no database has room on the disk";
    return count;
}

/* --- metrics ---------------------------------------------------------------------------------------- */

static void by_class(const struct totals *totals, struct metrics *out)
{
    static const char *const classes[] = {NULL, "1xx", "2xx", "3xx", "4xx", "5xx"};
    static const char name[] = "spillway_walwriter_answers_total";
    metrics_family(out, name, METRICS_COUNTER, "HTTP answers, by the class of their status.");
    for (size_t i = 2; i < ARRAY_LEN(classes); i++)
        metrics_sample(out, name, "class", classes[i], (int64_t)total_of(&totals->answers[i]));
}

struct by_database {
    struct metrics *out;
    const char *name;
    size_t offset;
};

static void sample_database(void *arg, struct database *database)
{
    const struct by_database *by = arg;
    const _Atomic uint64_t *counter =
        (const _Atomic uint64_t *)(const void *)((const char *)database + by->offset);
    metrics_sample(by->out, by->name, "db", database->name, (int64_t)total_of(counter));
}

static void by_databases(struct reception *reception, struct metrics *out)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } families[] = {
        {"spillway_walwriter_rows_total", "Rows acknowledged.", offsetof(struct database, rows)},
        {"spillway_walwriter_bytes_total", "Bytes of them, uncompressed.", offsetof(struct database, bytes)},
        {"spillway_walwriter_bad_rows_total", "Rows put into quarantine (partial=1).",
         offsetof(struct database, bad_rows)},
        {"spillway_walwriter_refused_total", "Requests refused for want of room (429).",
         offsetof(struct database, refused)},
    };
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        struct by_database by = {.out = out, .name = families[i].name, .offset = families[i].offset};
        metrics_family(out, by.name, METRICS_COUNTER, families[i].help);
        registry_each(&reception->registry, sample_database, &by);
    }
}

void reception_metrics(struct reception *reception, struct metrics *out)
{
    static const struct {
        const char *name, *help;
        enum metrics_type type;
        size_t offset;
    } singles[] = {
        {"spillway_walwriter_commit_rounds_total", "Rounds of the committer.", METRICS_COUNTER,
         offsetof(struct totals, rounds)},
        {"spillway_walwriter_syncs_total", "Waits for the disk.", METRICS_COUNTER,
         offsetof(struct totals, syncs)},
        {"spillway_walwriter_blocks_total", "Blocks written.", METRICS_COUNTER,
         offsetof(struct totals, blocks)},
        {"spillway_walwriter_segments_sealed_total", "Segments sealed.", METRICS_COUNTER,
         offsetof(struct totals, segments_sealed)},
        {"spillway_walwriter_segments_failed_total", "Segments left in active/ after trouble with the disk.",
         METRICS_COUNTER, offsetof(struct totals, segments_failed)},
        {"spillway_walwriter_files_parked_total", "Segments closed for others to be open.", METRICS_COUNTER,
         offsetof(struct totals, files_parked)},
        {"spillway_walwriter_files_reopened_total", "Segments opened again.", METRICS_COUNTER,
         offsetof(struct totals, files_reopened)},
        {"spillway_walwriter_clients_cut_total", "Connections cut for being slow.", METRICS_COUNTER,
         offsetof(struct totals, clients_cut)},
        {"spillway_walwriter_requests_in_flight", "Requests now between head and answer.", METRICS_GAUGE,
         offsetof(struct totals, in_flight)},
        {"spillway_walwriter_open_files", "Segments now held open.", METRICS_GAUGE,
         offsetof(struct totals, open_files)},
        {"spillway_walwriter_open_segments", "Segments now not sealed, parked ones included.", METRICS_GAUGE,
         offsetof(struct totals, segments_open)},
    };
    by_databases(reception, out);
    by_class(&reception->totals, out);
    for (size_t i = 0; i < ARRAY_LEN(singles); i++) {
        const char *at = (const char *)&reception->totals + singles[i].offset;
        metrics_single(out, singles[i].name, singles[i].type, singles[i].help,
                       (int64_t)total_of((const _Atomic uint64_t *)(const void *)at));
    }
    metrics_single(out, "spillway_walwriter_connections", METRICS_GAUGE, "Connections now open.",
                   (int64_t)total_of(&reception->server.connections));
    metrics_single(out, "spillway_walwriter_receive_memory_bytes", METRICS_GAUGE,
                   "Bodies now being received, in memory.", atomic_load(&reception->memory.used));
}
