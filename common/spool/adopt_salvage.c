#include "common/spool/adopt_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/control/lease.h"
#include "common/spool/arrivals.h"
#include "common/spool/origin.h"
#include "common/spool/salvage.h"
#include "common/spool/writer.h"

/* A head for a copy whose original has lost its own: what the file's name tells. The schema's text is gone,
 * its hash stays in the file's name. */
static int encode_lost_head(const struct adoption *a, const char *file, uint8_t *head, size_t *bytes)
{
    char db[NAME_FILE_MAX_BYTES + 1];
    struct segment_name name;
    struct segment_origin origin;
    struct err err;
    if (segment_name_parse(file, &name) != NAME_OK ||
        name_decode(a->active.db, strlen(a->active.db), db, sizeof db))
        return -EINVAL;
    int rc = origin_init(&origin, db, name.table, NULL, name.format, "", &err);
    if (rc)
        return rc;
    rc = origin_encode_head(&origin, name.id, head, bytes);
    origin_fini(&origin);
    return rc;
}

/* Room for the copy: the only thing in adoption that takes more than it gives. */
static int take_room(const struct adoption *a, int64_t bytes, struct lease **lease, struct err *err)
{
    char db[NAME_FILE_MAX_BYTES + 1];
    if (name_decode(a->active.db, strlen(a->active.db), db, sizeof db) != NAME_OK)
        return err_set(err, -EINVAL, "the folder's name is not that of a database");
    int rc = lease_open(lease, a->spool, db, a->options->guarded, err);
    if (rc)
        return rc;
    rc = lease_take_file(*lease, lease_cost(bytes) + WRITER_SEAL_BYTES, err);
    if (rc) {
        lease_close(*lease);
        *lease = NULL;
    }
    return rc;
}

static int copy_valid(const struct adoption *a, const struct orphan *orphan, struct scan_summary *copied)
{
    struct err err;
    struct stat st;
    int copy;
    size_t head_bytes;
    struct lease *lease = NULL;
    uint8_t *head = malloc(ORIGIN_HEAD_MAX);
    int rc = head ? encode_lost_head(a, orphan->file, head, &head_bytes) : -ENOMEM;
    if (rc == 0)
        rc = take_room(a, (int64_t)(orphan->found.valid_bytes + head_bytes), &lease, &err);
    if (rc == 0)
        rc = salvage_copy(a->dir, orphan->file, orphan->fd, head, head_bytes, &copy, copied, &err);
    if (rc == 0) {
        lease_use_file(lease);
        if (fstat(copy, &st) == 0)
            lease_use(lease, (int64_t)st.st_blocks * 512);
    }
    lease_close(lease);
    free(head);
    return rc ? rc : copy;
}

int adopt_move_copy(const struct adoption *a, const char *file, const struct scan_summary *found)
{
    char copy[SPOOL_NAME_BYTES];
    salvage_name(file, copy);
    int to = spool_place_open(a->spool, &a->sealed, true);
    if (to < 0)
        return to;
    arrivals_note(a->spool, a->active.db, file, found->rows, found->raw_bytes);
    int rc = renameat2(a->dir, copy, to, file, RENAME_NOREPLACE) == 0 ? 0 : -errno;
    crash_point("salvage:after-rename");
    if (rc == 0)
        rc = file_sync_dir(to);
    if (rc == 0)
        rc = file_sync_dir(a->dir);
    close(to);
    return rc;
}

int adopt_salvage(const struct adoption *a, const struct orphan *orphan)
{
    struct scan_summary copied;
    int copy = copy_valid(a, orphan, &copied);
    if (copy < 0)
        return adopt_leave(a, orphan->file, copy, "salvage");
    json_t *why = adopt_describe(&orphan->found, "damaged");
    json_object_set_new(why, "salvaged",
                        json_string("its valid rows are in a segment of the same name that went to sealed/"));
    uint64_t quarantined = a->result->quarantined;
    int rc = adopt_quarantine(a, orphan->file, why);
    crash_point("salvage:after-quarantine");
    if (rc == 0 && a->result->quarantined > quarantined) {
        rc = adopt_move_copy(a, orphan->file, &copied);
        if (rc)
            rc = adopt_leave(a, orphan->file, rc, "rename the salvaged copy");
        else
            rc = adopt_note_sealed(a, &(struct orphan){.file = orphan->file, .found = copied});
        a->result->salvaged += rc == 0;
    }
    close(copy);
    return rc;
}
