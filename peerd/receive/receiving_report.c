/* What the receiving part says of itself. */
#include <errno.h>

#include "peerd/receive/receiving.h"

const unsigned receiving_codes[RECEIVING_CODES] = {200, 202, 400, 401, 403, 404, 405, 409, 413, 429, 503, 0};

void receiving_count(struct receiving *receiving, unsigned status)
{
    size_t i = 0;
    while (receiving_codes[i] && receiving_codes[i] != status)
        i++;
    total_add(&receiving->answers[i], 1);
}

static void add_reason(json_t *list, const char *code, const char *why)
{
    json_array_append_new(list, json_pack("{s:s, s:s}", "code", code, "why", why));
}

json_t *receiving_reasons(struct receiving *receiving)
{
    char words[WATCH_REASONS_MAX][WATCH_REASON_BYTES];
    json_t *list = json_array();
    if (atomic_load(&receiving->is_draining))
        add_reason(list, "draining", "it is about to leave");
    if (!lander_is_ready(receiving->lander))
        add_reason(list, "starting", "what an earlier process received is not known yet");
    size_t count = watch_reasons(receiving->watch, words);
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], "no-diskguard") == 0)
            add_reason(list, words[i], "nobody grants room on the disk");
        else if (strcmp(words[i], "unwritable") == 0)
            add_reason(list, words[i], "the spool cannot be written to");
        else
            add_reason(list, words[i], "over a limit of the disk (diskguard)");
    return list;
}

bool receiving_buffers(struct receiving *receiving, const char *db)
{
    struct view *view = views_get(receiving->views);
    const struct peer_database *database = peer_state_find(view_self(view)->state, db);
    bool is_active = database && database->failover.is_active &&
                     strcmp(database->failover.at, receiving->settings.name) == 0;
    view_unref(view);
    return is_active;
}

char *receiving_peer_state(struct receiving *receiving)
{
    struct buf text;
    struct view *view = views_get(receiving->views);
    buf_init(&text, PEER_STATE_BYTES_MAX);
    int rc = peer_state_write(view_self(view)->state, &text);
    view_unref(view);
    if (rc == 0)
        return text.data;
    buf_fini(&text);
    return NULL;
}

/* --- status ----------------------------------------------------------------------------------------- */

static void set_number(json_t *out, const char *key, uint64_t value)
{
    json_object_set_new(out, key, json_integer((json_int_t)value));
}

static void add_database(void *arg, struct received_database *database)
{
    json_t *out = json_object();
    set_number(out, "transfers", total_of(&database->transfers));
    set_number(out, "rows", total_of(&database->rows));
    set_number(out, "bytes", total_of(&database->bytes));
    set_number(out, "known", total_of(&database->known));
    set_number(out, "conflicts", total_of(&database->conflicts));
    set_number(out, "refused", total_of(&database->refused));
    json_object_set_new(arg, database->name, out);
}

void receiving_status(struct receiving *receiving, json_t *out)
{
    struct lander_counts counts = lander_counts(receiving->lander);
    json_t *reasons = receiving_reasons(receiving), *own = json_object(), *databases = json_object();
    json_object_set_new(out, "listen", json_string(receiving->server.listener.text));
    json_object_set_new(out, "ready", json_boolean(json_array_size(reasons) == 0));
    json_object_set_new(out, "reasons", reasons);
    json_object_set_new(own, "sync", json_string(sync_mode_name(receiving->settings.landing.sync)));
    set_number(own, "connections", total_of(&receiving->server.connections));
    set_number(own, "in_flight", total_of(&receiving->in_flight));
    set_number(own, "ids", ledger_count(receiving->ledger));
    set_number(own, "segments_open", counts.files_open);
    set_number(own, "segments_sealed", counts.segments_sealed);
    set_number(own, "segments_recovered", counts.segments_recovered);
    set_number(own, "memory", (uint64_t)atomic_load(&receiving->memory.used));
    received_each(&receiving->received, add_database, databases);
    json_object_set_new(own, "databases", databases);
    json_object_set_new(out, "received", own);
}

/* --- metrics ---------------------------------------------------------------------------------------- */

struct by_database {
    struct metrics *out;
    const char *name;
    size_t offset;
};

static void sample_database(void *arg, struct received_database *database)
{
    const struct by_database *by = arg;
    const _Atomic uint64_t *counter =
        (const _Atomic uint64_t *)(const void *)((const char *)database + by->offset);
    metrics_sample(by->out, by->name, "db", database->name, (int64_t)total_of(counter));
}

static void by_databases(struct receiving *receiving, struct metrics *out)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } families[] = {
        {"spillway_received_transfers_total", "Transfers taken from peers.",
         offsetof(struct received_database, transfers)},
        {"spillway_received_rows_total", "Rows of them.", offsetof(struct received_database, rows)},
        {"spillway_received_bytes_total", "Bytes of them.", offsetof(struct received_database, bytes)},
        {"spillway_received_known_total", "Transfers that were here already and were not stored again.",
         offsetof(struct received_database, known)},
        {"spillway_received_conflicts_total", "Transfers with the id of another and other content.",
         offsetof(struct received_database, conflicts)},
        {"spillway_received_refused_total", "Transfers refused for want of room (429).",
         offsetof(struct received_database, refused)},
    };
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        struct by_database by = {.out = out, .name = families[i].name, .offset = families[i].offset};
        metrics_family(out, by.name, METRICS_COUNTER, families[i].help);
        received_each(&receiving->received, sample_database, &by);
    }
}

static void by_code(struct receiving *receiving, struct metrics *out)
{
    static const char name[] = "spillway_peerd_answers_total";
    metrics_family(out, name, METRICS_COUNTER, "HTTP answers, by status.");
    for (size_t i = 0; i < RECEIVING_CODES; i++) {
        char code[16] = "other";
        if (receiving_codes[i])
            snprintf(code, sizeof code, "%u", receiving_codes[i]);
        metrics_sample(out, name, "code", code, (int64_t)total_of(&receiving->answers[i]));
    }
}

void receiving_metrics(struct receiving *receiving, struct metrics *out)
{
    struct lander_counts counts = lander_counts(receiving->lander);
    const struct {
        const char *name, *help;
        enum metrics_type type;
        uint64_t value;
    } singles[] = {
        {"spillway_received_rounds_total", "Rounds in which transfers were written.", METRICS_COUNTER,
         counts.rounds},
        {"spillway_received_segments_total", "Segments of received rows that went to upload/.",
         METRICS_COUNTER, counts.segments_sealed},
        {"spillway_received_segments_failed_total",
         "Segments of received rows left in active/ after trouble with the disk.", METRICS_COUNTER,
         counts.segments_failed},
        {"spillway_received_segments_open", "Segments of received rows now being written.", METRICS_GAUGE,
         counts.files_open},
        {"spillway_received_ids", "Ids of transfers that are remembered.", METRICS_GAUGE,
         ledger_count(receiving->ledger)},
        {"spillway_peerd_connections", "Connections now open.", METRICS_GAUGE,
         total_of(&receiving->server.connections)},
        {"spillway_peerd_clients_cut_total", "Connections cut for being slow.", METRICS_COUNTER,
         total_of(&receiving->clients_cut)},
        {"spillway_peerd_receive_memory_bytes", "Bodies now being received, in memory.", METRICS_GAUGE,
         (uint64_t)atomic_load(&receiving->memory.used)},
    };
    by_databases(receiving, out);
    by_code(receiving, out);
    for (size_t i = 0; i < ARRAY_LEN(singles); i++)
        metrics_single(out, singles[i].name, singles[i].type, singles[i].help, (int64_t)singles[i].value);
}
