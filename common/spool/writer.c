#include "common/spool/writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/spool/lock.h"
#include "common/spool/place.h"
#include "common/spool/salvage.h"

enum { CREATE_TRIES = 100, START_BYTES = 1 << 20 };

bool writer_is_full(int rc)
{
    return rc == -EDQUOT || rc == -ENOTCONN || rc == -ENOSPC;
}

static const char *active_name(const struct writer *w, char name[static SPOOL_NAME_BYTES])
{
    snprintf(name, SPOOL_NAME_BYTES, "%.*s%s", ORIGIN_FILE_MAX, w->file,
             w->fate == WRITER_REFUSED ? WRITER_BAD_SUFFIX : "");
    return name;
}

/* --- what it costs ------------------------------------------------------------------------------- */

static int64_t allocated(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (int64_t)st.st_blocks * 512 : 0;
}

/* Tell the lease by how much the file grew, or shrank. */
static void account(struct writer *w)
{
    int64_t now = allocated(w->fd);
    if (now != w->allocated_bytes)
        lease_use(w->lease, now - w->allocated_bytes);
    w->allocated_bytes = now;
}

/* What must be held besides the bytes of an append, so that the sealing never lacks it. */
static int64_t seal_reserve(enum writer_fate fate)
{
    return WRITER_SEAL_BYTES + (fate == WRITER_REFUSED ? WRITER_WHY_BYTES : 0);
}

static int64_t head_cost(const struct segment_origin *origin)
{
    return lease_cost((int64_t)strlen(origin->schema) + 4096);
}

int64_t writer_cost(const struct segment_origin *origin, enum writer_fate fate, size_t bytes)
{
    return head_cost(origin) + lease_cost((int64_t)bytes) + WRITER_SEAL_BYTES + seal_reserve(fate);
}

/* Open a database's folder, making it when it is missing; what that cost is told to the lease. */
static int open_folder(struct writer *w, enum spool_queue queue, bool durable)
{
    struct spool_place place = spool_place(queue, w->db_folder);
    int dir = spool_place_open(w->spool, &place, false);
    if (dir != -ENOENT)
        return dir;
    int parent = w->spool->queues[queue];
    int64_t before = allocated(parent);
    dir = spool_place_open(w->spool, &place, true);
    if (dir < 0)
        return dir;
    lease_use(w->lease, allocated(dir) + allocated(parent) - before);
    int rc = durable ? file_sync_dir(parent) : 0;
    if (rc) {
        close(dir);
        return rc;
    }
    return dir;
}

/* --- creation ------------------------------------------------------------------------------------ */

