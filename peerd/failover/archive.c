#include "peerd/failover/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "common/base/crash.h"
#include "common/base/file.h"

enum { COPY_BYTES = 1 << 18, NAMES_MAX = 1000, NAME_BYTES = NAME_MAX + 1 };

int archive_check(const char *dir, const char *spool_path, struct err *err)
{
    char real[PATH_MAX];
    size_t len = strlen(spool_path);
    if (!realpath(dir, real))
        return err_set(err, -EINVAL, "--archive-dir %s: %s: make it first: mkdir -p %s", dir, strerror(errno),
                       dir);
    if (strncmp(real, spool_path, len) == 0 && (real[len] == '/' || real[len] == '\0'))
        return err_set(err, -EINVAL,
                       "--archive-dir %s: it lies in the spool, whose disk budget it is to relieve: give one "
                       "outside of it",
                       dir);
    if (access(real, R_OK | W_OK | X_OK) != 0)
        return err_set(err, -EINVAL, "--archive-dir %s: %s: it must be a directory that we may write to", dir,
                       strerror(errno));
    return 0;
}

/* DIR/<folder>; with `create` it is made. */
static int open_folder(const char *dir, const char *folder, bool create)
{
    int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return -errno;
    int fd = create ? file_open_dir(top, folder)
                    : openat(top, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int rc = fd < 0 && !create ? -errno : fd;
    if (fd >= 0 && create && fsync(top) != 0) { /* the folder may be new */
        rc = -errno;
        close(fd);
    }
    close(top);
    return rc;
}

/* --- copying ---------------------------------------------------------------------------------------- */

/* Hash what `from` holds; with `to` >= 0 copy it there. */
static int pass_over(int from, int to, XXH64_hash_t *hash)
{
    char *chunk = malloc(COPY_BYTES);
    XXH64_state_t *state = XXH64_createState();
    int rc = chunk && state && XXH64_reset(state, 0) == XXH_OK ? 0 : -ENOMEM;
    for (off_t at = 0; rc == 0;) {
        ssize_t n = pread(from, chunk, COPY_BYTES, at);
        if (n < 0 && errno == EINTR)
            continue;
        rc = n < 0 ? -errno : 0;
        if (n <= 0)
            break;
        XXH64_update(state, chunk, (size_t)n);
        if (to >= 0)
            rc = file_write_all(to, chunk, (size_t)n);
        at += n;
    }
    if (rc == 0)
        *hash = XXH64_digest(state);
    XXH64_freeState(state);
    free(chunk);
    return rc;
}

static int copy(int fd, int folder, const char *temporary)
{
    XXH64_hash_t wanted = 0, got = 0;
    int to = openat(folder, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (to < 0)
        return -errno;
    int rc = pass_over(fd, to, &wanted);
    crash_point("archive:after-copy");
    if (rc == 0 && fsync(to) != 0)
        rc = -errno;
    if (rc == 0) {
        (void)posix_fadvise(to, 0, 0, POSIX_FADV_DONTNEED); /* what is compared comes from the disk */
        rc = pass_over(to, -1, &got);
    }
    if (rc == 0 && got != wanted)
        rc = -EIO;
    close(to);
    return rc;
}

static int link_or_copy(int from, const char *file, int folder, const char *temporary)
{
    int fd = openat(from, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    (void)unlinkat(folder, temporary, 0);
    int rc = 0;
    if (linkat(from, file, folder, temporary, 0) != 0)
        rc = copy(fd, folder, temporary);
    else if (fsync(fd) != 0)
        rc = -errno;
    close(fd);
    return rc == 0 ? file_sync_dir(folder) : rc;
}

int archive_stage(const char *dir, const char *folder, const char *temporary, int from, const char *file,
                  struct err *err)
{
    int fd = open_folder(dir, folder, true);
    int rc = fd < 0 ? fd : link_or_copy(from, file, fd, temporary);
    if (rc && fd >= 0)
        (void)unlinkat(fd, temporary, 0);
    if (fd >= 0)
        close(fd);
    crash_point("archive:after-stage");
    return rc ? err_errno(err, rc, "%s cannot be copied to the archive %s/%s", file, dir, folder) : 0;
}

/* --- naming ----------------------------------------------------------------------------------------- */

static bool is_same_file(int folder, const char *a, const char *b)
{
    struct stat one, other;
    return fstatat(folder, a, &one, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(folder, b, &other, AT_SYMLINK_NOFOLLOW) == 0 && one.st_ino == other.st_ino &&
           one.st_dev == other.st_dev;
}

static int publish(int folder, const char *temporary, const char *file)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s", file);
    for (unsigned n = 1; n < NAMES_MAX; n++) {
        int rc = linkat(folder, temporary, folder, name, 0) == 0 ? 0 : -errno;
        if (rc == 0 || (rc == -EEXIST && is_same_file(folder, temporary, name))) {
            crash_point("archive:after-name");
            return unlinkat(folder, temporary, 0) == 0 ? 0 : -errno;
        }
        if (rc != -EEXIST)
            return rc == -ENOENT ? 0 : rc; /* without a temporary name it has its own already */
        if ((size_t)snprintf(name, sizeof name, "%u,%s", n, file) >= sizeof name)
            return -ENAMETOOLONG;
    }
    return -EEXIST;
}

int archive_publish(const char *dir, const char *folder, const char *temporary, const char *file,
                    struct err *err)
{
    int fd = open_folder(dir, folder, false);
    int rc = fd < 0 ? fd : publish(fd, temporary, file);
    if (rc == 0)
        rc = file_sync_dir(fd);
    if (fd >= 0)
        close(fd);
    return rc ? err_errno(err, rc, "%s/%s/%s: cannot be given its name in the archive, %s", dir, folder,
                          temporary, file)
              : 0;
}

void archive_unstage(const char *dir, const char *folder, const char *temporary)
{
    int fd = open_folder(dir, folder, false);
    if (fd < 0)
        return;
    (void)unlinkat(fd, temporary, 0);
    close(fd);
}

/* --- after a crash ---------------------------------------------------------------------------------- */

static void sweep_folder(int top, const char *folder, const char *prefix)
{
    int fd = openat(top, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (!list && fd >= 0)
        close(fd);
    for (struct dirent *entry; list && (entry = readdir(list));)
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
            (void)unlinkat(fd, entry->d_name, 0);
    if (list)
        closedir(list);
}

void archive_sweep(const char *dir, const char *prefix)
{
    DIR *list = opendir(dir);
    for (struct dirent *entry; list && (entry = readdir(list));)
        if (entry->d_name[0] != '.')
            sweep_folder(dirfd(list), entry->d_name, prefix);
    if (list)
        closedir(list);
}
