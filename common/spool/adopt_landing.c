#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/segment/marker.h"
#include "common/spool/adopt_parts.h"
#include "common/spool/arrivals.h"
#include "common/spool/lock.h"
#include "common/spool/names.h"
#include "common/spool/reader.h"
#include "common/spool/writer.h"

/* --- reading ---------------------------------------------------------------------------------------- */

static int walk_markers(int fd, marker_visit *visit, void *arg, uint64_t *end)
{
    struct stat st;
    *end = 0;
    if (fstat(fd, &st) != 0)
        return -errno;
    if (st.st_size == 0)
        return 0;
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return -errno;
    int rc = marker_walk(data, (size_t)st.st_size, visit, arg, end);
    munmap(data, (size_t)st.st_size);
    return rc;
}

/* What a power cut or a failed sync took away must not be seen in memory as if it were there. */
static int ask_disk(int fd)
{
    if (fdatasync(fd) != 0)
        return -errno;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return 0;
}

/* One that is being written to now is its writer's. */
static int read_one(int dir, const char *file, bool durable, marker_visit *visit, void *arg)
{
    uint64_t end;
    int fd = openat(dir, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int rc = lock_file(fd, dir, file);
    if (rc == 0 && durable)
        rc = ask_disk(fd);
    if (rc == 0)
        rc = walk_markers(fd, visit, arg, &end);
    close(fd);
    return rc == -EWOULDBLOCK || rc == -ESTALE ? 0 : rc;
}

static int read_folder(const struct spool *spool, const char *db, bool durable, marker_visit *visit,
                       void *arg, struct err *err)
{
    struct names names = {0};
    struct spool_place place = spool_place(QUEUE_ACTIVE, db);
    int dir = spool_place_open(spool, &place, false);
    if (dir < 0)
        return dir == -ENOENT || dir == -ENOTDIR ? 0 : err_errno(err, dir, "folder active/%s", db);
    int rc = names_read(dir, &names);
    if (rc)
        err_errno(err, rc, "folder active/%s cannot be listed", db);
    for (size_t i = 0; rc == 0 && i < names.count; i++)
        if (segment_is_landing(names.list[i]) &&
            (rc = read_one(dir, names.list[i], durable, visit, arg)) != 0)
            err_errno(err, rc, "segment active/%s/%s: its transfers cannot be read", db, names.list[i]);
    names_free(&names);
    close(dir);
    return rc;
}

int landings_read(const struct spool *spool, bool durable, marker_visit *visit, void *arg, struct err *err)
{
    struct names names = {0};
    int rc = names_read(spool->queues[QUEUE_ACTIVE], &names);
    if (rc)
        err_errno(err, rc, "spool %s: active/ cannot be listed", spool->path);
    for (size_t i = 0; rc == 0 && i < names.count; i++)
        if (names.list[i][0] != '.')
            rc = read_folder(spool, names.list[i], durable, visit, arg, err);
    names_free(&names);
    return rc;
}

/* --- adopting --------------------------------------------------------------------------------------- */

static int cut_to(const struct adoption *a, const struct orphan *orphan, uint64_t end)
{
    struct stat st;
    if (fstat(orphan->fd, &st) != 0)
        return -errno;
    if ((uint64_t)st.st_size == end)
        return 0;
    if (ftruncate(orphan->fd, (off_t)end) != 0)
        return -errno;
    crash_point("adopt-landing:after-truncate");
    a->result->torn_bytes += (uint64_t)st.st_size - end;
    return a->options->durable && fdatasync(orphan->fd) != 0 ? -errno : 0;
}

/* Under the segment's own name; in active/ itself when it is damaged: there it is an orphan like any other.
 */
static int move_to(const struct adoption *a, const char *from, const char *file, enum spool_queue queue)
{
    struct spool_place place = spool_place(queue, a->active.db);
    int to = spool_place_open(a->spool, &place, true);
    if (to < 0)
        return to;
    int rc = renameat2(a->dir, from, to, file, RENAME_NOREPLACE) == 0 ? 0 : -errno;
    crash_point("adopt-landing:after-rename");
    if (rc == 0 && a->options->durable)
        rc = file_sync_dir(to);
    if (rc == 0 && a->options->durable && queue != QUEUE_ACTIVE)
        rc = file_sync_dir(a->dir);
    close(to);
    return rc;
}

int adopt_landing(const struct adoption *a, struct orphan *orphan)
{
    char file[SPOOL_NAME_BYTES];
    uint64_t end;
    int rc = a->options->durable ? ask_disk(orphan->fd) : 0;
    if (rc == 0)
        rc = walk_markers(orphan->fd, NULL, NULL, &end);
    if (rc)
        return adopt_leave(a, orphan->file, rc, "read");
    rc = adopt_drop_copy(a, orphan->file);
    if (rc)
        return adopt_leave(a, orphan->file, rc, "unlink an unfinished copy");
    snprintf(file, sizeof file, "%.*s", (int)(strlen(orphan->file) - strlen(WRITER_LANDING_SUFFIX)),
             orphan->file);
    if (end == 0) {
        /* It may have been noted on its way to quarantine; the later note counts. */
        arrivals_note(a->spool, a->active.db, file, 0, 0);
        return adopt_remove(a, orphan->file, "nothing in it was ever complete");
    }
    rc = cut_to(a, orphan, end);
    struct err err;
    if (rc == 0)
        rc = segment_read_summary(a->dir, orphan->file, &orphan->found, NULL, &err);
    if (rc)
        return adopt_leave(a, orphan->file, rc, "truncate");
    bool is_damaged = orphan->found.damaged_bytes > 0;
    if (!is_damaged)
        arrivals_note(a->spool, a->active.db, file, orphan->found.rows, orphan->found.raw_bytes);
    rc = move_to(a, orphan->file, file, is_damaged ? QUEUE_ACTIVE : QUEUE_UPLOAD);
    if (rc == -EEXIST)
        return adopt_quarantine(
            a, orphan->file, adopt_describe(&orphan->found, "another segment of this name is there already"));
    if (rc)
        return adopt_leave(a, orphan->file, rc, "rename");
    return is_damaged ? 0 : adopt_note_sealed(a, &(struct orphan){.file = file, .found = orphan->found});
}
