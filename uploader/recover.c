/* Start-up is recovery: each directory in batch/ is in one of the states of batch.h, and is taken on from
 * there. */
#include <errno.h>

#include "common/base/log.h"
#include "uploader/uploader.h"

struct recovery {
    struct uploader *u;
    bool has_counted; /* a batch that is done could not be removed */
};

static int dissolve(struct uploader *u, struct batch_dir *batch)
{
    int rc = batch_repair(batch);
    if (rc == 0)
        rc = batch_release(batch, u->context.queue, NULL);
    if (rc)
        log_warn("batch-not-dissolved", log_s("db", batch->claim.place.db),
                 log_s("batch", batch->claim.place.group), log_s("cause", strerror(-rc)));
    else
        log_info("batch-dissolved", log_s("db", batch->claim.place.db),
                 log_s("batch", batch->claim.place.group));
    return rc;
}

/* Frozen, or one that could not be dissolved: it waits like any other. */
static int enlist(struct uploader *u, const struct batch_dir *found)
{
    struct database *d = uploader_find(u, found->claim.place.db);
    if (!d) {
        u->foreign_batches++;
        log_warn("database-unknown", log_s("db", found->claim.place.db),
                 log_s("batch", found->claim.place.group),
                 log_s("advice", "nothing is lost; give --database for it"));
        return 0;
    }
    struct batch *batch = batches_new(d, &found->claim.place);
    struct segment_name name = {0};
    if (!batch)
        return -ENOMEM;
    if (found->plan.count > 0 && segment_name_parse(found->plan.files[0].name, &name) == NAME_OK &&
        !batches_set_key(batch, name.table, name.has_schema, name.schema_hash, name.format)) {
        batches_free(batch);
        return -ENOMEM;
    }
    batch->oldest_id = name.id; /* files of a plan are in the order of ids */
    batch->segments = found->plan.count;
    batch->rows = found->plan.rows;
    batch->raw_bytes = found->plan.raw_bytes;
    batch->is_in_doubt = found->is_frozen; /* what came of it before, nobody knows any more */
    bool is_posted = !found->is_done && found->progress.state == PROGRESS_POSTED;
    batch->posted_ms = is_posted ? found->progress.step_ms : 0;
    if (is_posted)
        batches_post(d, batch);
    else
        batches_insert(d, batch);
    log_info("batch-found", log_s("db", d->target.db), log_s("batch", found->claim.place.group),
             log_u("parts", found->progress.parts), log_u("rows", found->plan.rows));
    return 0;
}

static int recover_one(void *arg, const struct spool_place *place, int dir)
{
    (void)dir;
    struct recovery *recovery = arg;
    struct uploader *u = recovery->u;
    struct batch_dir batch;
    struct err err;
    int rc = batch_open(&batch, &u->daemon->spool, place, &err);
    if (rc) {
        u->foreign_batches++;
        log_error("batch-not-opened", log_s("db", place->db), log_s("batch", place->group),
                  log_s("cause", err.text));
        return 0;
    }
    if (batch.is_done) {
        bool is_left = upload_finish(&u->context, &batch) != 0;
        recovery->has_counted = recovery->has_counted || is_left;
        rc = is_left ? enlist(u, &batch) : 0;
    } else if (batch.is_frozen || dissolve(u, &batch) != 0) {
        rc = enlist(u, &batch);
    }
    batch_close(&batch);
    return rc;
}

int recover_batches(struct uploader *u, struct err *err)
{
    struct recovery recovery = {.u = u};
    int rc = spool_walk_groups(&u->daemon->spool, QUEUE_BATCH, recover_one, &recovery);
    if (rc == 0 && !recovery.has_counted)
        tally_forget_all(u->context.totals);
    return rc ? err_errno(err, rc, "spool %s: batch/ cannot be read", u->daemon->spool.path) : 0;
}
