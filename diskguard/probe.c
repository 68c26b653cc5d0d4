#include "diskguard/probe.h"

#include <errno.h>
#include <fcntl.h>

/* Where files without a name are not to be had: one with a name, for a moment. */
static int make_file(const struct spool *spool)
{
    static const char name[] = ".probe";
    int fd = openat(spool->state, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd < 0 ? -errno : fd;
    fd = openat(spool->state, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    unlinkat(spool->state, name, 0);
    return fd;
}

int probe_write(const struct spool *spool, struct err *err)
{
    static const char block[PROBE_BYTES];
    int fd = make_file(spool);
    if (fd < 0)
        return err_errno(err, fd, "spool %s: no file can be made", spool->path);
    /* A delayed allocation would promise what may not be there. */
    int rc = -posix_fallocate(fd, 0, PROBE_BYTES);
    if (rc == 0) {
        ssize_t n = pwrite(fd, block, sizeof block, 0);
        rc = n < 0 ? -errno : n < (ssize_t)sizeof block ? -ENOSPC : 0;
    }
    close(fd);
    return rc ? err_errno(err, rc, "spool %s: nothing can be written", spool->path) : 0;
}
