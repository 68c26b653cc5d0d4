#include <errno.h>

#include "common/base/log.h"
#include "common/base/units.h"
#include "common/control/lease_message.h"
#include "common/control/message.h"
#include "common/segment/name.h"
#include "diskguard/guard.h"
#include "diskguard/process.h"

enum { RETRY_SOON_MS = 50, RETRY_MS = 200 };

static json_t *refuse_full(struct guard *guard, struct room room, int64_t lacks)
{
    const struct account *account = &guard->account;
    char needed[UNITS_TEXT_BYTES], limit[UNITS_TEXT_BYTES], used[UNITS_TEXT_BYTES],
        promised[UNITS_TEXT_BYTES];
    char text[512];
    static const char *const spent[REASON_COUNT] = {
        [REASON_NONE] = "it is spent",
        [REASON_BYTES] = "it is spent",
        [REASON_SEGMENTS] = "max-segment-count is reached",
        [REASON_FREE_SPACE] = "the file system has no more than min-free left",
        [REASON_INODES] = "the file system has no more inodes than min-free leaves",
        [REASON_FAILOVER] = "databases in failover have their share of it",
    };
    snprintf(text, sizeof text,
             "disk budget: %s: %s more are needed; of %s, %s are used and %s promised to writers",
             lacks > account->limit - account_reserve(account)
                 ? "it is too small for this, whatever is drained"
             : guard->is_audited ? spent[room.reason]
                                 : "the spool could not be read yet",
             units_format_size(lacks, needed), units_format_size(account->limit, limit),
             units_format_size(account_shown_used(account), used),
             units_format_size(account_shown_outstanding(account), promised));
    json_t *reply = message_refusal("full", text);
    /* What was settled but not seen yet, and what was deleted, is found out by a scan. */
    bool is_soon = account->settled > 0 || account->files.missed_bytes > 0;
    json_object_set_new(reply, "reason", json_string(pressure_reason_name(room.reason)));
    json_object_set_new(reply, "retry_ms", json_integer(is_soon ? RETRY_SOON_MS : RETRY_MS));
    return reply;
}

static json_t *grant(struct guard *guard, struct holder *holder, const struct lease_request *request)
{
    struct account *account = &guard->account;
    size_t number = (size_t)(holder - account->holders);
    struct room room = guard_room(guard, holder->db, NULL);
    /* What cannot be written down is not granted. */
    if (slots_reserve(&guard->slots, number) != 0)
        room = (struct room){.bytes = 0, .reason = REASON_FREE_SPACE};
    int64_t lacks = request->need - holder->outstanding;
    int64_t now_ms = guard_now_ms();
    int64_t granted = account_grant(account, holder, request->need, request->want, room.bytes, now_ms);
    if (granted >= 0) {
        guard->granted_total += granted;
        json_t *reply = message_reply();
        json_object_set_new(reply, "granted", json_integer(granted));
        return reply;
    }
    /* Only who waits for what others use up as well is worth standing back for. */
    bool is_hopeless = lacks > account->limit - account_reserve(account);
    if (is_hopeless || room.reason == REASON_FAILOVER)
        holder->waiting_since_ms = 0;
    if (room.reason != REASON_FAILOVER && !is_hopeless)
        pressure_refused(&guard->pressure, room.reason, now_ms);
    guard->wants_scan = true;
    daemon_wake(guard->daemon);
    guard_update_pressure(guard);
    return refuse_full(guard, room, lacks);
}

/* The lease that speaks: known by its connection, from before a reconnection or our restart, or new. NULL:
 * `*refusal`. */
static struct holder *identify(struct guard *guard, const struct ctl_peer *peer, uint64_t lease, size_t db,
                               json_t **refusal)
{
    struct account *account = &guard->account;
    struct holder *holder = account_find(account, peer->connection, peer->pid, 0, lease);
    uint64_t start = 0;
    if (holder)
        return holder;
    if (peer->pid <= 0 || process_start_time(peer->pid, &start) != 0) {
        *refusal = message_refusal("forbidden",
                                   "your process cannot be seen from here, so its end could not be: run "
                                   "diskguard where /proc shows it (the same pid namespace)");
        return NULL;
    }
    holder = account_find(account, 0, peer->pid, start, lease);
    if (!holder) {
        struct holder like = {.pid = peer->pid, .start = start, .lease = lease, .db = db};
        if (account_add(account, &like, &holder) != 0) {
            *refusal = message_refusal("crowded", "more leases are open than diskguard keeps");
            return NULL;
        }
    }
    holder->connection = peer->connection;
    return holder;
}

static void hear(struct guard *guard, struct holder *holder, const struct lease_request *request, size_t db)
{
    struct account *account = &guard->account;
    size_t number = (size_t)(holder - account->holders);
    if (holder->db != db) {
        (void)account_report(account, holder, 0);
        holder->db = db;
    }
    if (request->seq)
        holder->seq = request->seq;
    int64_t claimed = account_report(account, holder, request->holding);
    if (claimed == 0)
        return;
    /* It may write them, so they count; that is all that can be done. */
    (void)!slots_reserve(&guard->slots, number);
    log_warn("lease-claimed", log_n("holder", holder->pid), log_s("db", request->db), log_n("bytes", claimed),
             log_s("cause", "it says that it holds bytes that were never granted to it"));
}

static json_t *answer(struct guard *guard, const struct ctl_peer *peer, const json_t *message,
                      bool is_wanting)
{
    struct account *account = &guard->account;
    struct lease_request request;
    struct err err;
    size_t db = 0;
    json_t *reply = NULL;
    if (lease_request_parse(message, &request, &err) != 0) {
        log_warn("request-refused", log_n("pid", peer->pid), log_s("cause", err.text));
        return message_refusal("malformed", err.text);
    }
    if (databases_index(&account->databases, request.db, &db) != 0)
        return message_refusal("crowded", "more databases than diskguard tells apart");
    struct holder *holder = identify(guard, peer, request.lease, db, &reply);
    if (!holder)
        return reply;
    if (request.seq && request.seq <= holder->seq)
        return message_refusal("stale", "a later message of this lease was heard already");
    size_t number = (size_t)(holder - account->holders);
    hear(guard, holder, &request, db);
    if (is_wanting) {
        reply = grant(guard, holder, &request);
    } else {
        reply = message_reply();
        json_object_set_new(reply, "granted", json_integer(0));
        if (holder->outstanding == 0)
            account_end(account, holder);
    }
    guard_save(guard, number);
    return reply;
}

json_t *guard_on_lease(void *state, const struct ctl_peer *peer, const json_t *request)
{
    return answer(state, peer, request, true);
}

json_t *guard_on_settle(void *state, const struct ctl_peer *peer, const json_t *request)
{
    return answer(state, peer, request, false);
}

json_t *guard_on_failover(void *state, const struct ctl_peer *peer, const json_t *request)
{
    struct guard *guard = state;
    struct databases *databases = &guard->account.databases;
    const json_t *names = json_object_get(request, "databases"), *name;
    (void)peer;
    if (!json_is_array(names))
        return message_refusal("malformed", "\"databases\" is missing, or not a list");
    for (size_t i = 0; i < databases->count; i++)
        databases->list[i].is_in_failover = false;
    size_t i, db;
    json_array_foreach (names, i, name) {
        char folder[SPOOL_NAME_BYTES];
        const char *text = json_string_value(name);
        if (text && name_encode(text, folder, sizeof folder) == NAME_OK &&
            databases_index(databases, folder, &db) == 0)
            databases->list[db].is_in_failover = true;
    }
    return message_reply();
}
