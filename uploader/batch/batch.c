#include "uploader/batch/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/spool/ballast.h"
#include "uploader/batch/mend.h"

static const char progress_name[] = "progress.json";

/* --- reading and recording -------------------------------------------------------------------------- */

static int load_progress(struct batch_dir *batch, struct err *err)
{
    struct buf text;
    buf_init(&text, PROGRESS_BYTES_MAX);
    batch->progress = (struct progress){0};
    int rc = file_read(batch->claim.fd, progress_name, &text);
    if (rc == 0)
        rc = progress_read(text.data ? text.data : "", text.len, &batch->progress, err);
    else if (rc == -ENOENT)
        rc = 0;
    if (rc == -EINVAL) { /* after a power cut: sent again from the start, which is better than not sent */
        log_warn("progress-lost", log_s("batch", batch->claim.place.group), log_s("cause", err->text));
        batch->progress = (struct progress){0};
        rc = 0;
    }
    if (rc == 0 && batch->progress.at.file > batch->plan.count)
        batch->progress.at = (struct cursor){.file = (uint32_t)batch->plan.count};
    buf_fini(&text);
    return rc;
}

static int load_plan(struct batch_dir *batch, struct err *err)
{
    struct buf text;
    enum claim_state state;
    buf_init(&text, PLAN_BYTES_MAX);
    int rc = claim_read(&batch->claim, &state, &text);
    if (rc) {
        err_errno(err, rc, "batch %s: plan.json cannot be read", batch->claim.place.group);
    } else if (state != CLAIM_CLAIMED) {
        batch->is_done = state == CLAIM_DONE;
        rc = plan_read(text.data ? text.data : "", text.len, &batch->plan, err);
        batch->is_frozen = rc == 0;
        if (rc == -EINVAL) {
            log_error("plan-damaged", log_s("batch", batch->claim.place.group), log_s("cause", err->text),
                      log_s("advice", "its segments are planned anew"));
            rc = 0;
        }
    }
    buf_fini(&text);
    return rc;
}

int batch_open(struct batch_dir *batch, struct spool *spool, const struct spool_place *place, struct err *err)
{
    *batch = (struct batch_dir){0};
    plan_init(&batch->plan);
    int rc = claim_open(&batch->claim, spool, place);
    if (rc)
        return err_errno(err, rc, "batch %s cannot be opened", place->group);
    rc = load_plan(batch, err);
    if (rc == 0 && batch->is_frozen)
        rc = load_progress(batch, err);
    if (rc)
        batch_close(batch);
    return rc;
}

void batch_close(struct batch_dir *batch)
{
    claim_close(&batch->claim);
    plan_fini(&batch->plan);
}

int batch_freeze(struct batch_dir *batch)
{
    struct buf text;
    buf_init(&text, PLAN_BYTES_MAX);
    batch->progress = (struct progress){0};
    int rc = unlinkat(batch->claim.fd, progress_name, 0) == 0 || errno == ENOENT ? 0 : -errno;
    if (rc == 0)
        rc = plan_write(&batch->plan, &text);
    if (rc == 0)
        rc = claim_freeze(&batch->claim, text.data, text.len);
    batch->is_frozen = rc == 0;
    batch->is_unrecorded = false;
    buf_fini(&text);
    return rc;
}

int batch_thaw(struct batch_dir *batch)
{
    int rc = claim_thaw(&batch->claim);
    if (rc == 0)
        rc = file_sync_dir(batch->claim.fd);
    batch->is_frozen = rc != 0;
    return rc;
}

enum { PADDED_BYTES = 512 };

/* In place: no inode is made for each part. A process that is killed leaves the old or the new text whole;
 * only a power cut may tear it, and a text that cannot be read means "none sent". -EFBIG: what is there, or
 * what is to be, is too long for that. */
static int overwrite(int dir, const char *name, struct buf *text)
{
    struct stat st;
    while (text->len < PADDED_BYTES)
        if (buf_puts(text, "\n") != 0)
            return -ENOMEM;
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    if (text->len > PADDED_BYTES || fstat(fd, &st) != 0 || st.st_size > PADDED_BYTES) {
        close(fd);
        return -EFBIG;
    }
    ssize_t n = pwrite(fd, text->data, text->len, 0);
    int rc = n == (ssize_t)text->len ? 0 : n < 0 ? -errno : -ENOSPC;
    close(fd);
    return rc;
}

static int record(struct batch_dir *batch, struct buf *text, bool durable)
{
    int rc = durable ? -EFBIG : overwrite(batch->claim.fd, progress_name, text);
    if (rc == -EFBIG) /* private: an address with its signature may be in it */
        rc = file_replace_private(batch->claim.fd, progress_name, text->data, text->len);
    return rc;
}

int batch_record(struct batch_dir *batch, bool durable)
{
    struct buf text;
    buf_init(&text, PROGRESS_BYTES_MAX);
    int rc = progress_write(&batch->progress, &text);
    while (rc == 0 && (rc = record(batch, &text, durable)) != 0 &&
           ballast_helps(batch->claim.spool->ballast, rc))
        rc = 0;
    batch->is_unrecorded = rc != 0;
    buf_fini(&text);
    return rc;
}

int batch_set_done(struct batch_dir *batch)
{
    int rc = claim_set_done(&batch->claim);
    batch->is_done = batch->is_done || rc == 0;
    return rc;
}

bool batch_is_at_end(const struct batch_dir *batch)
{
    return batch->progress.at.file >= batch->plan.count;
}

int batch_remove(struct batch_dir *batch)
{
    return claim_remove(&batch->claim);
}

struct release {
    enum spool_queue queue;
    const char *except;
};

static int release_other(void *arg, struct claim *claim, const char *file)
{
    const struct release *release = arg;
    return strcmp(file, release->except) == 0 ? 0 : claim_give_back(claim, file, release->queue);
}

int batch_release(struct batch_dir *batch, enum spool_queue queue, const char *except)
{
    struct release release = {.queue = queue, .except = except};
    batch->is_frozen = false;
    if (!except)
        return claim_release(&batch->claim, queue);
    int rc = claim_thaw(&batch->claim);
    return rc ? rc : claim_each(&batch->claim, release_other, &release);
}

static int repair_file(void *arg, struct claim *claim, const char *file)
{
    (void)arg;
    return mend_repair(claim->fd, file);
}

int batch_repair(struct batch_dir *batch)
{
    return claim_each_temporary(&batch->claim, repair_file, NULL);
}
