#include "peerd/failover/failing.h"

#include <errno.h>

#include "common/base/log.h"
#include "common/control/message.h"
#include "peerd/failover/board_file.h"
#include "peerd/failover/failing_parts.h"
#include "peerd/failover/reclaim.h"
#include "peerd/ring/membership.h"

enum {
    LOOK_MS = 1000,   /* words end, and members tell some, without a new view */
    TOLD_MS = 2000,   /* diskguard may have been started anew: it is told again */
    UNHEARD_MS = 500, /* somebody was not there, or too busy to answer */
    ANSWER_MS = 200,
    ARCHIVE_RETRY_MS = 30000,
};

/* --- setting up ------------------------------------------------------------------------------------- */

int failing_check(const struct conf *conf, struct err *err)
{
    if (conf_number(conf, CONF_DROP_POLICY) == POLICY_ARCHIVE && !conf_text(conf, CONF_ARCHIVE_DIR))
        return err_set(err, -EINVAL, "--drop-policy archive: --archive-dir DIR is needed: where to?");
    return 0;
}

static int init(struct peerd *peerd, struct err *err)
{
    const struct conf *conf = peerd->daemon->conf;
    struct failing *failing = peerd->failing = calloc(1, sizeof *failing);
    if (!failing)
        return err_set(err, -ENOMEM, "out of memory");
    failing->policy = (enum drop_policy)conf_number(conf, CONF_DROP_POLICY);
    failing->is_observing = conf_number(conf, CONF_FAILOVER) == 1;
    const struct drops_settings settings = {.instance = peerd->settings.name,
                                            .archive_dir = conf_text(conf, CONF_ARCHIVE_DIR),
                                            .rotate_bytes = DROPS_ROTATE_BYTES};
    int rc = failing_check(conf, err);
    if (rc == 0)
        rc = drops_open(&failing->drops, &peerd->daemon->spool, &settings, err);
    if (rc == 0)
        rc = board_file_load(&failing->board, &failing->overrides, &peerd->daemon->spool, wall_now_ms(), err);
    if (rc == 0)
        rc = ctl_client_open(&failing->uploader, &peerd->daemon->spool, "uploader", err);
    return rc ? rc : ctl_client_open(&failing->guard, &peerd->daemon->spool, "diskguard", err);
}

static void fini(struct peerd *peerd)
{
    struct failing *failing = peerd->failing;
    if (!failing)
        return;
    ctl_client_close(failing->guard);
    ctl_client_close(failing->uploader);
    drops_close(failing->drops);
    board_fini(&failing->board);
    free(failing);
}

int failing_seed(const struct peerd *peerd, struct peer_state *first)
{
    const struct board *board = &peerd->failing->board;
    for (size_t i = 0; i < board->count; i++) {
        struct peer_database *database =
            health_is_away(board->list[i].health) ? peer_state_add(first, board->list[i].db) : NULL;
        if (health_is_away(board->list[i].health) && !database)
            return -ENOMEM;
        if (!database)
            continue;
        database->health = board->list[i].health;
        database->since_ms = board->list[i].health_ms;
    }
    peer_state_sort(first);
    return 0;
}

/* --- telling ---------------------------------------------------------------------------------------- */

/* A hint: who does not hear it is told again, or finds out by itself. Was it heard? */
static bool ask(struct ctl_client *client, const char *op, json_t *take_request)
{
    json_t *reply = NULL;
    struct err err;
    int rc = ctl_client_is_connected(client) ? ctl_client_ask(client, take_request, ANSWER_MS, &reply, &err)
                                             : err_set(&err, -ENOTCONN, "it is not there");
    if (rc)
        log_debug("cannot-tell", log_s("op", op), log_s("cause", err.text));
    json_decref(reply);
    json_decref(take_request);
    return rc == 0;
}

/* Some member reaches it again, and we do not yet. Most likely we are about to: our uploader is to find out
 * now, and so long it keeps what was buffered here, rather than that all of it sets out for those who were
 * quicker by seconds. */
static void stay_a_while(struct failing *failing, struct board_entry *entry)
{
    json_t *request = message_request("probe");
    entry->stay_until = mono_after(FAILOVER_REST_MS);
    json_object_set_new(request, "db", json_string(entry->db));
    (void)ask(failing->uploader, "probe", request);
}

