/* What may be asked of a running uploader: pause, resume, probe. */
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

/* To one database, or all when the request names none. */
static json_t *apply(struct uploader *u, const json_t *request, void (*change)(struct database *d))
{
    const char *db = message_text(request, "db", NULL);
    size_t changed = 0;
    for (size_t i = 0; i < u->database_count; i++) {
        if (db && strcmp(db, u->databases[i].target.db) != 0)
            continue;
        change(&u->databases[i]);
        changed++;
    }
    if (changed == 0)
        return message_refusal("unknown", "no --database of that name");
    daemon_wake(u->daemon);
    return message_reply();
}

json_t *uploader_pause(void *state, const struct ctl_peer *peer, const json_t *request)
{
    (void)peer;
    return apply(state, request, set_paused);
}

json_t *uploader_resume(void *state, const struct ctl_peer *peer, const json_t *request)
{
    (void)peer;
    return apply(state, request, set_resumed);
}

json_t *uploader_probe(void *state, const struct ctl_peer *peer, const json_t *request)
{
    (void)peer;
    return apply(state, request, try_now);
}
