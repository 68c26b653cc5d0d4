/* LD_PRELOAD shim of the torture suite: makes the n-th call of a kind fail, or kills the process there, or
 * cuts the file system's power there. Only calls on files below TORT_ROOT count (kind "net": on TCP sockets).
 *
 *     TORT_ROOT    directories, separated by ':', without symbolic links
 *     TORT_KIND    kinds, separated by ',': open read write sync rename unlink mkdir truncate allocate mmap
 * stat list lock net; or any (all but net) TORT_N       the n-th such call, from 1 TORT_TIMES
 * so many from it on (1) TORT_STICKY  1: and every later one TORT_ACTION  an errno's name; SHORT (half of the
 * bytes); KILL (SIGKILL before the call); TORN (half of the bytes are written, then SIGKILL); CUT0 CUT1 CUT2
 * (FS_IOC_SHUTDOWN with that flag, then SIGKILL) TORT_REPORT  file to which "n kind path" is appended when it
 * strikes
 *
 * Without TORT_ROOT it does nothing. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SHUTDOWN_IOCTL _IOR('X', 125, __u32)

static const char *root, *kinds, *report;
static unsigned long wanted, times;
static bool is_sticky, is_lying;
static enum { ACT_ERRNO, ACT_SHORT, ACT_KILL, ACT_TORN, ACT_CUT } action;
static int action_errno;
static __u32 cut_flag;
static atomic_ulong calls;

static const struct {
    const char *name;
    int number;
} errnos[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EMFILE", EMFILE}, {"EACCES", EACCES},
              {"EDQUOT", EDQUOT}, {"ENOMEM", ENOMEM}, {"ENOLCK", ENOLCK}, {"ECONNRESET", ECONNRESET},
              {"EPIPE", EPIPE},   {"EROFS", EROFS},   {"EINTR", EINTR}};

__attribute__((constructor)) static void read_environment(void)
{
    const char *text = getenv("TORT_ACTION"), *n = getenv("TORT_N");
    root = getenv("TORT_ROOT");
    kinds = getenv("TORT_KIND");
    report = getenv("TORT_REPORT");
    is_sticky = getenv("TORT_STICKY") != NULL;
    is_lying = getenv("TORT_LIE") != NULL;
    const char *many = getenv("TORT_TIMES");
    times = many ? strtoul(many, NULL, 10) : 1;
    wanted = n ? strtoul(n, NULL, 10) : 0;
    if (!root || !kinds || !text || wanted == 0) {
        root = NULL;
        return;
    }
    if (strcmp(text, "SHORT") == 0)
        action = ACT_SHORT;
    else if (strcmp(text, "KILL") == 0)
        action = ACT_KILL;
    else if (strcmp(text, "TORN") == 0)
        action = ACT_TORN;
    else if (strncmp(text, "CUT", 3) == 0) {
        action = ACT_CUT;
        cut_flag = (__u32)(text[3] - '0');
    }
    for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++)
        if (strcmp(text, errnos[i].name) == 0)
            action_errno = errnos[i].number;
    if (action == ACT_ERRNO && action_errno == 0) {
        static const char message[] = "shim: unknown TORT_ACTION\n";
        (void)!write(STDERR_FILENO, message, sizeof message - 1);
        _exit(99);
    }
}

#define REAL(name) (__extension__(__typeof__(&(name))) real_of(#name))

static void *real_of(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

/* --- is it one of ours? ----------------------------------------------------------------------------- */

static bool is_kind(const char *kind)
{
    size_t len = strlen(kind);
    if (strcmp(kinds, "any") == 0)
        return strcmp(kind, "net") != 0;
    for (const char *at = kinds; (at = strstr(at, kind)); at += len)
        if ((at == kinds || at[-1] == ',') && (at[len] == '\0' || at[len] == ','))
            return true;
    return false;
}

static bool is_below(const char *path)
{
    for (const char *at = root; *at; at += *at == ':') {
        size_t len = strcspn(at, ":");
        if (strncmp(path, at, len) == 0 && (path[len] == '\0' || path[len] == '/'))
            return true;
        at += len;
    }
    return false;
}

static bool path_of_fd(int fd, char path[static PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long n = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static bool path_at(int dir, const char *name, char path[static PATH_MAX])
{
    char base[PATH_MAX];
    if (!name || name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name ? name : "");
        return true;
    }
    if (dir == AT_FDCWD ? syscall(SYS_getcwd, base, sizeof base) < 0 : !path_of_fd(dir, base))
        return false;
    return snprintf(path, PATH_MAX, "%s/%s", base, name) < PATH_MAX;
}

static void tell(unsigned long n, const char *kind, const char *path)
{
    char line[PATH_MAX + 64];
    int len = snprintf(line, sizeof line, "%lu %s %s\n", n, kind, path);
    long fd =
        report ? syscall(SYS_openat, AT_FDCWD, report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    if (fd >= 0) {
        (void)!syscall(SYS_write, (int)fd, line, (size_t)len);
        syscall(SYS_close, (int)fd);
    }
}

static void die(void)
{
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;)
        pause();
}

static void cut_power(void)
{
    char first[PATH_MAX];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(root, ":"), root);
    long fd = syscall(SYS_openat, AT_FDCWD, first, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 || syscall(SYS_ioctl, (int)fd, SHUTDOWN_IOCTL, &cut_flag) != 0)
        tell(0, "cannot-cut", first);
    die();
}