static void tell_change(void *arg, enum board_change change, struct board_entry *entry, const char *was_at)
{
    static const char *const types[] = {
        [BOARD_ON] = "failover-on", [BOARD_OFF] = "failover-off", [BOARD_MOVED] = "failover-moved"};
    struct peerd *peerd = arg;
    const char *cause = failover_cause_word(entry->now.cause);
    const char *mode = peerd->failing->is_observing ? "observe" : "auto";
    log_emit(change == BOARD_OFF ? LEVEL_INFO : LEVEL_WARN, types[change],
             LOG_FIELDS(log_s("db", entry->db), log_s("at", entry->at), log_s("was-at", was_at),
                        log_s("reason", cause), log_u("reached-by", entry->now.reaching),
                        log_u("present", entry->now.present), log_s("mode", mode)));
    daemon_publish(peerd->daemon, types[change],
                   json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "db", entry->db, "at", entry->at,
                             "was_at", was_at, "reason", cause, "reached_by", (json_int_t)entry->now.reaching,
                             "present", (json_int_t)entry->now.present, "mode", mode));
    if (change == BOARD_OFF && entry->now.cause == FAILOVER_HEALTHY && !entry->now.is_reached)
        stay_a_while(peerd->failing, entry);
}

void failing_tell_drops(struct peerd *peerd, const char *db, const struct drop_decision *drop,
                        const char *peer, const struct drops_sum *sum, const char *cause)
{
    enum drop_fate fate = drop->fate;
    enum drop_reason reason = drop->reason;
    if (*cause) {
        log_error(fate == DROP_ARCHIVED ? "cannot-archive" : "cannot-drop", log_s("db", db),
                  log_s("cause", cause), log_s("meanwhile", "it is held"));
        if (fate == DROP_ARCHIVED)
            peerd->failing->archive_due = mono_after(ARCHIVE_RETRY_MS);
    }
    if (sum->segments == 0)
        return;
    log_emit(fate == DROP_DROPPED ? LEVEL_WARN : LEVEL_INFO, drop_fate_word(fate),
             LOG_FIELDS(log_s("db", db), log_u("segments", sum->segments), log_u("rows", sum->rows),
                        log_u("bytes", sum->bytes), log_s("reason", drop_reason_word(reason)),
                        log_s("sacrificial", peer), log_s("recorded-in", "state/drops.jsonl")));
    daemon_publish(peerd->daemon, drop_fate_word(fate),
                   json_pack("{s:s, s:I, s:I, s:I, s:s, s:s}", "db", db, "segments",
                             (json_int_t)sum->segments, "rows", (json_int_t)sum->rows, "bytes",
                             (json_int_t)sum->bytes, "reason", drop_reason_word(reason), "peer", peer));
}

/* Our peers: what we see, and what operators said. */
static void tell_peers(struct peerd *peerd)
{
    struct failing *failing = peerd->failing;
    struct peer_state *words = peer_state_new(peerd->settings.name, 0);
    int rc = words ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < failing->board.count; i++) {
        const struct board_entry *entry = &failing->board.list[i];
        struct peer_database *database = entry->now.is_active ? peer_state_add(words, entry->db) : NULL;
        if (!database)
            continue;
        database->failover.is_active = true;
        database->failover.since_ms = entry->since_ms;
        snprintf(database->failover.at, sizeof database->failover.at, "%s", entry->at);
    }
    size_t count = failing->overrides.count;
    if (rc == 0 && count > 0 && (words->overrides = calloc(count, sizeof *words->overrides))) {
        memcpy(words->overrides, failing->overrides.list, count * sizeof *words->overrides);
        words->override_count = count;
    }
    if (rc == 0)
        rc = own_say(peerd->membership->own, words);
    if (rc)
        log_warn("cannot-tell-peers", log_s("cause", strerror(-rc)));
}

static bool tell_list(struct ctl_client *client, const char *op, json_t *take_names)
{
    json_t *request = message_request(op);
    json_object_set_new(request, "databases", take_names);
    return ask(client, op, request);
}

