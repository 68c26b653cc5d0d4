/* Databases that peerd names in {"op":"release","databases":[D...]}: their data leaves this instance for
 * another one, from which they can be reached or where they are buffered. Nothing new of them is claimed, and
 * batches that wait are dissolved, so that their segments are in upload/ for peerd to take. Not those of
 * which something is, or may be, in ADX already: what was sent under a batch's id can only be sent again
 * under it.
 *
 * Each message replaces the one before, and holds for LEAVING_MS: when peerd is gone, all is as without it.
 */
#include <errno.h>

#include "common/base/log.h"
#include "common/control/message.h"
#include "uploader/uploader.h"

enum { LEAVING_MS = 15000 };

bool leaving_is(const struct database *d)
{
    return !mono_is_past(d->leaving_until);
}

json_t *uploader_release(void *state, const struct ctl_peer *peer, const json_t *request)
{
    struct uploader *u = state;
    const json_t *names = json_object_get(request, "databases"), *name;
    size_t k;
    (void)peer;
    if (!json_is_array(names))
        return message_refusal("malformed", "\"databases\" is missing, or not a list");
    for (size_t i = 0; i < u->database_count; i++) {
        bool is_named = false;
        json_array_foreach (names, k, name)
            is_named = is_named || (json_is_string(name) &&
                                    strcmp(json_string_value(name), u->databases[i].target.db) == 0);
        u->databases[i].leaving_until = is_named ? mono_after(LEAVING_MS) : (struct mono){0};
    }
    daemon_wake(u->daemon);
    return message_reply();
}

/* Nothing of it has left, for sure. */
static bool may_dissolve(const struct batch *batch, const struct batch_dir *dir)
{
    if (batch->is_in_doubt || batch->known || dir->is_done)
        return false;
    return !dir->is_frozen || (dir->progress.parts == 0 && dir->progress.state == PROGRESS_SENDING);
}

/* True when it is gone. */
static bool dissolve(struct uploader *u, struct batch *batch)
{
    struct batch_dir dir;
    struct err err;
    int rc = batch_open(&dir, &u->daemon->spool, &batch->place, &err);
    if (rc)
        return rc == -ENOENT;
    bool may = may_dissolve(batch, &dir);
    if (may) {
        rc = batch_repair(&dir);
        if (rc == 0)
            rc = batch_release(&dir, u->context.queue, NULL);
    }
    batch_close(&dir);
    if (may && rc)
        log_warn("batch-not-dissolved", log_s("db", batch->place.db), log_s("batch", batch->place.group),
                 log_s("cause", strerror(-rc)));
    if (may && rc == 0)
        log_info("batch-dissolved", log_s("db", batch->place.db), log_s("batch", batch->place.group),
                 log_s("reason", "peerd moves this database to another instance"));
    return may && rc == 0;
}

void leaving_step(struct uploader *u)
{
    for (size_t i = 0; i < u->database_count; i++) {
        struct database *d = &u->databases[i];
        for (struct batch **at = &d->batches; leaving_is(d) && *at;) {
            struct batch *batch = *at;
            if (!dissolve(u, batch)) {
                at = &batch->next;
                continue;
            }
            *at = batch->next;
            d->batch_count--;
            u->must_scan_all = true;
            batches_free(batch);
        }
    }
}
