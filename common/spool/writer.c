#include "common/spool/writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/spool/lock.h"
#include "common/spool/place.h"
#include "common/spool/writer_parts.h"

enum { CREATE_TRIES = 100 };

bool writer_is_full(int rc)
{
    return rc == -EDQUOT || rc == -ENOTCONN || rc == -ENOSPC;
}

const char *writer_active_name(const struct writer *w, char name[static SPOOL_NAME_BYTES])
{
    static const char *const suffixes[] = {[WRITER_ROWS] = "",
                                           [WRITER_REFUSED] = WRITER_BAD_SUFFIX,
                                           [WRITER_BODY] = WRITER_PART_SUFFIX,
                                           [WRITER_BODY_REFUSED] = WRITER_PART_SUFFIX,
                                           [WRITER_LANDING] = WRITER_LANDING_SUFFIX};
    snprintf(name, SPOOL_NAME_BYTES, "%.*s%s", ORIGIN_FILE_MAX, w->file, suffixes[w->fate]);
    return name;
}

/* --- what it costs ---------------------------------------------------------------------------------- */

int64_t writer_allocated(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (int64_t)st.st_blocks * 512 : 0;
}

/* Tell the lease by how much the file grew, or shrank. */
void writer_account(struct writer *w)
{
    int64_t now = writer_allocated(w->fd);
    if (now != w->allocated_bytes)
        lease_use(w->lease, now - w->allocated_bytes);
    w->allocated_bytes = now;
}

/* What must be held besides the bytes of an append, so that the sealing never lacks it. */
int64_t writer_seal_reserve(enum writer_fate fate)
{
    return WRITER_SEAL_BYTES + (writer_is_refused(fate) ? WRITER_WHY_BYTES : 0);
}

static int64_t head_cost(const struct segment_origin *origin)
{
    return lease_cost((int64_t)strlen(origin->schema) + 4096);
}

int64_t writer_cost(const struct segment_origin *origin, enum writer_fate fate, size_t bytes)
{
    return head_cost(origin) + lease_cost((int64_t)bytes) + WRITER_SEAL_BYTES + writer_seal_reserve(fate);
}

/* Open a database's folder, making it when it is missing; what that cost is told to the lease. */
int writer_open_folder(struct writer *w, enum spool_queue queue, bool durable)
{
    struct spool_place place = spool_place(queue, w->db_folder);
    int dir = spool_place_open(w->spool, &place, false);
    if (dir != -ENOENT)
        return dir;
    int parent = w->spool->queues[queue];
    int64_t before = writer_allocated(parent);
    dir = spool_place_open(w->spool, &place, true);
    if (dir < 0)
        return dir;
    lease_use(w->lease, writer_allocated(dir) + writer_allocated(parent) - before);
    int rc = durable ? file_sync_dir(parent) : 0;
    if (rc) {
        close(dir);
        return rc;
    }
    return dir;
}

/* --- creation --------------------------------------------------------------------------------------- */

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