/* diskguard: these may have failover-share of the budget together, and no more. uploader: these move on from
 * here, so it takes none of them and gives back those that it has. */
static void tell_neighbours(struct peerd *peerd)
{
    struct failing *failing = peerd->failing;
    json_t *active = json_array(), *leaving = json_array();
    struct view *view = views_get(&peerd->views);
    for (size_t i = 0; i < failing->board.count; i++) {
        const char *db = failing->board.list[i].db;
        const struct failover now = failing_look(peerd, view, db);
        if (now.is_active)
            json_array_append_new(active, json_string(db));
        if (failing_is_leaving(peerd, view, db))
            json_array_append_new(leaving, json_string(db));
    }
    view_unref(view);
    bool is_heard = tell_list(failing->guard, "failover", active);
    is_heard = tell_list(failing->uploader, "release", leaving) && is_heard;
    failing->told_due = mono_after(is_heard ? TOLD_MS : UNHEARD_MS);
}

/* --- at work ---------------------------------------------------------------------------------------- */

int failing_store(struct peerd *peerd, struct err *err)
{
    return board_file_store(&peerd->failing->board, &peerd->failing->overrides, &peerd->daemon->spool, err);
}

static bool hear(struct failing *failing, const struct view *view, int64_t wall_ms)
{
    bool is_news = overrides_expire(&failing->overrides, wall_ms);
    for (size_t i = 0; i < view->count; i++)
        if (!view->members[i].is_self)
            is_news = overrides_hear_all(&failing->overrides, view->members[i].state, wall_ms) || is_news;
    return is_news;
}

void failing_update(struct peerd *peerd)
{
    struct failing *failing = peerd->failing;
    struct view *view = views_get(&peerd->views);
    int64_t wall_ms = wall_now_ms();
    struct err err;
    bool is_news = hear(failing, view, wall_ms) || failing->has_news;
    failing->has_news = false;
    bool has_changed =
        board_look(&failing->board, view, &failing->overrides, wall_ms, tell_change, peerd) || is_news;
    failing->version = view->version;
    failing->look_due = mono_after(LOOK_MS);
    view_unref(view);
    if (has_changed) {
        if (failing_store(peerd, &err) != 0)
            log_warn("failover-not-stored", log_s("cause", err.text),
                     log_s("meaning", "a restart may forget it for a moment"));
        tell_neighbours(peerd);
        tell_peers(peerd);
    }
}

static int64_t step(struct peerd *peerd)
{
    struct failing *failing = peerd->failing;
    struct view *view = views_get(&peerd->views);
    bool is_new = view->version != failing->version;
    view_unref(view);
    if (is_new || mono_is_past(failing->look_due))
        failing_update(peerd);
    if (mono_is_past(failing->told_due))
        tell_neighbours(peerd);
    return mono_left_ms(mono_earlier(failing->look_due, failing->told_due));
}

struct failover failing_look(const struct peerd *peerd, const struct view *view, const char *db)
{
    const struct failing *failing = peerd->failing;
    const struct override *word = overrides_find(&failing->overrides, db, wall_now_ms());
    struct failover failover =
        failover_look(view, db, word ? word->mode : OVERRIDE_AUTO, word ? word->at : NULL);
    if (failing->is_observing)
        failover = (struct failover){.present = failover.present,
                                     .reaching = failover.present,
                                     .is_reached = true,
                                     .cause = FAILOVER_HEALTHY};
    return failover;
}

bool failing_is_leaving(const struct peerd *peerd, const struct view *view, const char *db)
{
    const struct failover now = failing_look(peerd, view, db);
    return view->is_settled && reclaim_is_due(&now) && failing_stay_ms(peerd, db) == 0;
}

int64_t failing_stay_ms(const struct peerd *peerd, const char *db)
{
    const struct board_entry *entry = board_find(&peerd->failing->board, db);
    return entry && !entry->now.is_active ? mono_left_ms(entry->stay_until) : 0;
}

bool failing_is_pressed(const struct view *view)
{
    const char *pressure = view_self(view)->state->pressure;
    return strcmp(pressure, "high") == 0 || strcmp(pressure, "full") == 0;
}

