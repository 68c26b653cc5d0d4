#include "uploader/prepare.h"

#include <errno.h>
#include <fcntl.h>

#include "common/base/log.h"
#include "common/spool/origin.h"
#include "common/spool/reader.h"
#include "uploader/mend.h"
#include "uploader/rescue.h"

/* What the inspection of one file found. */
enum finding { FOUND_WHOLE, FOUND_EMPTY, FOUND_DAMAGED, FOUND_FOREIGN, FOUND_UNREADABLE };

struct inspection {
    enum finding finding;
    struct scan_summary sums;
    uint64_t bytes;
    bool has_head;
    char cause[256]; /* FOREIGN: what does not fit */
};

struct preparation {
    struct batch_dir *batch;
    const char *instance;
    struct prepare_counts *counts;
    struct segment_name expected; /* of the file at hand; table, format and schema are the same for all */
    char db[NAME_FILE_MAX_BYTES + 1];
    char *schema; /* text, once a head told it */
    char unreadable[SPOOL_NAME_BYTES];
    int unreadable_rc;
    unsigned damaged; /* files put off to the second pass */
    struct tools *tools;
    enum spool_queue queue;
    bool is_thorough;       /* payloads are read, too */
    struct member *members; /* blocks of the file that was inspected last; when there are too many: none */
    size_t member_count, member_room;
    size_t remembered; /* in the plan */
};

/* --- inspecting -------------------------------------------------------------------------------------------
 */

static bool learn_schema(struct preparation *p, const struct segment_head *head, struct inspection *found)
{
    struct schema schema;
    if (!*head->schema && !p->expected.has_schema)
        return true;
    if (!*head->schema || !p->expected.has_schema || schema_parse(head->schema, &schema, NULL) != 0) {
        snprintf(found->cause, sizeof found->cause,
                 "the head and the file's name differ in whether there is a schema");
        return false;
    }
    bool same = schema_hash(&schema) == p->expected.schema_hash;
    schema_fini(&schema);
    if (!same)
        snprintf(found->cause, sizeof found->cause,
                 "the head's schema has another hash than the file's name");
    else if (!p->schema)
        p->schema = strdup(head->schema);
    return same && p->schema;
}

static bool check_head(struct preparation *p, const struct member *member, struct inspection *found)
{
    struct segment_head head;
    enum segment_head_status status = segment_head_read(member->head_json, member->head_json_bytes, &head);
    if (status != SEGMENT_HEAD_OK) {
        snprintf(found->cause, sizeof found->cause, "the head cannot be used: %s",
                 segment_head_status_text(status));
        return false;
    }
    bool fits = true;
    if (strcmp(head.db, p->db) != 0)
        fits = snprintf(found->cause, sizeof found->cause, "the head says database %.100s", head.db) < 0;
    else if (strcmp(head.table, p->expected.table) != 0)
        fits = snprintf(found->cause, sizeof found->cause, "the head says table %.100s", head.table) < 0;
    else if (head.format != p->expected.format)
        fits = snprintf(found->cause, sizeof found->cause, "the head says format %s",
                        segment_format_name(head.format)) < 0;
    else
        fits = learn_schema(p, &head, found);
    segment_head_fini(&head);
    return fits;
}

/* Who sends them need not look for them again. */
static void remember(struct preparation *p, const struct member *member)
{
    if (p->member_count == p->member_room && p->member_room < PLAN_MEMBERS_MAX) {
        size_t room = p->member_room > 0 ? 2 * p->member_room : 64;
        struct member *more = realloc(p->members, room * sizeof *more);
        p->members = more ? more : p->members;
        p->member_room = more ? room : p->member_room;
    }
    if (p->member_count < p->member_room)
        p->members[p->member_count++] = *member;
}

