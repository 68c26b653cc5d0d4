#include "uploader/batch/prepare.h"

#include <errno.h>

#include "common/base/log.h"
#include "common/spool/origin.h"
#include "uploader/batch/inspector.h"
#include "uploader/batch/mend.h"
#include "uploader/batch/rescue.h"

struct preparation {
    struct batch_dir *batch;
    const char *instance;
    struct prepare_counts *counts;
    struct inspector inspector;
    struct segment_name name; /* of the file at hand; table, format and schema are the same for all */
    char db[NAME_FILE_MAX_BYTES + 1];
    char unreadable[SPOOL_NAME_BYTES];
    unsigned damaged; /* files put off to the second pass */
    struct tools *tools;
    enum spool_queue queue;
};

static void inspect(struct preparation *p, const char *file, struct inspection *found)
{
    inspector_look(&p->inspector, file, &p->name, found);
    if (found->finding != FOUND_UNREADABLE)
        return;
    snprintf(p->unreadable, sizeof p->unreadable, "%s", file);
    log_error("segment-unreadable", log_s("batch", p->batch->claim.place.group), log_s("file", file),
              log_s("cause", strerror(-found->rc)),
              log_s("advice", "it is left where it is and tried again"));
}

/* --- what becomes of one file ----------------------------------------------------------------------- */

static int set_aside(struct preparation *p, const char *file, const struct inspection *found,
                     const char *reason)
{
    json_t *why = json_pack("{s:s, s:s, s:s, s:I}", "reason", reason, "cause", found->cause, "by", "uploader",
                            "rows", (json_int_t)found->sums.rows);
    if (!why)
        return -ENOMEM;
    log_error("segment-quarantined", log_s("db", p->db), log_s("file", file), log_s("reason", reason),
              log_s("cause", found->cause), log_u("rows", found->sums.rows));
    int rc = spool_quarantine(p->batch->claim.spool, &p->batch->claim.place, file, why);
    json_decref(why);
    p->counts->quarantined++;
    p->counts->quarantined_rows += found->sums.rows;
    return rc;
}

static int plan_file(struct preparation *p, const char *file, const struct inspection *found)
{
    struct plan_file figures = {.bytes = found->bytes,
                                .raw_bytes = found->sums.raw_bytes,
                                .rows = found->sums.rows,
                                .blocks = found->sums.blocks,
                                .members = inspector_take_members(&p->inspector, found)};
    return plan_add(&p->batch->plan, file, &figures);
}

static int remove_empty(struct preparation *p, const char *file)
{
    log_info("segment-empty", log_s("db", p->db), log_s("file", file));
    p->counts->removed++;
    return unlinkat(p->batch->claim.fd, file, 0) == 0 ? 0 : -errno;
}

static int mend(struct preparation *p, const char *file, const struct inspection *found)
{
    struct segment_origin origin;
    struct inspection mended = *found;
    json_t *why =
        json_pack("{s:s, s:I, s:I}", "by", "uploader", "damaged_bytes", (json_int_t)found->sums.damaged_bytes,
                  "damaged_ranges", (json_int_t)found->sums.damaged_ranges);
    if (!why)
        return -ENOMEM;
    uint64_t rows;
    int rc =
        origin_init(&origin, p->db, p->name.table, p->inspector.schema, p->name.format, p->instance, NULL);
    if (rc == 0) {
        rc = mend_segment(p->batch->claim.spool, &p->batch->claim.place, p->batch->claim.fd, file, &origin,
                          why, &rows);
        origin_fini(&origin);
    }
    json_decref(why);
    if (rc)
        return rc;
    p->counts->quarantined++;
    log_error("segment-damaged", log_s("db", p->db), log_s("file", file), log_u("rows_salvaged", rows),
              log_u("damaged_bytes", found->sums.damaged_bytes));
    if (rows == 0)
        return 0;
    inspect(p, file, &mended);
    return mended.finding == FOUND_WHOLE ? plan_file(p, file, &mended) : -EIO;
}

/* --- from claimed to frozen ------------------------------------------------------------------------- */

/* First pass: everything but the damaged, while the heads tell the columns. */
static int first_pass(void *arg, struct claim *claim, const char *file)
{
    struct preparation *p = arg;
    struct batch_dir *batch = p->batch;
    (void)claim;
    struct inspection found;
    if (segment_name_parse(file, &p->name) != NAME_OK) {
        found = (struct inspection){.cause = "this is not the name of a segment"};
        return set_aside(p, file, &found, "bad-name");
    }
    if (!*batch->plan.table) {
        snprintf(batch->plan.table, sizeof batch->plan.table, "%s", p->name.table);
        batch->plan.format = p->name.format;
    }
    inspect(p, file, &found);
    switch (found.finding) {
    case FOUND_WHOLE:
        return plan_file(p, file, &found);
    case FOUND_EMPTY:
        return remove_empty(p, file);
    case FOUND_FOREIGN:
        return set_aside(p, file, &found, "head-mismatch");
    case FOUND_DAMAGED:
        p->damaged++;
        return 0;
    case FOUND_UNREADABLE:
        return 0;
    }
    return 0;
}

/* Second pass: the damaged, now that the columns are known if any file knows them. */
static int second_pass(void *arg, struct claim *claim, const char *file)
{
    struct preparation *p = arg;
    struct batch_dir *batch = p->batch;
    (void)claim;
    struct inspection found;
    for (size_t i = 0; i < batch->plan.count; i++)
        if (strcmp(batch->plan.files[i].name, file) == 0)
            return 0;
    if (strcmp(file, p->unreadable) == 0 || segment_name_parse(file, &p->name) != NAME_OK)
        return 0;
    inspect(p, file, &found);
    if (p->name.has_schema && !p->inspector.schema) {
        snprintf(found.cause, sizeof found.cause, "it has no valid head, so its columns are not known");
        return set_aside(p, file, &found, "no-head");
    }
    return mend(p, file, &found);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct plan_file *)a)->name, ((const struct plan_file *)b)->name);
}

