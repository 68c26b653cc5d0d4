#include "common/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { TEMPORARY_BYTES = 64 };

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

/* A temporary file under a new name, which is not made of the target's (that may be as long as names can be).
 * A lock says that it is in use: file_sweep() removes those without, and may have met ours before we locked
 * it. */
static int create_temporary(int dir, mode_t mode, char name[static TEMPORARY_BYTES])
{
    enum { TRIES = 100 };
    static atomic_uint counter;
    struct stat st;
    for (unsigned i = 0; i < TRIES; i++) {
        snprintf(name, TEMPORARY_BYTES, ".%ld-%u.tmp", (long)getpid(), atomic_fetch_add(&counter, 1));
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0 && errno != EEXIST) /* a process of our pid died here once */
            return -errno;
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -EAGAIN;
}

static void sweep_one(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(dir, name, 0);
    if (fd >= 0)
        close(fd);
}

void file_sweep(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (!list && fd >= 0)
        close(fd);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        size_t len = strlen(entry->d_name);
        if (entry->d_name[0] == '.' && len > 5 && strcmp(entry->d_name + len - 4, ".tmp") == 0)
            sweep_one(dir, entry->d_name);
    }
    if (list)
        closedir(list);
}

static int replace(int dir, const char *name, const void *data, size_t len, mode_t mode, bool durable)
{
    char temporary[TEMPORARY_BYTES];
    int fd = create_temporary(dir, mode, temporary);
    if (fd < 0)
        return fd;
    int rc = file_write_all(fd, data, len);
    if (rc == 0 && durable && fsync(fd) != 0)
        rc = -errno;
    if (rc == 0 && renameat(dir, temporary, dir, name) != 0)
        rc = -errno;
    if (rc)
        unlinkat(dir, temporary, 0);
    close(fd); /* and our lock with it: not before the file has its name */
    return rc == 0 && durable ? file_sync_dir(dir) : rc;
}

int file_replace(int dir, const char *name, const void *data, size_t len)
{
    return replace(dir, name, data, len, 0644, true);
}

int file_replace_private(int dir, const char *name, const void *data, size_t len)
{
    return replace(dir, name, data, len, 0600, true);
}

int file_replace_lazily(int dir, const char *name, const void *data, size_t len)
{
    return replace(dir, name, data, len, 0644, false);
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
        if (rc == -ENOSPC)
            rc = -EFBIG; /* of the buffer, not of a disk */
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