static struct member *recall(struct preparation *p, uint64_t blocks)
{
    struct member *copy = NULL;
    if (blocks == p->member_count && p->remembered + blocks <= PLAN_MEMBERS_MAX)
        copy = malloc(blocks * sizeof *copy);
    if (copy) {
        memcpy(copy, p->members, blocks * sizeof *copy);
        p->remembered += blocks;
    }
    return copy;
}

static void inspect_member(struct preparation *p, const struct member *member, struct inspection *found)
{
    if (!member->is_head) {
        remember(p, member);
        found->sums.blocks++;
        found->sums.rows += member->rows;
        found->sums.raw_bytes += member->isize;
        return;
    }
    if (!check_head(p, member, found))
        found->finding = FOUND_FOREIGN;
    found->has_head = true;
}

/* Damage outweighs emptiness; what does not belong here outweighs both. */
static void conclude(struct preparation *p, struct inspection *found)
{
    if (found->finding == FOUND_FOREIGN)
        return;
    if (found->sums.damaged_ranges > 0)
        found->finding = FOUND_DAMAGED;
    else if (found->sums.rows == 0)
        found->finding = FOUND_EMPTY;
    else if (!found->has_head && p->expected.has_schema && !p->schema)
        found->finding = FOUND_DAMAGED; /* perhaps another segment knows the columns */
}

/* Headers and trailers. 0; -EBADMSG: it is damaged, and only all of its bytes can tell where. */
static int inspect_ends(struct preparation *p, const char *file, struct inspection *found)
{
    struct member member;
    int fd = openat(p->batch->claim.fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int rc = walk_init(p->tools->walk, fd, 0);
    found->bytes = rc == 0 ? p->tools->walk->size : 0;
    while (rc == 0 && (rc = walk_next(p->tools->walk, &member)) > 0) {
        rc = 0;
        inspect_member(p, &member, found);
    }
    close(fd);
    return rc;
}

/* All bytes. */
static int inspect_all(struct preparation *p, const char *file, struct inspection *found)
{
    struct segment_reader reader;
    struct scan_item item;
    const uint8_t *bytes;
    struct err err = {0};
    int rc = segment_reader_open(&reader, p->batch->claim.fd, file, &err);
    found->bytes = rc == 0 ? reader.size : 0;
    while (rc == 0 && (rc = segment_reader_next(&reader, &item, &bytes)) > 0) {
        rc = 0;
        if (item.is_member) {
            inspect_member(p, &item.member, found);
        } else {
            found->sums.damaged_ranges++;
            found->sums.damaged_bytes += item.bytes;
        }
    }
    if (reader.fd >= 0)
        segment_reader_close(&reader);
    return rc;
}

static void inspect(struct preparation *p, const char *file, struct inspection *found)
{
    *found = (struct inspection){0};
    p->member_count = 0;
    int rc = p->is_thorough ? -EBADMSG : inspect_ends(p, file, found);
    if (rc == -EBADMSG) {
        *found = (struct inspection){0};
        p->member_count = 0;
        rc = inspect_all(p, file, found);
    }
    if (rc < 0) {
        found->finding = FOUND_UNREADABLE;
        p->unreadable_rc = rc;
        snprintf(p->unreadable, sizeof p->unreadable, "%s", file);
        log_error("segment-unreadable", log_s("batch", p->batch->claim.place.group), log_s("file", file),
                  log_s("cause", strerror(-rc)), log_s("advice", "it is left where it is and tried again"));
        return;
    }
    conclude(p, found);
}

/* --- acting -----------------------------------------------------------------------------------------------
 */

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
                                .members = recall(p, found->sums.blocks)};
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
    int rc = origin_init(&origin, p->db, p->expected.table, p->schema, p->expected.format, p->instance, NULL);
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

