#include "common/spool/writer_parts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/spool/arrivals.h"
#include "common/spool/place.h"

/* The commit of a segment: one rename, that never replaces anything. */
static int rename_sealed(struct writer *w, int from, int to)
{
    char name[SPOOL_NAME_BYTES];
    int64_t before = writer_allocated(to);
    arrivals_note(w->spool, w->db_folder, w->file, w->counts.rows, w->counts.raw_bytes);
    if (renameat2(from, writer_active_name(w, name), to, w->file, RENAME_NOREPLACE) != 0)
        return -errno;
    crash_point(writer_is_refused(w->fate) ? "refuse:after-rename" : "seal:after-rename");
    int64_t after = writer_allocated(to);
    if (after != before)
        lease_use(w->lease, after - before);
    return 0;
}

static int write_why(struct writer *w, int quarantine, json_t *why)
{
    if (!writer_is_refused(w->fate))
        return 0;
    char name[SPOOL_NAME_BYTES + 8];
    struct stat st;
    int64_t before = writer_allocated(quarantine);
    int rc = spool_write_why(w->spool, w->db_folder, w->file, why);
    snprintf(name, sizeof name, "%s.why", w->file);
    if (rc == 0 && fstatat(quarantine, name, &st, 0) == 0)
        lease_use(w->lease, (int64_t)st.st_blocks * 512 + writer_allocated(quarantine) - before);
    crash_point("refuse:after-why");
    return rc;
}

int writer_move_sealed(struct writer *w, json_t *why, bool durable, struct err *err)
{
    int to = writer_open_folder(w, writer_goal(w), durable);
    int from = writer_open_folder(w, QUEUE_ACTIVE, false);
    int rc = to < 0 ? to : from < 0 ? from : write_why(w, to, why);
    if (rc == 0)
        rc = rename_sealed(w, from, to);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    if (rc)
        return err_errno(err, rc, "segment active/%s/%s: cannot be moved to %s/", w->db_folder, w->file,
                         spool_queue_name(writer_goal(w)));
    close(w->fd);
    w->fd = -1;
    return 0;
}

static int sync_folder(struct writer *w, enum spool_queue queue)
{
    int dir = writer_open_folder(w, queue, false);
    int rc = dir < 0 ? dir : file_sync_dir(dir);
    if (dir >= 0)
        close(dir);
    return rc;
}

int writer_seal(struct writer *w, bool durable, json_t *why, struct err *err)
{
    assert(w->counts.rows > 0 && !why != writer_is_refused(w->fate));
    int rc = w->is_torn ? writer_cut_back(w) : 0;
    if (rc)
        return err_errno(err, rc, "segment active/%s/%s: its torn end cannot be cut off", w->db_folder,
                         w->file);
    if (durable && (rc = writer_sync_data(w, err)) != 0)
        return rc;
    crash_point("seal:after-sync");
    rc = writer_move_sealed(w, why, durable, err);
    if (rc || !durable)
        return rc;
    rc = sync_folder(w, writer_goal(w));
    if (rc == 0)
        rc = sync_folder(w, QUEUE_ACTIVE);
    return rc ? err_errno(err, rc, "segment %s: its move from active/%s to %s/ cannot be made durable",
                          w->file, w->db_folder, spool_queue_name(writer_goal(w)))
              : 0;
}

void writer_discard(struct writer *w)
{
    char name[SPOOL_NAME_BYTES];
    int dir = writer_open_folder(w, QUEUE_ACTIVE, false);
    if (dir >= 0 && unlinkat(dir, writer_active_name(w, name), 0) == 0)
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
