#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

int file_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int file_read_at(int fd, void *data, size_t len, off_t offset)
{
    char *at = data;
    while (len > 0) {
        ssize_t n = pread(fd, at, len, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -ENODATA;
        at += n;
        offset += n;
        len -= (size_t)n;
    }
    return 0;
}

int file_sync_dir(int dir)
{
    return fsync(dir) == 0 ? 0 : -errno;
}

static int replace(int dir, const char *name, const void *data, size_t len, bool durable)
{
    static atomic_uint counter;
    char temporary[300];
    snprintf(temporary, sizeof temporary, ".%s.%ld-%u.tmp", name, (long)getpid(),
             atomic_fetch_add(&counter, 1));
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int rc = file_write_all(fd, data, len);
    if (rc == 0 && durable && fsync(fd) != 0)
        rc = -errno;
    if (close(fd) != 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && renameat(dir, temporary, dir, name) != 0)
        rc = -errno;
    if (rc) {
        unlinkat(dir, temporary, 0);
        return rc;
    }
    return durable ? file_sync_dir(dir) : 0;
}

int file_replace(int dir, const char *name, const void *data, size_t len)
{
    return replace(dir, name, data, len, true);
}

int file_replace_lazily(int dir, const char *name, const void *data, size_t len)
{
    return replace(dir, name, data, len, false);
}

int file_read(int dir, const char *name, struct buf *buf)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = 0;
    for (;;) {
        char chunk[16384];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = -errno;
        if (n <= 0)
            break;
        rc = buf_put(buf, chunk, (size_t)n);
        if (rc)
            break;
    }
    close(fd);
    return rc;
}

int file_open_dir(int dir, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    int fd = openat(dir, name, flags);
    if (fd < 0 && errno == ENOENT) {
        if (mkdirat(dir, name, 0755) != 0 && errno != EEXIST)
            return -errno;
        fd = openat(dir, name, flags);
    }
    return fd < 0 ? -errno : fd;
}