/* First pass: everything but the damaged, while the heads tell the columns. */
static int first_pass(void *arg, struct claim *claim, const char *file)
{
    struct preparation *p = arg;
    struct batch_dir *batch = p->batch;
    (void)claim;
    struct inspection found;
    if (segment_name_parse(file, &p->expected) != NAME_OK) {
        found = (struct inspection){.cause = "this is not the name of a segment"};
        return set_aside(p, file, &found, "bad-name");
    }
    if (!*batch->plan.table) {
        snprintf(batch->plan.table, sizeof batch->plan.table, "%s", p->expected.table);
        batch->plan.format = p->expected.format;
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
    if (strcmp(file, p->unreadable) == 0 || segment_name_parse(file, &p->expected) != NAME_OK)
        return 0;
    inspect(p, file, &found);
    if (p->expected.has_schema && !p->schema) {
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
        rc = plan_set_schema(plan, p->schema ? p->schema : "");
    if (rc == 0 && plan->count > 0)
        qsort(plan->files, plan->count, sizeof *plan->files, by_name);
    return rc;
}

static int prepare_claimed(struct preparation *p, enum spool_queue queue, enum prepare_result *result)
{
    int rc = batch_repair(p->batch);
    if (rc == 0)
        rc = make_plan(p);
    if (rc)
        return rc;
    if (*p->unreadable) {
        *result = PREPARE_RELEASED;
        return batch_release(p->batch, queue, p->unreadable);
    }
    *result = p->batch->plan.count > 0 ? PREPARE_READY : PREPARE_EMPTY;
    return *result == PREPARE_READY ? batch_freeze(p->batch) : 0;
}

/* --- a batch that was frozen by an earlier process
 * ---------------------------------------------------------- */

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
        if (segment_name_parse(file, &p->expected) != NAME_OK)
            return -EINVAL;
        inspect(p, file, &found);
        bool is_gone = found.finding == FOUND_UNREADABLE && p->unreadable_rc == -ENOENT;
        bool is_half_done = rescue_is_unfinished(batch, (uint32_t)i);
        if (is_gone && !is_half_done)
            continue;
        if (found.finding == FOUND_UNREADABLE && !is_gone)
            return p->unreadable_rc;
        if (!is_half_done && found.finding == FOUND_WHOLE && found.bytes == batch->plan.files[i].bytes)
            continue;
        *is_damaged = true;
        if (has_begun(&batch->progress))
            rc = leave_out(p, (uint32_t)i, &found);
    }
    return rc;
}

static int prepare_frozen(struct preparation *p, enum spool_queue queue, enum prepare_result *result)
{
    bool is_damaged = false;
    *result = PREPARE_READY;
    if (p->batch->is_done)
        return 0;
    int rc = check_frozen(p, &is_damaged);
    if (rc || !is_damaged || has_begun(&p->batch->progress))
        return rc;
    rc = batch_thaw(p->batch);
    return rc ? rc : prepare_claimed(p, queue, result);
}

int prepare_batch(struct batch_dir *batch, struct tools *tools, const struct prepare_options *options,
                  enum prepare_result *result, struct prepare_counts *counts, struct err *err)
{
    struct preparation p = {.batch = batch,
                            .instance = options->instance,
                            .counts = counts,
                            .tools = tools,
                            .queue = options->queue,
                            .is_thorough = options->is_thorough};
    int rc = tools_init(tools);
    if (rc == 0 &&
        name_decode(batch->claim.place.db, strlen(batch->claim.place.db), p.db, sizeof p.db) != NAME_OK)
        rc = -EINVAL;
    if (rc == 0)
        rc = batch->is_frozen ? prepare_frozen(&p, options->queue, result)
                              : prepare_claimed(&p, options->queue, result);
    if (rc == -ENOTCONN || rc == -EDQUOT)
        err_set(err, rc, "batch %s: a damaged segment cannot be salvaged: %s", batch->claim.place.group,
                rc == -EDQUOT ? "diskguard has no room for the copy"
                              : "diskguard does not answer: start it, or give --no-guard");
    else if (rc)
        err_errno(err, rc, "batch %s: its segments cannot be checked%s%s", batch->claim.place.group,
                  *p.unreadable ? " at " : "", p.unreadable);
    free(p.schema);
    free(p.members);
    return rc;
}
