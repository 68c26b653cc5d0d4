#include "peerd/send/delivery.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/crash.h"
#include "common/base/log.h"

static enum delivery_end keep(struct delivery *d, const char *what, int rc)
{
    if (rc)
        snprintf(d->cause, sizeof d->cause, "%s: %s", what, strerror(-rc));
    return DELIVERY_KEPT;
}

static void note_figures(struct delivery *d, const struct outbox *outbox)
{
    snprintf(d->table, sizeof d->table, "%s", outbox->manifest.table);
    d->rows = outbox->manifest.rows;
    d->bytes = outbox->manifest.bytes;
    d->segments = outbox->manifest.count;
}

/* --- what the answer asks for ----------------------------------------------------------------------- */

static enum delivery_end done(struct delivery *d, struct outbox *outbox)
{
    int rc = outbox_finish(outbox);
    if (rc) /* where done.json is, it is only to be removed; else the peer will say 200 */
        return keep(d, "what was delivered cannot be removed", rc);
    return DELIVERY_DONE;
}

static enum delivery_end divert(struct delivery *d, struct outbox *outbox, bool possibly_twice)
{
    int rc = outbox_dissolve(outbox, QUEUE_UPLOAD, possibly_twice);
    return rc ? keep(d, "it cannot be moved to upload/", rc) : DELIVERY_DIVERTED;
}

/* To where it is decided on anew. */
static enum delivery_end give_back(struct delivery *d, struct outbox *outbox)
{
    int rc = outbox_dissolve(outbox, QUEUE_SEALED, false);
    return rc ? keep(d, "it cannot be moved back to sealed/", rc) : DELIVERY_RETURNED;
}

/* What cannot be given up now waits in sealed/ for the next decision. */
static enum delivery_end drop(struct delivery *d, struct outbox *outbox)
{
    struct err err;
    int rc = outbox_give_up(outbox, d->context->drops, d->drop.fate, d->drop.reason, d->peer.name,
                            &d->given_up, &err);
    if (rc == 0)
        return DELIVERY_DROPPED;
    snprintf(d->cause, sizeof d->cause, "%s", err.text);
    return give_back(d, outbox);
}

static json_t *make_why(const struct delivery *d, const struct outbox *outbox)
{
    const struct answer *answer = &d->sent.answer;
    json_t *why =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s}", "reason", "refused", "by", "peerd", "peer",
                  d->peer.name, "transfer", outbox->manifest.id, "status", (json_int_t)answer->status, "code",
                  answer->code, "message", answer->why, "request_id", d->sent.request_id);
    return why ? why /* words that are not UTF-8 */
               : json_pack("{s:s, s:s, s:s, s:I}", "reason", "refused", "by", "peerd", "transfer",
                           outbox->manifest.id, "status", (json_int_t)answer->status);
}

/* One damaged segment would have all that travel with it refused: then they are not what was refused, and
 * uploader saves what can be saved of that one. */
static enum delivery_end refuse(struct delivery *d, struct outbox *outbox)
{
    int whole = d->sent.answer.fate == FATE_CONFLICT ? 1 : outbox_is_whole(outbox);
    if (whole < 0)
        return keep(d, "its segments cannot be read", whole);
    if (!whole && !d->is_failing) {
        snprintf(d->cause, sizeof d->cause, "a segment is damaged here; uploader salvages it");
        return divert(d, outbox, false);
    }
    json_t *why = make_why(d, outbox);
    int rc = why ? outbox_refuse(outbox, why) : -ENOMEM;
    json_decref(why);
    if (rc == 0)
        rc = outbox_put_aside(outbox);
    return rc ? keep(d, "it cannot be put into quarantine", rc) : DELIVERY_REFUSED;
}

static enum delivery_end act(struct delivery *d, struct outbox *outbox)
{
    bool was_in_doubt = d->is_in_doubt || d->sent.was_begun_anew;
    d->is_in_doubt = answer_is_in_doubt(d->sent.answer.fate, was_in_doubt);
    switch (answer_dispose(d->sent.answer.fate, was_in_doubt)) {
    case DISPOSE_DONE:
        return done(d, outbox);
    case DISPOSE_QUARANTINE:
        return refuse(d, outbox);
    case DISPOSE_DIVERT:
        if (!d->is_failing)
            return divert(d, outbox, false);
        return *d->sent.answer.failover ? DELIVERY_FULL : give_back(d, outbox);
    case DISPOSE_KEEP:
        break;
    }
    return DELIVERY_KEPT;
}

/* --- the whole -------------------------------------------------------------------------------------- */

static enum delivery_end send_it(struct delivery *d, struct outbox *outbox, struct sender *sender)
{
    d->was_asked = true;
    sender_send(sender, &d->context->sender, &d->peer, outbox, &d->sent);
    crash_point("transfer:after-answer");
    return act(d, outbox);
}

static enum delivery_end freeze_and_send(struct delivery *d, struct outbox *outbox, struct sender *sender)
{
    struct err err;
    int rc = outbox_freeze(outbox, d->context->sender.instance, d->peer.name, &err);
    if (rc == -ENODATA)
        return DELIVERY_EMPTY;
    if (rc) {
        snprintf(d->cause, sizeof d->cause, "%s", err.text);
        return DELIVERY_KEPT;
    }
    note_figures(d, outbox);
    return send_it(d, outbox, sender);
}

static enum delivery_end proceed(struct delivery *d, struct outbox *outbox, struct sender *sender)
{
    note_figures(d, outbox);
    if (outbox->state == CLAIM_DONE)
        return done(d, outbox);
    if (outbox->is_refused) {
        int rc = outbox_put_aside(outbox);
        return rc ? keep(d, "it cannot be put into quarantine", rc) : DELIVERY_REFUSED;
    }
    if (d->task == DELIVERY_DROP && !d->is_in_doubt)
        return drop(d, outbox);
    if (d->task == DELIVERY_RETURN && !d->is_in_doubt)
        return give_back(d, outbox);
    if (d->task == DELIVERY_GIVE_UP)
        return divert(d, outbox, d->is_in_doubt);
    if (outbox->state == CLAIM_CLAIMED)
        return freeze_and_send(d, outbox, sender);
    return send_it(d, outbox, sender);
}

void delivery_run(struct worker_job *job, void *local)
{
    struct delivery *d = (struct delivery *)job;
    struct mono started = mono_now();
    struct outbox outbox;
    struct err err;
    int rc = outbox_open(&outbox, d->context->spool, d->context->tally, &d->place, &err);
    if (rc == -ENOENT) { /* taken away by hand, or never filled */
        d->end = DELIVERY_EMPTY;
    } else if (rc) {
        snprintf(d->cause, sizeof d->cause, "%s", err.text);
        d->end = DELIVERY_KEPT;
    } else {
        outbox.takes_received = d->is_failing;
        d->end = proceed(d, &outbox, local);
        outbox_close(&outbox);
    }
    d->took_ms = mono_since_ms(started);
}

void delivery_fini(void *local)
{
    sender_fini(local);
}
