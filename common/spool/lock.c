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