struct drop_decision failing_decide(const struct peerd *peerd, const struct view *view, bool is_full)
{
    const struct drop_facts facts = {.is_full = is_full,
                                     .is_pressed = failing_is_pressed(view),
                                     .is_archive_failing = !mono_is_past(peerd->failing->archive_due)};
    return drop_policy_decide(peerd->failing->policy, &facts);
}

void failing_each(struct peerd *peerd, void (*each)(void *arg, const char *db), void *arg)
{
    for (size_t i = 0; i < peerd->failing->board.count; i++)
        each(arg, peerd->failing->board.list[i].db);
}

struct drops *failing_drops(const struct peerd *peerd)
{
    return peerd->failing->drops;
}

/* --- what people see -------------------------------------------------------------------------------- */

static void status(struct peerd *peerd, json_t *out)
{
    const struct board *board = &peerd->failing->board;
    json_t *active = json_object();
    for (size_t i = 0; i < board->count; i++)
        if (board->list[i].now.is_active)
            json_object_set_new(active, board->list[i].db, json_string(board->list[i].at));
    json_object_set_new(out, "failover", active);
}

struct drop_family {
    struct metrics *out;
    const char *name;
    enum drop_fate fate;
    size_t offset; /* in struct drops_sum */
};

static void add_drop(void *arg, const char *db, enum drop_fate fate, enum drop_reason reason,
                     const struct drops_sum *sum)
{
    const struct drop_family *family = arg;
    uint64_t value;
    if (fate != family->fate)
        return;
    memcpy(&value, (const char *)sum + family->offset, sizeof value);
    metrics_sample_pair(family->out, family->name, "db", db, "reason", drop_reason_word(reason),
                        (int64_t)value);
}

static void drop_metrics(struct peerd *peerd, struct metrics *out)
{
    static const struct {
        const char *name, *help;
        enum drop_fate fate;
        size_t offset;
    } families[] = {
        {"spillway_dropped_segments_total", "Segments dropped in failover.", DROP_DROPPED,
         offsetof(struct drops_sum, segments)},
        {"spillway_dropped_rows_total", "Their rows.", DROP_DROPPED, offsetof(struct drops_sum, rows)},
        {"spillway_dropped_bytes_total", "Their bytes on disk.", DROP_DROPPED,
         offsetof(struct drops_sum, bytes)},
        {"spillway_archived_segments_total", "Segments moved to the archive in failover.", DROP_ARCHIVED,
         offsetof(struct drops_sum, segments)},
        {"spillway_archived_rows_total", "Their rows.", DROP_ARCHIVED, offsetof(struct drops_sum, rows)},
        {"spillway_archived_bytes_total", "Their bytes on disk.", DROP_ARCHIVED,
         offsetof(struct drops_sum, bytes)},
    };
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        struct drop_family family = {
            .out = out, .name = families[i].name, .fate = families[i].fate, .offset = families[i].offset};
        metrics_family(out, families[i].name, METRICS_COUNTER, families[i].help);
        drops_totals(peerd->failing->drops, add_drop, &family);
    }
}

static void metrics(struct peerd *peerd, struct metrics *out)
{
    static const char active[] = "spillway_failover_active";
    static const char transitions[] = "spillway_failover_transitions_total";
    const struct board *board = &peerd->failing->board;
    metrics_family(out, active, METRICS_GAUGE, "1 while the database is in failover, as we see it.");
    for (size_t i = 0; i < board->count; i++)
        metrics_sample(out, active, "db", board->list[i].db, board->list[i].now.is_active);
    metrics_family(out, transitions, METRICS_COUNTER,
                   "Changes of that, and of the instance that buffers, since the start.");
    for (size_t i = 0; i < board->count; i++) {
        const struct board_entry *entry = &board->list[i];
        metrics_sample_pair(out, transitions, "db", entry->db, "to", "on", (int64_t)entry->went_on);
        metrics_sample_pair(out, transitions, "db", entry->db, "to", "off", (int64_t)entry->went_off);
        metrics_sample_pair(out, transitions, "db", entry->db, "to", "moved", (int64_t)entry->moved);
    }
    drop_metrics(peerd, out);
}

const struct peerd_part failing_part = {
    .init = init,
    .step = step,
    .status = status,
    .metrics = metrics,
    .fini = fini,
};
