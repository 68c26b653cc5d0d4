#include "uploader/batch/mend.h"

#include <errno.h>
#include <fcntl.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/segment/name.h"
#include "common/spool/copy_lease.h"
#include "common/spool/salvage.h"

static int copy_members(int dir, const char *file, const struct segment_origin *origin,
                        struct scan_summary *copied)
{
    struct segment_name name;
    size_t head_bytes;
    int copy = -1;
    if (segment_name_parse(file, &name) != NAME_OK)
        return -EINVAL;
    uint8_t *head = malloc(ORIGIN_HEAD_MAX);
    if (!head)
        return -ENOMEM;
    int rc = origin_encode_head(origin, name.id, head, &head_bytes);
    int from = rc == 0 ? openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (rc == 0 && from < 0)
        rc = -errno;
    if (rc == 0)
        rc = salvage_copy(dir, file, from, head, head_bytes, &copy, copied, NULL);
    if (copy >= 0)
        close(copy);
    if (from >= 0)
        close(from);
    free(head);
    return rc;
}

/* The same, with room for the copy held while it is made. */
static int copy_valid(const struct spool *spool, const struct spool_place *place, int dir, const char *file,
                      const struct segment_origin *origin, struct scan_summary *copied)
{
    char copy[SPOOL_NAME_BYTES];
    struct copy_lease lease;
    int rc =
        copy_lease_take(&lease, spool, place->db, copy_lease_allocated(dir, file) + ORIGIN_HEAD_MAX, NULL);
    if (rc)
        return rc;
    salvage_name(file, copy);
    rc = copy_members(dir, file, origin, copied);
    copy_lease_end(&lease, copy_lease_allocated(dir, copy));
    return rc;
}

int mend_segment(struct spool *spool, const struct spool_place *place, int dir, const char *file,
                 const struct segment_origin *origin, json_t *why, uint64_t *rows)
{
    char name[SPOOL_NAME_BYTES];
    struct scan_summary copied = {0};
    salvage_name(file, name);
    int rc = copy_valid(spool, place, dir, file, origin, &copied);
    crash_point("mend:after-copy");
    *rows = copied.rows;
    json_object_set_new(why, "reason", json_string("damaged"));
    json_object_set_new(why, "rows_salvaged", json_integer((json_int_t)copied.rows));
    json_object_set_new(why, "bytes_salvaged", json_integer((json_int_t)copied.valid_bytes));
    if (rc == 0)
        rc = spool_quarantine(spool, place, file, why);
    crash_point("mend:after-quarantine");
    if (rc == 0 && copied.rows > 0)
        rc = renameat(dir, name, dir, file) == 0 ? file_sync_dir(dir) : -errno;
    else if (rc == 0 || faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        unlinkat(dir, name,
                 0); /* once the original has left, the copy is all there is: mend_repair() names it */
    return rc;
}

/* The name of the original of a copy; false for other temporary files. */
static bool original_of(const char *name, char file[static SPOOL_NAME_BYTES])
{
    size_t len = strlen(name), before = strlen(SALVAGE_PREFIX), after = strlen(SALVAGE_SUFFIX);
    if (len <= before + after || len >= SPOOL_NAME_BYTES || strcmp(name + len - after, SALVAGE_SUFFIX) != 0)
        return false;
    snprintf(file, SPOOL_NAME_BYTES, "%.*s", (int)(len - before - after), name + before);
    return true;
}

int mend_repair(int dir, const char *name)
{
    char file[SPOOL_NAME_BYTES];
    bool is_complete = original_of(name, file) && faccessat(dir, file, F_OK, 0) != 0 && errno == ENOENT;
    int rc = is_complete ? renameat(dir, name, dir, file) : unlinkat(dir, name, 0);
    return rc == 0 || errno == ENOENT ? 0 : -errno;
}
