#include "uploader/batch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/spool/ballast.h"
#include "uploader/mend.h"

static const char plan_name[] = "plan.json";
static const char done_name[] = "done.json";
static const char progress_name[] = "progress.json";

/* --- reading and recording ------------------------------------------------------------------------------ */

static int load_progress(struct batch_dir *batch, struct err *err)
{
    struct buf text;
    buf_init(&text, PROGRESS_BYTES_MAX);
    batch->progress = (struct progress){0};
    int rc = file_read(batch->fd, progress_name, &text);
    if (rc == 0)
        rc = progress_read(text.data ? text.data : "", text.len, &batch->progress, err);
    else if (rc == -ENOENT)
        rc = 0;
    if (rc == -EINVAL) { /* after a power cut: sent again from the start, which is better than not sent */
        log_warn("progress-lost", log_s("batch", batch->place.group), log_s("cause", err->text));
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
    buf_init(&text, PLAN_BYTES_MAX);
    int rc = file_read(batch->fd, plan_name, &text);
    if (rc == -ENOENT && (rc = file_read(batch->fd, done_name, &text)) == 0)
        batch->is_done = true;
    if (rc == 0) {
        rc = plan_read(text.data ? text.data : "", text.len, &batch->plan, err);
        batch->is_frozen = rc == 0;
        if (rc == -EINVAL) {
            log_error("plan-damaged", log_s("batch", batch->place.group), log_s("cause", err->text),
                      log_s("advice", "its segments are planned anew"));
            rc = 0;
        }
    } else if (rc == -ENOENT) {
        rc = 0;
    } else {
        err_errno(err, rc, "batch %s: plan.json cannot be read", batch->place.group);
    }
    buf_fini(&text);
    return rc;
}

int batch_open(struct batch_dir *batch, struct spool *spool, const struct spool_place *place, struct err *err)
{
    *batch = (struct batch_dir){.spool = spool, .place = *place};
    plan_init(&batch->plan);
    batch->fd = spool_place_open(spool, place, false);
    if (batch->fd < 0)
        return err_errno(err, batch->fd, "batch %s cannot be opened", place->group);
    int rc = load_plan(batch, err);
    if (rc == 0 && batch->is_frozen)
        rc = load_progress(batch, err);
    if (rc)
        batch_close(batch);
    return rc;
}

void batch_close(struct batch_dir *batch)
{
    if (batch->fd >= 0)
        close(batch->fd);
    batch->fd = -1;
    plan_fini(&batch->plan);
}

int batch_freeze(struct batch_dir *batch)
{
    struct buf text;
    buf_init(&text, PLAN_BYTES_MAX);
    batch->progress = (struct progress){0};
    int rc = unlinkat(batch->fd, progress_name, 0) == 0 || errno == ENOENT ? 0 : -errno;
    if (rc == 0)
        rc = plan_write(&batch->plan, &text);
    while (rc == 0 && (rc = file_replace(batch->fd, plan_name, text.data, text.len)) != 0 &&
           ballast_helps(batch->spool->ballast, rc))
        rc = 0;
    batch->is_frozen = rc == 0;
    batch->is_unrecorded = false;
    buf_fini(&text);
    return rc;
}

int batch_thaw(struct batch_dir *batch)
{
    int rc = unlinkat(batch->fd, plan_name, 0) == 0 || errno == ENOENT ? 0 : -errno;
    if (rc == 0)
        rc = file_sync_dir(batch->fd);
    batch->is_frozen = rc != 0;
    crash_point("batch:after-thaw");
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
    int rc = durable ? -EFBIG : overwrite(batch->fd, progress_name, text);
    if (rc == -EFBIG) /* private: an address with its signature may be in it */
        rc = file_replace_private(batch->fd, progress_name, text->data, text->len);
    return rc;
}

int batch_record(struct batch_dir *batch, bool durable)
{
    struct buf text;
    buf_init(&text, PROGRESS_BYTES_MAX);
    int rc = progress_write(&batch->progress, &text);
    while (rc == 0 && (rc = record(batch, &text, durable)) != 0 && ballast_helps(batch->spool->ballast, rc))
        rc = 0;
    batch->is_unrecorded = rc != 0;
    buf_fini(&text);
    return rc;
}

int batch_set_done(struct batch_dir *batch)
{
    if (!batch->is_done && renameat(batch->fd, plan_name, batch->fd, done_name) != 0)
        return -errno;
    batch->is_done = true;
    return file_sync_dir(batch->fd);
}

bool batch_is_at_end(const struct batch_dir *batch)
{
    return batch->progress.at.file >= batch->plan.count;
}

/* --- the files in it --------------------------------------------------------------------------------------
 */

static int is_segment(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 3 && strcmp(entry->d_name + len - 3, ".gz") == 0;
}

static int is_any(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int each_entry(struct batch_dir *batch, int (*filter)(const struct dirent *), batch_visit *visit,
                      void *arg)
{
    struct dirent **list;
    int count = scandirat(batch->fd, ".", &list, filter, alphasort);
    if (count < 0)
        return -errno;
    int rc = 0;
    for (int i = 0; i < count; i++) {
        if (rc == 0)
            rc = visit(arg, batch, list[i]->d_name);
        free(list[i]);
    }
    free(list);
    return rc;
}

int batch_each(struct batch_dir *batch, batch_visit *visit, void *arg)
{
    return each_entry(batch, is_segment, visit, arg);
}

static int unlink_name(int dir, const char *name)
{
    return unlinkat(dir, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

static int unlink_segment(void *arg, struct batch_dir *batch, const char *file)
{
    (void)arg;
    int rc = unlink_name(batch->fd, file);
    crash_point("batch:after-unlink");
    return rc;
}

/* Temporary files of ours that a crash left. */
static int unlink_rest(void *arg, struct batch_dir *batch, const char *file)
{
    (void)arg;
    return file[0] == '.' ? unlink_name(batch->fd, file) : 0;
}

static int remove_dir(struct batch_dir *batch)
{
    struct spool_place parent = spool_place(QUEUE_BATCH, batch->place.db);
    int dir = spool_place_open(batch->spool, &parent, false);
    if (dir < 0)
        return dir;
    int rc = unlinkat(dir, batch->place.group, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
    close(dir);
    return rc;
}

/* The plan goes before progress.json: without a plan there is a batch that is not frozen and holds nothing.
 */
static int remove_shell(struct batch_dir *batch)
{
    int rc = unlink_name(batch->fd, batch->is_done ? done_name : plan_name);
    crash_point("batch:after-plan-unlink");
    if (rc == 0)
        rc = unlink_name(batch->fd, progress_name);
    if (rc == 0)
        rc = each_entry(batch, is_any, unlink_rest, NULL);
    crash_point("batch:before-rmdir");
    return rc ? rc : remove_dir(batch);
}

int batch_remove(struct batch_dir *batch)
{
    int rc = batch_each(batch, unlink_segment, NULL);
    return rc ? rc : remove_shell(batch);
}

struct release {
    struct spool_place to;
    const char *except;
};

static int release_segment(void *arg, struct batch_dir *batch, const char *file)
{
    const struct release *release = arg;
    if (release->except && strcmp(file, release->except) == 0)
        return 0;
    int rc = spool_move(batch->spool, &batch->place, file, &release->to, false);
    crash_point("release:after-move");
    return rc;
}

int batch_release(struct batch_dir *batch, enum spool_queue queue, const char *except)
{
    struct release release = {.to = spool_place(queue, batch->place.db), .except = except};
    /* From here on it is not frozen: a crash between the moves finds a claimed batch, which is dissolved
     * likewise. */
    int rc = unlink_name(batch->fd, plan_name);
    if (rc == 0)
        rc = unlink_name(batch->fd, progress_name);
    if (rc == 0)
        rc = batch_each(batch, release_segment, &release);
    batch->is_frozen = false;
    return rc || except ? rc : remove_shell(batch);
}

static int repair_file(void *arg, struct batch_dir *batch, const char *file)
{
    (void)arg;
    return file[0] == '.' ? mend_repair(batch->fd, file) : 0;
}

int batch_repair(struct batch_dir *batch)
{
    return each_entry(batch, is_any, repair_file, NULL);
}
