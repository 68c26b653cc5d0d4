/* Start-up is recovery: each directory in transfer/ is in one of the states of outbox.h, and is taken on from
 * there. */
#include <errno.h>

#include "common/base/log.h"
#include "peerd/send/shipping_parts.h"

struct recovery {
    struct shipping *shipping;
    bool has_counted; /* one that was counted could not be removed */
};

static int enlist(struct shipping *shipping, const struct outbox *found)
{
    const struct manifest *m = &found->manifest;
    struct parcel *parcel = parcel_new(shipping, &found->claim.place, m->peer);
    if (!parcel)
        return -ENOMEM;
    parcel->frozen_ms = m->frozen_ms;
    parcel->delivery.is_in_doubt = found->state == CLAIM_FROZEN;
    parcel_wait(shipping, parcel);
    log_info("transfer-found", log_s("db", found->claim.place.db), log_s("table", m->table),
             log_s("transfer", found->claim.place.group), log_s("peer", m->peer), log_u("rows", m->rows));
    return 0;
}

/* What can be ended without asking anybody. */
static int end(struct outbox *outbox)
{
    if (outbox->state == CLAIM_DONE)
        return outbox_finish(outbox);
    if (outbox->is_refused)
        return outbox_put_aside(outbox);
    return outbox->state == CLAIM_CLAIMED ? outbox_dissolve(outbox, QUEUE_SEALED, false) : -EAGAIN;
}

static int recover_one(void *arg, const struct spool_place *place, int dir)
{
    (void)dir;
    struct recovery *recovery = arg;
    struct shipping *shipping = recovery->shipping;
    struct outbox outbox;
    struct err err;
    int rc = outbox_open(&outbox, &shipping->daemon->spool, shipping->context.tally, place, &err);
    if (rc) {
        shipping->foreign++;
        log_error("transfer-not-opened", log_s("db", place->db), log_s("transfer", place->group),
                  log_s("cause", err.text));
        return 0;
    }
    rc = end(&outbox);
    if (rc && rc != -EAGAIN) {
        recovery->has_counted = true;
        log_warn("transfer-not-ended", log_s("db", place->db), log_s("transfer", place->group),
                 log_s("cause", strerror(-rc)));
    }
    rc = rc ? enlist(shipping, &outbox) : 0;
    outbox_close(&outbox);
    return rc;
}

int shipping_recover(struct shipping *shipping, struct err *err)
{
    struct recovery recovery = {.shipping = shipping};
    struct spool *spool = &shipping->daemon->spool;
    int rc = spool_walk_groups(spool, QUEUE_TRANSFER, recover_one, &recovery);
    if (rc == 0 && !recovery.has_counted && shipping->foreign == 0)
        tally_forget_all(shipping->context.tally);
    return rc ? err_errno(err, rc, "spool %s: transfer/ cannot be read", spool->path) : 0;
}