static int write_at(int fd, const uint8_t *data, size_t bytes, uint64_t offset)
{
    while (bytes > 0) {
        ssize_t n = pwrite(fd, data, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

/* A file of a name that nobody had, with our lock on it. Between its creation and our lock an adopter may
 * have taken it for an orphan: then it is theirs to remove, and we take another name. */
static int create_file(struct writer *w, int dir, const struct segment_origin *origin)
{
    char name[SPOOL_NAME_BYTES];
    for (unsigned i = 0; i < CREATE_TRIES; i++) {
        w->id = spool_next_id(w->spool);
        origin_file_name(origin, w->id, w->file);
        w->fd = openat(dir, active_name(w, name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (w->fd < 0 && errno == EEXIST)
            continue;
        if (w->fd < 0)
            return -errno;
        crash_point("create:after-open");
        int rc = lock_file(w->fd, dir, name);
        if (rc == 0)
            return 0;
        close(w->fd);
        w->fd = -1;
        if (rc != -EWOULDBLOCK && rc != -ESTALE)
            return rc;
    }
    return -EEXIST;
}

static int write_head(struct writer *w, const struct segment_origin *origin, uint8_t *head)
{
    size_t bytes;
    int rc = origin_encode_head(origin, w->id, head, &bytes);
    if (rc == 0)
        rc = write_at(w->fd, head, bytes, 0);
    if (rc == 0)
        w->size_bytes = bytes;
    account(w);
    return rc;
}

static int create_in(struct writer *w, int dir, const struct segment_origin *origin)
{
    uint8_t *head = malloc(ORIGIN_HEAD_MAX);
    if (!head)
        return -ENOMEM;
    int64_t before = allocated(dir);
    int rc = create_file(w, dir, origin);
    if (rc == 0) {
        rc = write_head(w, origin, head);
        lease_use(w->lease, allocated(dir) - before);
        crash_point("create:after-head");
        if (rc)
            writer_discard(w);
    }
    free(head);
    return rc;
}

int writer_create(struct writer *w, struct spool *spool, struct lease *lease,
                  const struct segment_origin *origin, enum writer_fate fate, struct err *err)
{
    *w = (struct writer){.spool = spool, .lease = lease, .fate = fate, .fd = -1, .created = mono_now()};
    snprintf(w->db_folder, sizeof w->db_folder, "%s", origin->db_folder);
    int rc = lease_take(lease, head_cost(origin) + seal_reserve(fate), err);
    if (rc)
        return rc;
    int dir = open_folder(w, QUEUE_ACTIVE, false);
    if (dir < 0)
        return err_errno(err, dir, "spool %s: folder active/%s cannot be opened", spool->path, w->db_folder);
    rc = create_in(w, dir, origin);
    close(dir);
    return rc ? err_errno(err, rc, "spool %s: a segment of %s cannot be created in active/%s", spool->path,
                          origin->table, w->db_folder)
              : 0;
}

/* --- appending ----------------------------------------------------------------------------------- */

static int cut_back(struct writer *w)
{
    int rc = ftruncate(w->fd, (off_t)w->size_bytes) == 0 ? 0 : -errno;
    w->is_torn = rc != 0;
    return rc;
}

int writer_append(struct writer *w, const void *members, size_t bytes, const struct writer_counts *counts,
                  struct err *err)
{
    if (w->has_failed)
        return err_set(err, -EIO, "segment %s: an earlier sync failed", w->file);
    int rc = w->is_torn ? cut_back(w) : 0;
    if (rc)
        return err_errno(err, rc, "segment %s: its torn end cannot be cut off", w->file);
    rc = lease_take(w->lease, lease_cost((int64_t)bytes) + seal_reserve(w->fate), err);
    if (rc)
        return rc;
    rc = write_at(w->fd, members, bytes, w->size_bytes);
    crash_point("append:after-write");
    if (rc) {
        (void)cut_back(w); /* is_torn remembers; the adopter would cut there too */
    } else {
        w->size_bytes += bytes;
        w->counts.rows += counts->rows;
        w->counts.raw_bytes += counts->raw_bytes;
        w->counts.blocks += counts->blocks;
    }
    account(w);
    return rc ? err_errno(err, rc, "segment active/%s/%s: cannot be written", w->db_folder, w->file) : 0;
}

/* --- durability ---------------------------------------------------------------------------------- */

/* Put `copy`, which is complete, durable and locked, in the place of our file: one rename. */
static int take_copy(struct writer *w, int dir, int copy)
{
    char name[SPOOL_NAME_BYTES], temporary[SPOOL_NAME_BYTES];
    salvage_name(active_name(w, name), temporary);
    if (renameat(dir, temporary, dir, name) != 0)
        return -errno;
    crash_point("rewrite:after-rename");
    close(w->fd); /* its space goes with it */
    lease_use(w->lease, -w->allocated_bytes);
    w->fd = copy;
    w->allocated_bytes = 0;
    account(w);
    return file_sync_dir(dir);
}

/* After a failed sync nothing is known of what the disk holds; the pages are still readable, as a rule, and
 * each member tells whether it is whole. */
static int rewrite(struct writer *w, struct err *err)
{
    char name[SPOOL_NAME_BYTES];
    struct scan_summary copied;
    int copy;
    int rc = lease_take(w->lease, lease_cost((int64_t)w->size_bytes) + seal_reserve(w->fate), err);
    if (rc)
        return rc;
    int dir = open_folder(w, QUEUE_ACTIVE, false);
    if (dir < 0)
        return err_errno(err, dir, "folder active/%s cannot be opened", w->db_folder);
    rc = salvage_copy(dir, active_name(w, name), w->fd, NULL, 0, &copy, &copied, err);
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

static int sync_data(struct writer *w, struct err *err)
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
    int rc = sync_data(w, err);
    if (rc || w->is_entry_synced)
        return rc;
    int dir = open_folder(w, QUEUE_ACTIVE, false);
    rc = dir < 0 ? dir : file_sync_dir(dir);
    if (dir >= 0)
        close(dir);
    if (rc == 0)
        rc = file_sync_dir(w->spool->queues[QUEUE_ACTIVE]);
    w->is_entry_synced = rc == 0;
    w->has_failed = rc != 0;
    return rc ? err_errno(err, rc, "folder active/%s: cannot be made durable", w->db_folder) : 0;
}

/* --- the end ------------------------------------------------------------------------------------- */

/* The commit of a segment: one rename, that never replaces anything. */
static int move_sealed(struct writer *w, int from, int to, bool durable)
{
    char name[SPOOL_NAME_BYTES];
    int64_t before = allocated(to);
    if (renameat2(from, active_name(w, name), to, w->file, RENAME_NOREPLACE) != 0)
        return -errno;
    crash_point(w->fate == WRITER_ROWS ? "seal:after-rename" : "refuse:after-rename");
    int64_t after = allocated(to);
    if (after != before)
        lease_use(w->lease, after - before);
    int rc = durable ? file_sync_dir(to) : 0;
    return rc == 0 && durable ? file_sync_dir(from) : rc;
}

static int write_why(struct writer *w, int quarantine, json_t *why)
{
    if (w->fate != WRITER_REFUSED)
        return 0;
    char name[SPOOL_NAME_BYTES + 8];
    struct stat st;
    int64_t before = allocated(quarantine);
    int rc = spool_write_why(w->spool, w->db_folder, w->file, why);
    snprintf(name, sizeof name, "%s.why", w->file);
    if (rc == 0 && fstatat(quarantine, name, &st, 0) == 0)
        lease_use(w->lease, (int64_t)st.st_blocks * 512 + allocated(quarantine) - before);
    crash_point("refuse:after-why");
    return rc;
}

int writer_seal(struct writer *w, bool durable, json_t *why, struct err *err)
{
    assert(w->counts.rows > 0 && !why == (w->fate == WRITER_ROWS));
    enum spool_queue queue = w->fate == WRITER_ROWS ? QUEUE_SEALED : QUEUE_QUARANTINE;
    int rc = w->is_torn ? cut_back(w) : 0;
    if (rc)
        return err_errno(err, rc, "segment active/%s/%s: its torn end cannot be cut off", w->db_folder,
                         w->file);
    if (durable && (rc = sync_data(w, err)) != 0)
        return rc;
    crash_point("seal:after-sync");
    int to = open_folder(w, queue, durable);
    int from = open_folder(w, QUEUE_ACTIVE, false);
    rc = to < 0 ? to : from < 0 ? from : write_why(w, to, why);
    if (rc == 0)
        rc = move_sealed(w, from, to, durable);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    if (rc)
        return err_errno(err, rc, "segment active/%s/%s: cannot be moved to %s/", w->db_folder, w->file,
                         spool_queue_name(queue));
    close(w->fd);
    w->fd = -1;
    return 0;
}

void writer_discard(struct writer *w)
{
    char name[SPOOL_NAME_BYTES];
    int dir = open_folder(w, QUEUE_ACTIVE, false);
    if (dir >= 0 && unlinkat(dir, active_name(w, name), 0) == 0)
        lease_use(w->lease, -w->allocated_bytes);
    if (dir >= 0)
        close(dir);
    writer_abandon(w);
}

void writer_abandon(struct writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}
