#include "common/spool/copy_lease.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/segment/name.h"

/* What the directories may grow by, and a .why. */
enum { BESIDE_BYTES = 8 * 4096 };

int copy_lease_take(struct copy_lease *copy, const struct spool *spool, const char *db_folder, int64_t bytes,
                    struct err *err)
{
    char db[NAME_FILE_MAX_BYTES + 1];
    copy->lease = NULL;
    if (name_decode(db_folder, strlen(db_folder), db, sizeof db) != NAME_OK)
        return err_set(err, -EINVAL, "folder %s: its name is not that of a database", db_folder);
    int rc = lease_open(&copy->lease, spool, db, spool->is_guarded, err);
    if (rc)
        return rc;
    rc = lease_take_file(copy->lease, lease_cost(bytes) + BESIDE_BYTES, err);
    if (rc)
        copy_lease_end(copy, 0);
    return rc;
}

void copy_lease_end(struct copy_lease *copy, int64_t allocated_bytes)
{
    if (!copy->lease)
        return;
    if (allocated_bytes > 0)
        lease_use_file(copy->lease);
    lease_use(copy->lease, allocated_bytes);
    lease_close(copy->lease);
    copy->lease = NULL;
}

int64_t copy_lease_allocated(int dir, const char *file)
{
    struct stat st;
    return fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (int64_t)st.st_blocks * 512 : 0;
}
