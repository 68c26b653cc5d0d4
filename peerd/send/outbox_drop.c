/* The end of a transfer that no peer takes: by the drop policy. */
#include <errno.h>

#include "peerd/send/outbox.h"

struct dropping {
    char *files[DROPS_BATCH];
    size_t count;
};

static int add(void *arg, struct claim *claim, const char *file)
{
    struct dropping *dropping = arg;
    (void)claim;
    if (dropping->count == DROPS_BATCH)
        return 1; /* the next round */
    dropping->files[dropping->count] = strdup(file);
    if (!dropping->files[dropping->count])
        return -ENOMEM;
    dropping->count++;
    return 0;
}

static void forget(struct dropping *dropping)
{
    while (dropping->count > 0)
        free(dropping->files[--dropping->count]);
}

int outbox_give_up(struct outbox *outbox, struct drops *drops, enum drop_fate fate, enum drop_reason reason,
                   const char *peer, struct drops_sum *sum, struct err *err)
{
    struct dropping dropping = {.count = 0};
    bool has_more = true;
    *sum = (struct drops_sum){0};
    int rc = claim_thaw(&outbox->claim);
    if (rc)
        err_errno(err, rc, "transfer %s: plan.json cannot be removed", outbox->claim.place.group);
    else
        outbox->state = CLAIM_CLAIMED;
    while (rc == 0 && has_more) {
        struct drops_sum some = {0};
        rc = claim_each(&outbox->claim, add, &dropping);
        if (rc < 0)
            err_errno(err, rc, "transfer %s cannot be read", outbox->claim.place.group);
        has_more = rc > 0;
        rc = rc > 0 ? 0 : rc;
        if (rc == 0)
            rc = drops_give_up(drops, &outbox->claim.place, dropping.files, dropping.count, fate, reason,
                               peer, &some, err);
        sum->segments += some.segments;
        sum->rows += some.rows;
        sum->raw_bytes += some.raw_bytes;
        sum->bytes += some.bytes;
        forget(&dropping);
    }
    if (rc == 0 && (rc = claim_remove(&outbox->claim)) != 0)
        err_errno(err, rc, "transfer %s cannot be removed", outbox->claim.place.group);
    return rc;
}