bool writer_is_taken(const struct writer *w)
{
    char path[2 * SPOOL_NAME_BYTES];
    snprintf(path, sizeof path, "%s/%s", w->db_folder, w->file);
    return w->fate == WRITER_LANDING &&
           faccessat(w->spool->queues[QUEUE_UPLOAD], path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A file of a name that nobody had, with our lock on it. Between its creation and our lock an adopter may
 * have taken it for an orphan: then it is theirs to remove, and we take another name. */
static int create_file(struct writer *w, int dir, const struct segment_origin *origin)
{
    char name[SPOOL_NAME_BYTES];
    for (unsigned i = 0; i < CREATE_TRIES; i++) {
        w->id = origin->since_ms ? spool_next_id_at(w->spool, origin->since_ms) : spool_next_id(w->spool);
        origin_file_name(origin, w->id, w->file);
        if (writer_is_taken(w))
            continue;
        w->fd = openat(dir, writer_active_name(w, name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (w->fd < 0 && errno == EEXIST)
            continue;
        if (w->fd < 0)
            return -errno;
        lease_use_file(w->lease);
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
    writer_account(w);
    return rc;
}

static int create_in(struct writer *w, int dir, const struct segment_origin *origin)
{
    uint8_t *head = malloc(ORIGIN_HEAD_MAX);
    if (!head)
        return -ENOMEM;
    int64_t before = writer_allocated(dir);
    int rc = create_file(w, dir, origin);
    if (rc == 0) {
        rc = write_head(w, origin, head);
        lease_use(w->lease, writer_allocated(dir) - before);
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
    int rc = lease_take_file(lease, head_cost(origin) + writer_seal_reserve(fate), err);
    if (rc)
        return rc;
    int dir = writer_open_folder(w, QUEUE_ACTIVE, false);
    if (dir < 0)
        return err_errno(err, dir, "spool %s: folder active/%s cannot be opened", spool->path, w->db_folder);
    rc = create_in(w, dir, origin);
    close(dir);
    return rc ? err_errno(err, rc, "spool %s: a segment of %s cannot be created in active/%s", spool->path,
                          origin->table, w->db_folder)
              : 0;
}

/* --- appending -------------------------------------------------------------------------------------- */

/* Of the lease, for bytes beyond what the file has. */
static int64_t append_cost(const struct writer *w, size_t bytes)
{
    uint64_t end = w->size_bytes + bytes, from = w->size_bytes;
    if (from < w->expected_end)
        from = end < w->expected_end ? end : w->expected_end;
    return lease_cost((int64_t)(end - from)) + writer_seal_reserve(w->fate);
}

int writer_expect(struct writer *w, uint64_t bytes, struct err *err)
{
    if (bytes == 0)
        return 0;
    int rc = lease_take(w->lease, lease_cost((int64_t)bytes) + writer_seal_reserve(w->fate), err);
    if (rc)
        return rc;
    if (fallocate(w->fd, FALLOC_FL_KEEP_SIZE, (off_t)w->size_bytes, (off_t)bytes) == 0)
        w->expected_end = w->size_bytes + bytes;
    else if (errno == ENOSPC || errno == EDQUOT)
        rc = err_errno(err, -errno, "segment active/%s/%s: no room for %" PRIu64 " bytes", w->db_folder,
                       w->file, bytes);
    writer_account(w);
    return rc;
}

/* What was expected after this end is given back with it. */
int writer_cut_back(struct writer *w)
{
    w->expected_end = 0;
    int rc = ftruncate(w->fd, (off_t)w->size_bytes) == 0 ? 0 : -errno;
    w->is_torn = rc != 0;
    return rc;
}

int writer_append(struct writer *w, const void *members, size_t bytes, const struct writer_counts *counts,
                  struct err *err)
{
    if (w->has_failed)
        return err_set(err, -EIO, "segment %s: an earlier sync failed", w->file);
    int rc = w->is_torn ? writer_cut_back(w) : 0;
    if (rc)
        return err_errno(err, rc, "segment %s: its torn end cannot be cut off", w->file);
    rc = lease_take(w->lease, append_cost(w, bytes), err);
    if (rc)
        return rc;
    rc = write_at(w->fd, members, bytes, w->size_bytes);
    crash_point("append:after-write");
    if (rc) {
        (void)writer_cut_back(w); /* is_torn remembers; the adopter would cut there too */
    } else {
        w->size_bytes += bytes;
        w->counts.rows += counts->rows;
        w->counts.raw_bytes += counts->raw_bytes;
        w->counts.blocks += counts->blocks;
    }
    writer_account(w);
    return rc ? err_errno(err, rc, "segment active/%s/%s: cannot be written", w->db_folder, w->file) : 0;
}

void writer_rollback(struct writer *w, const struct writer_mark *mark)
{
    w->size_bytes = mark->size_bytes;
    w->counts = mark->counts;
    if (w->synced_bytes > w->size_bytes)
        w->synced_bytes = w->size_bytes;
    if (w->started_bytes > w->size_bytes)
        w->started_bytes = w->size_bytes;
    (void)writer_cut_back(w); /* is_torn remembers */
    writer_account(w);
}

/* --- parking ---------------------------------------------------------------------------------------- */

int writer_park(struct writer *w)
{
    struct stat st;
    assert(w->fate == WRITER_ROWS || w->fate == WRITER_REFUSED);
    if (w->is_torn || w->has_failed || fstat(w->fd, &st) != 0)
        return -EBUSY;
    w->inode = st.st_ino;
    close(w->fd);
    w->fd = -1;
    return 0;
}

/* Locked, and still the file that we left? */
static int check_parked(const struct writer *w, int fd, int dir, const char *name)
{
    struct stat st;
    int rc = lock_file(fd, dir, name);
    if (rc)
        return rc == -EWOULDBLOCK ? -ESTALE : rc;
    if (fstat(fd, &st) != 0)
        return -errno;
    return st.st_ino == w->inode && (uint64_t)st.st_size == w->size_bytes ? 0 : -ESTALE;
}

int writer_unpark(struct writer *w)
{
    char name[SPOOL_NAME_BYTES];
    assert(w->fd < 0 && w->inode);
    int dir = writer_open_folder(w, QUEUE_ACTIVE, false);
    if (dir < 0)
        return dir;
    int fd = openat(dir, writer_active_name(w, name), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int rc = fd < 0 ? (errno == ENOENT ? -ESTALE : -errno) : check_parked(w, fd, dir, name);
    close(dir);
    if (rc == 0)
        w->fd = fd;
    else if (fd >= 0)
        close(fd);
    if (rc == 0 || rc == -ESTALE)
        w->inode = 0;
    return rc;
}
