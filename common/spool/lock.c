#include "common/spool/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

int lock_file(int fd, int dir, const char *file)
{
    struct stat ours, named;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return -errno;
    if (fstat(fd, &ours) != 0)
        return -errno;
    if (fstatat(dir, file, &named, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? -ESTALE : -errno;
    return ours.st_ino == named.st_ino && ours.st_dev == named.st_dev ? 0 : -ESTALE;
}

/* Unlike a flock, a lock of an open file description can be asked for without being taken. */
static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

int lock_active(const struct spool *spool)
{
    struct flock lock = whole_file();
    int fd = openat(spool->run, "active.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return fd;
    int rc = errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
    close(fd);
    return rc;
}

bool lock_active_is_taken(const struct spool *spool)
{
    struct flock lock = whole_file();
    int fd = openat(spool->run, "active.lock", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_taken = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return is_taken;
}