/* True: the call is to fail with errno (or to be short, is_short()). */
static bool strikes(const char *kind, const char *path)
{
    unsigned long n = atomic_fetch_add(&calls, 1) + 1;
    if (n < wanted || (n >= wanted + times && !is_sticky))
        return false;
    if (n == wanted)
        tell(n, kind, path);
    if (action == ACT_KILL)
        die();
    if (action == ACT_CUT)
        cut_power();
    errno = action_errno;
    return true;
}

static bool strikes_fd(const char *kind, int fd)
{
    int saved = errno;
    char path[PATH_MAX];
    if (!root || fd < 0 || !is_kind(kind) || !path_of_fd(fd, path) || !is_below(path)) {
        errno = saved;
        return false;
    }
    errno = saved;
    return strikes(kind, path);
}

static bool strikes_at(const char *kind, int dir, const char *name)
{
    int saved = errno;
    char path[PATH_MAX];
    if (!root || !is_kind(kind) || !path_at(dir, name, path) || !is_below(path)) {
        errno = saved;
        return false;
    }
    errno = saved;
    return strikes(kind, path);
}

static bool strikes_net(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    int saved = errno;
    bool is_tcp = root && is_kind("net") && getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
                  (address.ss_family == AF_INET || address.ss_family == AF_INET6);
    errno = saved;
    return is_tcp && strikes("net", "tcp");
}

/* --- opening ---------------------------------------------------------------------------------------- */

#define MODE_OF(flags)                       \
    mode_t mode = 0;                         \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { \
        va_list list;                        \
        va_start(list, flags);               \
        mode = va_arg(list, mode_t);         \
        va_end(list);                        \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return strikes_at("open", AT_FDCWD, path) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return strikes_at("open", AT_FDCWD, path) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    MODE_OF(flags)
    return strikes_at("open", dir, path) ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
    MODE_OF(flags)
    return strikes_at("open", dir, path) ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);
}

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return strikes_at("open", AT_FDCWD, path) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}

int __openat_2(int dir, const char *path, int flags);
int __openat_2(int dir, const char *path, int flags)
{
    return strikes_at("open", dir, path) ? -1 : (int)syscall(SYS_openat, dir, path, flags, 0);
}

DIR *fdopendir(int fd)
{
    return strikes_fd("list", fd) ? NULL : REAL(fdopendir)(fd);
}

struct dirent *readdir(DIR *dir)
{
    return strikes_fd("list", dirfd(dir)) ? NULL : REAL(readdir)(dir);
}

int scandirat(int dir, const char *name, struct dirent ***list, int (*filter)(const struct dirent *),
              int (*compare)(const struct dirent **, const struct dirent **))
{
    return strikes_at("list", dir, name) ? -1 : REAL(scandirat)(dir, name, list, filter, compare);
}

/* --- bytes ------------------------------------------------------------------------------------------ */

/* What a struck transfer of `bytes` still does: -1: nothing, it fails. */
static ssize_t left_of(size_t bytes)
{
    return action == ACT_SHORT || action == ACT_TORN ? (ssize_t)(bytes > 1 ? bytes / 2 : bytes) : -1;
}