static int make_plan(struct preparation *p)
{
    struct batch_dir *batch = p->batch;
    struct plan *plan = &batch->plan;
    plan_fini(plan);
    snprintf(plan->db, sizeof plan->db, "%s", p->db);
    plan->id = strtoull(batch->claim.place.group, NULL, 16);
    int rc = claim_each(&batch->claim, first_pass, p);
    if (rc == 0 && p->damaged > 0 && !*p->unreadable)
        rc = claim_each(&batch->claim, second_pass, p);
    if (rc == 0)
        rc = plan_set_schema(plan, p->inspector.schema ? p->inspector.schema : "");
    if (rc == 0 && plan->count > 0)
        qsort(plan->files, plan->count, sizeof *plan->files, by_name);
    return rc;
}

static int prepare_claimed(struct preparation *p, enum prepare_result *result)
{
    int rc = batch_repair(p->batch);
    if (rc == 0)
        rc = make_plan(p);
    if (rc)
        return rc;
    if (*p->unreadable) {
        *result = PREPARE_RELEASED;
        return batch_release(p->batch, p->queue, p->unreadable);
    }
    *result = p->batch->plan.count > 0 ? PREPARE_READY : PREPARE_EMPTY;
    return *result == PREPARE_READY ? batch_freeze(p->batch) : 0;
}

/* --- a batch that was frozen by an earlier process -------------------------------------------------- */

static bool has_begun(const struct progress *progress)
{
    return progress->parts > 0 || progress->refused_rows > 0 || progress->state != PROGRESS_SENDING;
}

/* A file of a batch of which something was sent. What ADX refused of it, or may have, is not sent by another
 * batch. */
static int leave_out(struct preparation *p, uint32_t index, struct inspection *found)
{
    struct batch_dir *batch = p->batch;
    uint64_t rows;
    struct rescue rescue = {.batch = batch, .tools = p->tools, .instance = p->instance, .queue = p->queue};
    if (batch->progress.state == PROGRESS_REFUSED) {
        snprintf(found->cause, sizeof found->cause,
                 "it was damaged after its batch was frozen and partly sent");
        return set_aside(p, batch->plan.files[index].name, found, "damaged");
    }
    p->counts->quarantined++;
    return rescue_file(&rescue, index, &rows);
}

static int check_frozen(struct preparation *p, bool *is_damaged)
{
    struct batch_dir *batch = p->batch;
    const struct progress *progress = &batch->progress;
    bool is_in_blob = progress->state == PROGRESS_UPLOADED || progress->state == PROGRESS_POSTED;
    int rc = 0;
    /* What is in a blob already is not read any more. */
    for (size_t i = is_in_blob ? progress->end.file : progress->at.file; rc == 0 && i < batch->plan.count;
         i++) {
        const char *file = batch->plan.files[i].name;
        struct inspection found;
        if (segment_name_parse(file, &p->name) != NAME_OK)
            return -EINVAL;
        inspect(p, file, &found);
        bool is_gone = found.finding == FOUND_UNREADABLE && found.rc == -ENOENT;
        bool is_half_done = rescue_is_unfinished(batch, (uint32_t)i);
        if (is_gone && !is_half_done)
            continue;
        if (found.finding == FOUND_UNREADABLE && !is_gone)
            return found.rc;
        if (!is_half_done && found.finding == FOUND_WHOLE && found.bytes == batch->plan.files[i].bytes)
            continue;
        *is_damaged = true;
        if (has_begun(&batch->progress))
            rc = leave_out(p, (uint32_t)i, &found);
    }
    return rc;
}

static int prepare_frozen(struct preparation *p, enum prepare_result *result)
{
    bool is_damaged = false;
    *result = PREPARE_READY;
    if (p->batch->is_done)
        return 0;
    int rc = check_frozen(p, &is_damaged);
    if (rc || !is_damaged || has_begun(&p->batch->progress))
        return rc;
    rc = batch_thaw(p->batch);
    return rc ? rc : prepare_claimed(p, result);
}

int prepare_batch(struct batch_dir *batch, struct tools *tools, const struct prepare_options *options,
                  enum prepare_result *result, struct prepare_counts *counts, struct err *err)
{
    struct preparation p = {.batch = batch,
                            .instance = options->instance,
                            .counts = counts,
                            .tools = tools,
                            .queue = options->queue};
    int rc = tools_init(tools);
    if (rc == 0 &&
        name_decode(batch->claim.place.db, strlen(batch->claim.place.db), p.db, sizeof p.db) != NAME_OK)
        rc = -EINVAL;
    inspector_init(&p.inspector, batch->claim.fd, p.db, tools->walk, options->is_thorough);
    if (rc == 0)
        rc = batch->is_frozen ? prepare_frozen(&p, result) : prepare_claimed(&p, result);
    if (rc == -ENOTCONN || rc == -EDQUOT)
        err_set(err, rc, "batch %s: a damaged segment cannot be salvaged: %s", batch->claim.place.group,
                rc == -EDQUOT ? "diskguard has no room for the copy"
                              : "diskguard does not answer: start it, or give --no-guard");
    else if (rc)
        err_errno(err, rc, "batch %s: its segments cannot be checked%s%s", batch->claim.place.group,
                  *p.unreadable ? " at " : "", p.unreadable);
    inspector_fini(&p.inspector);
    return rc;
}
