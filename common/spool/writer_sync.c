#include "common/spool/writer_parts.h"

#include <errno.h>
#include <fcntl.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/spool/salvage.h"

enum { START_BYTES = 1 << 20 };

/* Put `copy`, which is complete, durable and locked, in the place of our file: one rename. */
static int take_copy(struct writer *w, int dir, int copy)
{
    char name[SPOOL_NAME_BYTES], temporary[SPOOL_NAME_BYTES];
    salvage_name(writer_active_name(w, name), temporary);
    if (renameat(dir, temporary, dir, name) != 0)
        return -errno;
    crash_point("rewrite:after-rename");
    close(w->fd); /* its space goes with it */
    lease_use(w->lease, -w->allocated_bytes);
    w->fd = copy;
    w->allocated_bytes = 0;
    w->expected_end = 0;
    writer_account(w);
    return file_sync_dir(dir);
}

/* After a failed sync nothing is known of what the disk holds; the pages are still readable, as a rule, and
 * each member tells whether it is whole. */
static int rewrite(struct writer *w, struct err *err)
{
    char name[SPOOL_NAME_BYTES];
    struct scan_summary copied;
    int copy;
    int rc = lease_take(w->lease, lease_cost((int64_t)w->size_bytes) + writer_seal_reserve(w->fate), err);
    if (rc)
        return rc;
    int dir = writer_open_folder(w, QUEUE_ACTIVE, false);
    if (dir < 0)
        return err_errno(err, dir, "folder active/%s cannot be opened", w->db_folder);
    rc = salvage_copy(dir, writer_active_name(w, name), w->fd, NULL, 0, &copy, &copied, err);
    if (rc == 0 && copied.valid_bytes != w->size_bytes) {
        rc = err_set(err, -EIO, "only %llu of its %llu bytes can be read back",
                     (unsigned long long)copied.valid_bytes, (unsigned long long)w->size_bytes);
        char temporary[SPOOL_NAME_BYTES];
        salvage_name(name, temporary);
        unlinkat(dir, temporary, 0);
        close(copy);
    } else if (rc == 0 && (rc = take_copy(w, dir, copy)) != 0) {
        err_errno(err, rc, "%s cannot be replaced", name);
        if (w->fd != copy)
            close(copy);
    }
    close(dir);
    return rc;
}

int writer_sync_data(struct writer *w, struct err *err)
{
    if (w->has_failed)
        return err_set(err, -EIO, "segment %s: an earlier sync failed", w->file);
    if (w->synced_bytes == w->size_bytes)
        return 0;
    if (fdatasync(w->fd) != 0) {
        int cause = -errno;
        struct err why;
        log_warn("sync-failed", log_s("file", w->file), log_s("cause", strerror(-cause)),
                 log_s("action", "writing all of it anew"));
        if (rewrite(w, &why) != 0) {
            w->has_failed = true;
            return err_set(err, -EIO,
                           "segment active/%s/%s: cannot be made durable: %s; and not written anew: %.500s",
                           w->db_folder, w->file, strerror(-cause), why.text);
        }
        log_info("sync-mended", log_s("file", w->file), log_u("bytes", w->size_bytes));
    }
    w->synced_bytes = w->started_bytes = w->size_bytes;
    return 0;
}

void writer_start_sync(struct writer *w)
{
    if (w->size_bytes - w->started_bytes < START_BYTES)
        return;
    (void)sync_file_range(w->fd, (off_t)w->started_bytes, (off_t)(w->size_bytes - w->started_bytes),
                          SYNC_FILE_RANGE_WRITE);
    w->started_bytes = w->size_bytes;
}

int writer_sync(struct writer *w, struct err *err)
{
    int rc = writer_sync_data(w, err);
    if (rc || w->is_entry_synced)
        return rc;
    int dir = writer_open_folder(w, QUEUE_ACTIVE, false);
    rc = dir < 0 ? dir : file_sync_dir(dir);
    if (dir >= 0)
        close(dir);
    if (rc == 0)
        rc = file_sync_dir(w->spool->queues[QUEUE_ACTIVE]);
    w->is_entry_synced = rc == 0;
    w->has_failed = rc != 0;
    return rc ? err_errno(err, rc, "folder active/%s: cannot be made durable", w->db_folder) : 0;
}
