#include "walwriter/receiver.h"

#include <errno.h>

#include "common/base/exit.h"
#include "common/base/log.h"
#include "common/control/message.h"
#include "common/http/files.h"
#include "walwriter/request.h"

enum {
    DRAIN_STEP_MS = 20,
    BODIES_MS = 5000, /* draining: bodies still being sent are waited for so long */
};

struct receiver {
    struct daemon *daemon;
    struct reception reception;
    struct http_hooks hooks;
    bool has_registry, is_sealing;
    struct mono bodies_until;
};

/* --- start ------------------------------------------------------------------------------------------ */

int receiver_check(const struct conf *conf, struct err *err)
{
    struct receive_settings settings;
    return receive_settings_init(&settings, conf, err);
}

static void wake(void *arg)
{
    struct receiver *receiver = arg;
    daemon_wake(receiver->daemon);
}

static int set_up(struct receiver *receiver, struct err *err)
{
    struct reception *reception = &receiver->reception;
    struct receive_settings *settings = &reception->settings;
    int rc = receive_settings_init(settings, receiver->daemon->conf, err);
    if (rc == 0)
        rc = http_raise_file_limit(settings->http.connections_max, &settings->open_max, err);
    if (rc)
        return rc;
    settings->instance = receiver->daemon->instance;
    reception->memory.limit = settings->memory_bytes;
    rc = http_server_init(&reception->server, &settings->http, err);
    if (rc)
        return rc;
    rc = registry_init(&reception->registry, settings->instance, settings->tables_max);
    if (rc)
        return err_set(err, rc, "out of memory");
    receiver->has_registry = true;
    if (!settings->is_guarded)
        log_warn("no-guard",
                 log_s("meaning", "diskguard is not asked: the spool's disk limit is not enforced"));
    rc = commit_new(&reception->commit, settings, &receiver->daemon->spool, &reception->registry,
                    &reception->totals, wake, receiver, err);
    if (rc)
        return rc;
    receiver->hooks = (struct http_hooks){request_new, request_handle, request_end, request_begun, reception};
    return http_server_open(&reception->server, &receiver->hooks, err);
}

int receiver_init(struct daemon *daemon, void **state, struct err *err)
{
    struct receiver *receiver = calloc(1, sizeof *receiver);
    if (!receiver)
        return err_set(err, -ENOMEM, "out of memory");
    receiver->daemon = daemon;
    int rc = set_up(receiver, err);
    if (rc)
        receiver_fini(receiver);
    else
        *state = receiver;
    return rc;
}

/* --- the loop --------------------------------------------------------------------------------------- */

static void publish_sealed(struct receiver *receiver)
{
    struct sealed_notice notice;
    uint64_t missed;
    while (commit_next_sealed(receiver->reception.commit, &notice, &missed)) {
        json_t *fields = json_pack("{s:s, s:s, s:I, s:I, s:I}", "db", notice.db, "file", notice.file, "rows",
                                   (json_int_t)notice.rows, "raw_bytes", (json_int_t)notice.raw_bytes,
                                   "bytes", (json_int_t)notice.bytes);
        if (fields && missed > 0)
            json_object_set_new(fields, "missed", json_integer((json_int_t)missed));
        daemon_publish(receiver->daemon, "segment-sealed", fields);
    }
}

/* First the requests that are under way, then the segments. */
static int64_t drain(struct receiver *receiver)
{
    struct reception *reception = &receiver->reception;
    bool is_quiet = total_of(&reception->totals.in_flight) == 0 || mono_is_past(receiver->bodies_until);
    if (is_quiet && !receiver->is_sealing) {
        receiver->is_sealing = true;
        commit_drain(reception->commit);
    }
    if (receiver->is_sealing && commit_is_drained(reception->commit))
        daemon_finish(receiver->daemon, EXIT_DONE);
    return DRAIN_STEP_MS;
}

int64_t receiver_step(void *state)
{
    struct receiver *receiver = state;
    struct reception *reception = &receiver->reception;
    publish_sealed(receiver);
    total_add(&reception->totals.clients_cut, http_server_tick(&reception->server));
    if (receiver->daemon->is_stopping)
        return drain(receiver);
    return http_server_tick_ms(&reception->server);
}

void receiver_stop(void *state)
{
    struct receiver *receiver = state;
    atomic_store(&receiver->reception.is_draining, true);
    receiver->bodies_until = mono_after(BODIES_MS);
}

void receiver_reload(void *state)
{
    struct receiver *receiver = state;
    http_server_reload(&receiver->reception.server);
}

json_t *receiver_on_seal(void *state, const struct ctl_peer *peer, const json_t *request)
{
    struct receiver *receiver = state;
    (void)peer, (void)request;
    json_t *reply = message_reply();
    json_object_set_new(reply, "segments",
                        json_integer((json_int_t)total_of(&receiver->reception.totals.segments_open)));
    commit_seal(receiver->reception.commit);
    return reply;
}

/* --- what it says ----------------------------------------------------------------------------------- */

static void set_number(json_t *out, const char *key, uint64_t value)
{
    json_object_set_new(out, key, json_integer((json_int_t)value));
}

void receiver_status(void *state, json_t *out)
{
    struct receiver *receiver = state;
    struct reception *reception = &receiver->reception;
    const struct totals *totals = &reception->totals;
    const char *reasons[REASONS_MAX];
    size_t count = reception_reasons(reception, reasons);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(reasons[i]));
    json_object_set_new(out, "http", json_string(reception->server.listener.text));
    json_object_set_new(out, "sync", json_string(sync_mode_name(reception->settings.sync)));
    json_object_set_new(out, "ready", json_boolean(count == 0));
    json_object_set_new(out, "reasons", list);
    set_number(out, "rows", total_of(&totals->rows));
    set_number(out, "bytes", total_of(&totals->bytes));
    set_number(out, "bad_rows", total_of(&totals->bad_rows));
    set_number(out, "requests_in_flight", total_of(&totals->in_flight));
    set_number(out, "connections", total_of(&reception->server.connections));
    set_number(out, "segments_open", total_of(&totals->segments_open));
    set_number(out, "files_open", total_of(&totals->open_files));
    set_number(out, "segments_sealed", total_of(&totals->segments_sealed));
    set_number(out, "receive_memory", (uint64_t)atomic_load(&reception->memory.used));
}

void receiver_metrics(void *state, struct metrics *out)
{
    struct receiver *receiver = state;
    reception_metrics(&receiver->reception, out);
}

/* --- the end ---------------------------------------------------------------------------------------- */

/* The committer first: then nothing is suspended any more, and the server can stop. */
void receiver_fini(void *state)
{
    struct receiver *receiver = state;
    struct reception *reception = &receiver->reception;
    if (reception->commit)
        commit_stop(reception->commit);
    http_server_fini(&reception->server);
    if (reception->commit)
        publish_sealed(receiver);
    commit_free(reception->commit);
    if (receiver->has_registry)
        registry_fini(&reception->registry);
    free(receiver);
}
