#include <errno.h>

#include "common/base/log.h"
#include "common/base/units.h"
#include "common/control/lease_message.h"
#include "common/control/message.h"
#include "common/segment/name.h"
#include "diskguard/holders.h"
#include "diskguard/process.h"
#include "diskguard/room.h"

enum { RETRY_SOON_MS = 50, RETRY_MS = 200 };

static const char *what_is_short(const struct guard *guard, enum reason reason)
{
    static const char *const texts[REASON_COUNT] = {
        [REASON_NONE] = "it is spent",
        [REASON_BYTES] = "it is spent",
        [REASON_SEGMENTS] = "max-segment-count is reached",
        [REASON_FREE_SPACE] = "the file system has no more than min-free left",
        [REASON_INODES] = "the file system has no more inodes than min-free leaves",
        [REASON_FAILOVER] = "databases in failover have their share of it (failover-share)",
        [REASON_UNWRITABLE] = "nothing can be written",
        [REASON_UNREAD] = "the spool could not be read yet",
    };
    return reason == REASON_UNWRITABLE && guard->probe_rc ? guard->probe_err.text : texts[reason];
}

static bool is_hopeless(const struct account *account, struct amount lacks)
{
    return lacks.bytes > account->limit - account_reserve(account) || lacks.files > account->max_segments;
}

static json_t *refuse_full(const struct guard *guard, enum reason reason, struct amount lacks)
{
    const struct account *account = &guard->account;
    const struct shown shown = account_shown(account);
    char needed[UNITS_TEXT_BYTES], limit[UNITS_TEXT_BYTES], used[UNITS_TEXT_BYTES],
        promised[UNITS_TEXT_BYTES];
    char text[ERR_TEXT_BYTES + 512];
    const char *what = is_hopeless(account, lacks) ? "it is too small for this, whatever is drained"
                                                   : what_is_short(guard, reason);
    if (reason == REASON_SEGMENTS)
        snprintf(text, sizeof text,
                 "disk budget: %s: of %lld segments, %lld are there and %lld promised to writers", what,
                 (long long)account->max_segments,
                 (long long)(account->files.segments + account->settled.files),
                 (long long)account->outstanding.files);
    else
        snprintf(text, sizeof text,
                 "disk budget: %s: %s more are needed; of %s, %s are used and %s promised to writers", what,
                 units_format_size(lacks.bytes, needed), units_format_size(account->limit, limit),
                 units_format_size(shown.used, used), units_format_size(shown.outstanding, promised));
    json_t *reply = message_refusal("full", text);
    /* What was settled but not seen yet, and what was deleted, is found out by a scan. */
    bool is_soon =
        account->settled.bytes > 0 || account->settled.files > 0 || account->files.missed_bytes > 0;
    json_object_set_new(reply, "reason", json_string(pressure_reason_name(reason)));
    json_object_set_new(reply, "retry_ms", json_integer(is_soon ? RETRY_SOON_MS : RETRY_MS));
    return reply;
}

static json_t *reply_granted(struct amount granted)
{
    json_t *reply = message_reply();
    json_object_set_new(reply, "granted", json_integer(granted.bytes));
    json_object_set_new(reply, "granted_files", json_integer(granted.files));
    return reply;
}

static json_t *refuse(struct guard *guard, struct holder *holder, const struct room *room,
                      const struct wish *wish)
{
    const struct amount lacks = {.bytes = wish->need.bytes - holder->outstanding.bytes,
                                 .files = wish->need.files - holder->outstanding.files};
    bool lacks_bytes = lacks.bytes > 0 && lacks.bytes > room->amount.bytes;
    bool lacks_files = lacks.files > 0 && lacks.files > room->amount.files;
    /* Neither: somebody else's turn. */
    enum reason reason = lacks_files && !lacks_bytes ? room->files_reason : room->bytes_reason;
    int64_t now_ms = guard_now_ms();
    /* Only who waits for what others use up as well is worth standing back for. */
    if (is_hopeless(&guard->account, lacks) || reason == REASON_FAILOVER)
        holder->waiting_since_ms = 0;
    else
        pressure_refused(&guard->pressure, reason, now_ms);
    guard->wants_scan = true;
    daemon_wake(guard->daemon);
    room_update_pressure(guard);
    return refuse_full(guard, reason, lacks);
}

static json_t *grant(struct guard *guard, struct holder *holder, const struct lease_request *request)
{
    struct account *account = &guard->account;
    struct room room = room_look(guard, holder->db);
    /* What cannot be written down is not granted. */
    if (slots_reserve(&guard->slots, (size_t)(holder - account->holders)) != 0) {
        room.amount = (struct amount){0};
        room.bytes_reason = room.files_reason = REASON_FREE_SPACE;
    }
    const struct wish wish = {.need = {.bytes = request->need, .files = request->need_files},
                              .want = {.bytes = request->want, .files = request->want_files}};
    struct amount granted;
    if (!account_grant(account, holder, &wish, room.amount, guard_now_ms(), &granted))
        return refuse(guard, holder, &room, &wish);
    guard->granted_total += granted.bytes;
    return reply_granted(granted);
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
        (void)account_report(account, holder, (struct amount){0});
        holder->db = db;
    }
    if (request->seq)
        holder->seq = request->seq;
    const struct amount holding = {.bytes = request->holding, .files = request->holding_files};
    const struct amount claimed = account_report(account, holder, holding);
    if (claimed.bytes == 0 && claimed.files == 0)
        return;
    /* It may write them, so they count; that is all that can be done. */
    (void)!slots_reserve(&guard->slots, number);
    log_warn("lease-claimed", log_n("holder", holder->pid), log_s("db", request->db),
             log_n("bytes", claimed.bytes), log_n("files", claimed.files),
             log_s("cause", "it says that it holds what was never granted to it"));
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
        reply = reply_granted((struct amount){0});
        if (holder->outstanding.bytes == 0 && holder->outstanding.files == 0)
            holders_end(guard, holder);
    }
    holders_save(guard, number);
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
