#include <assert.h>
#include <errno.h>
#include <fcntl.h>

#include "common/base/crash.h"
#include "common/segment/flake.h"
#include "common/spool/writer_parts.h"

enum { TRIES = 100 };

/* From the name that it has in active/ to that of `id`. */
static int rename_to(struct writer *w, int dir, uint64_t id)
{
    char from[SPOOL_NAME_BYTES], to[SPOOL_NAME_BYTES];
    struct writer next = *w;
    struct segment_name name;
    if (segment_name_parse(w->file, &name) != NAME_OK)
        return -EINVAL;
    name.id = next.id = id;
    if (segment_name_build(&name, next.file) != NAME_OK)
        return -EINVAL;
    if (writer_is_taken(&next))
        return -EEXIST;
    if (renameat2(dir, writer_active_name(w, from), dir, writer_active_name(&next, to), RENAME_NOREPLACE) !=
        0)
        return -errno;
    *w = next;
    w->is_entry_synced = false;
    crash_point("land:after-redate");
    return 0;
}

int writer_redate(struct writer *w, uint64_t unix_ms, struct err *err)
{
    assert(w->fate == WRITER_LANDING);
    if (unix_ms >= flake_unix_ms(w->id))
        return 0;
    if (w->has_failed)
        return err_set(err, -EIO, "segment %s: an earlier sync failed", w->file);
    int dir = writer_open_folder(w, QUEUE_ACTIVE, false);
    int rc = dir < 0 ? dir : -EEXIST;
    int64_t before = dir < 0 ? 0 : writer_allocated(dir);
    for (unsigned i = 0; rc == -EEXIST && i < TRIES; i++)
        rc = rename_to(w, dir, spool_next_id_at(w->spool, unix_ms));
    if (rc == 0 && writer_allocated(dir) != before)
        lease_use(w->lease, writer_allocated(dir) - before);
    if (dir >= 0)
        close(dir);
    return rc ? err_errno(err, rc, "segment active/%s/%s: cannot be renamed to the time of older rows",
                          w->db_folder, w->file)
              : 0;
}
