/* What may be asked of a running uploader: pause, resume, probe. */
#include "common/base/log.h"
#include "common/control/message.h"
#include "uploader/uploader.h"

static void set_paused(struct database *d)
{
    d->is_paused = true;
}

static void set_resumed(struct database *d)
{
    d->is_paused = false;
}

/* Forget that it has to wait. */
static void try_now(struct database *d)
{
    breaker_hurry(&d->breaker, mono_now());
    for (struct batch *b = d->batches; b; b = b->next)
        b->not_before = (struct mono){0};
}

/* To one database, or all when the request names none; the answer names them. */
static json_t *apply(struct uploader *u, const json_t *request, void (*change)(struct database *d),
                     const char *said)
{
    const char *db = message_text(request, "db", NULL);
    json_t *changed = json_array(), *reply;
    for (size_t i = 0; i < u->database_count; i++) {
        const char *name = u->databases[i].target.db;
        if (db && strcmp(db, name) != 0)
            continue;
        change(&u->databases[i]);
        json_array_append_new(changed, json_string(name));
        log_info(said, log_s("db", name), log_s("by", "operator"));
        daemon_publish(u->daemon, said, json_pack("{s:s}", "db", name));
    }
    if (json_array_size(changed) > 0 && (reply = message_reply())) {
        json_object_set_new(reply, "databases", changed);
        daemon_wake(u->daemon);
        return reply;
    }
    json_decref(changed);
    return message_refusal("unknown", "no --database of that name");
}

json_t *uploader_pause(void *state, const struct ctl_peer *peer, const json_t *request)
{
    (void)peer;
    return apply(state, request, set_paused, "uploads-paused");
}

json_t *uploader_resume(void *state, const struct ctl_peer *peer, const json_t *request)
{
    (void)peer;
    return apply(state, request, set_resumed, "uploads-resumed");
}

json_t *uploader_probe(void *state, const struct ctl_peer *peer, const json_t *request)
{
    (void)peer;
    return apply(state, request, try_now, "probe-ordered");
}