static ssize_t torn(ssize_t done)
{
    if (action == ACT_TORN)
        die();
    return done;
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    if (!strikes_fd("write", fd))
        return REAL(write)(fd, data, bytes);
    ssize_t left = left_of(bytes);
    return left < 0 ? -1 : torn(REAL(write)(fd, data, (size_t)left));
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    if (!strikes_fd("write", fd))
        return REAL(pwrite)(fd, data, bytes, offset);
    ssize_t left = left_of(bytes);
    return left < 0 ? -1 : torn(REAL(pwrite)(fd, data, (size_t)left, offset));
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset)
{
    return pwrite(fd, data, bytes, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return strikes_fd("write", fd) && left_of(1) < 0 ? -1 : REAL(writev)(fd, parts, count);
}

ssize_t read(int fd, void *data, size_t bytes)
{
    if (!strikes_fd("read", fd))
        return syscall(SYS_read, fd, data, bytes);
    ssize_t left = left_of(bytes);
    return left < 0 ? -1 : torn(syscall(SYS_read, fd, data, (size_t)left));
}

ssize_t pread(int fd, void *data, size_t bytes, off_t offset)
{
    if (!strikes_fd("read", fd))
        return syscall(SYS_pread64, fd, data, bytes, offset);
    ssize_t left = left_of(bytes);
    return left < 0 ? -1 : torn(syscall(SYS_pread64, fd, data, (size_t)left, offset));
}

ssize_t pread64(int fd, void *data, size_t bytes, off64_t offset)
{
    return pread(fd, data, bytes, offset);
}

ssize_t __read_chk(int fd, void *data, size_t bytes, size_t room);
ssize_t __read_chk(int fd, void *data, size_t bytes, size_t room)
{
    if (bytes > room)
        abort();
    return read(fd, data, bytes);
}

ssize_t __pread_chk(int fd, void *data, size_t bytes, off_t offset, size_t room);
ssize_t __pread_chk(int fd, void *data, size_t bytes, off_t offset, size_t room)
{
    if (bytes > room)
        abort();
    return pread(fd, data, bytes, offset);
}

ssize_t send(int fd, const void *data, size_t bytes, int flags)
{
    if (!strikes_net(fd))
        return REAL(send)(fd, data, bytes, flags);
    ssize_t left = left_of(bytes);
    return left < 0 ? -1 : torn(REAL(send)(fd, data, (size_t)left, flags));
}

ssize_t recv(int fd, void *data, size_t bytes, int flags)
{
    if (!strikes_net(fd))
        return REAL(recv)(fd, data, bytes, flags);
    ssize_t left = left_of(bytes);
    return left < 0 ? -1 : torn(REAL(recv)(fd, data, (size_t)left, flags));
}

/* --- files and directories -------------------------------------------------------------------------- */

#define SIMPLE(type, failed, kind, test, name, parameters, arguments) \
    type name parameters                                              \
    {                                                                 \
        return test ? failed : REAL(name) arguments;                  \
    }

int fsync(int fd)
{
    if (strikes_fd("sync", fd))
        return -1;
    return is_lying ? 0 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    if (strikes_fd("sync", fd))
        return -1;
    return is_lying ? 0 : REAL(fdatasync)(fd);
}

int syncfs(int fd)
{
    if (strikes_fd("sync", fd))
        return -1;
    return is_lying ? 0 : REAL(syncfs)(fd);
}

SIMPLE(int, -1, "rename", strikes_at("rename", AT_FDCWD, to), rename, (const char *from, const char *to),
       (from, to))
SIMPLE(int, -1, "rename", strikes_at("rename", to_dir, to), renameat,
       (int from_dir, const char *from, int to_dir, const char *to), (from_dir, from, to_dir, to))
SIMPLE(int, -1, "rename", strikes_at("rename", to_dir, to), renameat2,
       (int from_dir, const char *from, int to_dir, const char *to, unsigned flags),
       (from_dir, from, to_dir, to, flags))
SIMPLE(int, -1, "rename", strikes_at("rename", to_dir, to), linkat,
       (int from_dir, const char *from, int to_dir, const char *to, int flags),
       (from_dir, from, to_dir, to, flags))
SIMPLE(int, -1, "unlink", strikes_at("unlink", AT_FDCWD, path), unlink, (const char *path), (path))
SIMPLE(int, -1, "unlink", strikes_at("unlink", dir, path), unlinkat, (int dir, const char *path, int flags),
       (dir, path, flags))
SIMPLE(int, -1, "unlink", strikes_at("unlink", AT_FDCWD, path), rmdir, (const char *path), (path))
SIMPLE(int, -1, "mkdir", strikes_at("mkdir", AT_FDCWD, path), mkdir, (const char *path, mode_t mode),
       (path, mode))
SIMPLE(int, -1, "mkdir", strikes_at("mkdir", dir, path), mkdirat, (int dir, const char *path, mode_t mode),
       (dir, path, mode))
SIMPLE(int, -1, "truncate", strikes_fd("truncate", fd), ftruncate, (int fd, off_t size), (fd, size))
SIMPLE(int, -1, "truncate", strikes_fd("truncate", fd), ftruncate64, (int fd, off64_t size), (fd, size))
SIMPLE(int, -1, "allocate", strikes_fd("allocate", fd), fallocate, (int fd, int mode, off_t at, off_t size),
       (fd, mode, at, size))
SIMPLE(int, errno, "allocate", strikes_fd("allocate", fd), posix_fallocate, (int fd, off_t at, off_t size),
       (fd, at, size))
SIMPLE(int, errno, "allocate", strikes_fd("allocate", fd), posix_fallocate64,
       (int fd, off64_t at, off64_t size), (fd, at, size))
SIMPLE(void *, MAP_FAILED, "mmap", strikes_fd("mmap", fd), mmap,
       (void *address, size_t bytes, int protection, int flags, int fd, off_t offset),
       (address, bytes, protection, flags, fd, offset))
SIMPLE(int, -1, "stat", strikes_fd("stat", fd), fstat, (int fd, struct stat *st), (fd, st))
SIMPLE(int, -1, "stat", strikes_at("stat", dir, path), fstatat,
       (int dir, const char *restrict path, struct stat *restrict st, int flags), (dir, path, st, flags))
SIMPLE(int, -1, "stat", strikes_at("stat", dir, path), faccessat,
       (int dir, const char *path, int mode, int flags), (dir, path, mode, flags))
SIMPLE(int, -1, "lock", strikes_fd("lock", fd), flock, (int fd, int operation), (fd, operation))
