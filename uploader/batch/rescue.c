#include "uploader/batch/rescue.h"

#include <errno.h>
#include <fcntl.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/spool/salvage.h"
#include "uploader/batch/extract.h"

static bool is_begun(const struct batch_dir *batch, uint32_t index)
{
    return batch->progress.left_file == index + 1;
}

static bool exists(const struct batch_dir *batch, const char *file)
{
    return faccessat(batch->claim.fd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool rescue_is_unfinished(const struct batch_dir *batch, uint32_t index)
{
    const char *file = batch->plan.files[index].name;
    char copy[SPOOL_NAME_BYTES];
    salvage_name(file, copy);
    return is_begun(batch, index) && (exists(batch, file) || exists(batch, copy));
}

/* All before it was sent, or is in a blob that is on its way. */
static struct cursor *cursor_of(struct progress *progress)
{
    bool is_in_blob = progress->state == PROGRESS_UPLOADED || progress->state == PROGRESS_POSTED;
    return is_in_blob ? &progress->end : &progress->at;
}

/* Rows of the file that are not behind the cursor: by the plan, since in the file nobody can count them any
 * more. */
static uint64_t count_unsent(const struct batch_dir *batch, uint32_t index)
{
    const struct progress *progress = &batch->progress;
    uint64_t behind = progress->rows + progress->refused_rows + progress->left_rows;
    if (progress->state == PROGRESS_UPLOADED || progress->state == PROGRESS_POSTED)
        behind += progress->blob_rows;
    for (uint32_t i = 0; i < index; i++)
        behind -= batch->plan.files[i].rows < behind ? batch->plan.files[i].rows : behind;
    uint64_t rows = batch->plan.files[index].rows;
    return rows > behind ? rows - behind : 0;
}

static int count(struct batch_dir *batch, uint32_t index)
{
    if (is_begun(batch, index))
        return 0;
    struct progress was = batch->progress;
    batch->progress.left_rows += count_unsent(batch, index);
    batch->progress.left_file = index + 1;
    int rc = batch_record(batch, true);
    if (rc)
        batch->progress = was;
    crash_point("rescue:after-count");
    return rc;
}

static int quarantine(struct rescue *rescue, const char *file, uint64_t rows)
{
    struct batch_dir *batch = rescue->batch;
    json_t *why =
        json_pack("{s:s, s:s, s:s, s:s, s:I}", "reason", "damaged", "by", "uploader", "batch",
                  batch->claim.place.group, "cause",
                  "it was damaged after its batch was frozen and partly sent; what is good of it and was not "
                  "sent goes on",
                  "rows_salvaged", (json_int_t)rows);
    if (why)
        json_object_set_new(why, "salvaged", json_true());
    int rc = why ? spool_quarantine(batch->claim.spool, &batch->claim.place, file, why) : -ENOMEM;
    json_decref(why);
    crash_point("rescue:after-quarantine");
    return rc;
}

/* The original has left: the copy gets its name, and goes back. */
static int give_back(struct rescue *rescue, const char *file, const char *copy)
{
    struct batch_dir *batch = rescue->batch;
    struct spool_place to = spool_place(rescue->queue, batch->claim.place.db);
    if (renameat(batch->claim.fd, copy, batch->claim.fd, file) != 0 && errno != ENOENT)
        return -errno;
    crash_point("rescue:after-rename");
    int rc = spool_move(batch->claim.spool, &batch->claim.place, file, &to, false);
    crash_point("rescue:after-move");
    return rc == -ENOENT ? 0 : rc;
}

/* What of the cursor's file was not sent is in the queue by now. */
static int advance(struct batch_dir *batch, uint32_t index)
{
    struct cursor *cursor = cursor_of(&batch->progress);
    if (cursor->file != index)
        return 0;
    *cursor = (struct cursor){.file = index + 1};
    return batch_record(batch, true);
}

static int set_aside(struct rescue *rescue, uint32_t index, uint64_t *rows)
{
    struct batch_dir *batch = rescue->batch;
    const char *file = batch->plan.files[index].name;
    const struct cursor *behind = cursor_of(&batch->progress);
    struct cursor at = behind->file == index ? *behind : (struct cursor){.file = index};
    int rc = batch_extract_valid(batch, rescue->tools, rescue->instance, &at, rows);
    crash_point("rescue:after-extract");
    if (rc == 0)
        rc = count(batch, index);
    return rc ? rc : quarantine(rescue, file, *rows);
}

/* The copy is complete when it has its name, and has it until it gets the original's: so a file that is there
 * without one beside it, after its rows were counted, is the copy. */
static bool is_original(const struct batch_dir *batch, uint32_t index, const char *copy)
{
    const char *file = batch->plan.files[index].name;
    return exists(batch, file) && (!is_begun(batch, index) || exists(batch, copy));
}

int rescue_file(struct rescue *rescue, uint32_t index, uint64_t *rows)
{
    struct batch_dir *batch = rescue->batch;
    const char *file = batch->plan.files[index].name;
    char copy[SPOOL_NAME_BYTES];
    int rc = 0;
    *rows = 0;
    salvage_name(file, copy);
    if (is_original(batch, index, copy))
        rc = set_aside(rescue, index, rows);
    if (rc == 0)
        rc = give_back(rescue, file, copy);
    if (rc == 0)
        rc = advance(batch, index);
    if (rc == 0)
        log_error("segment-damaged", log_s("db", batch->plan.db), log_s("file", file),
                  log_s("batch", batch->claim.place.group), log_u("rows_salvaged", *rows),
                  log_s("advice", "part of its batch was sent; what is good of the rest is sent by another"));
    return rc;
}
