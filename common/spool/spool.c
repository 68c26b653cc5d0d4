#include "common/spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/exit.h"
#include "common/base/file.h"
#include "common/segment/flake.h"

enum { META_BYTES_MAX = 65536, SOCKET_PATH_MAX = 100 };

static const char meta_name[] = "spool.json";
static const char ids_name[] = "ids";

static const char *const queue_names[QUEUE_COUNT] = {
    "active", "sealed", "upload", "batch", "transfer", "incoming", "quarantine",
};

const char *spool_queue_name(enum spool_queue queue)
{
    return queue_names[queue];
}

int spool_queue_parse(const char *name, enum spool_queue *queue)
{
    for (size_t i = 0; i < QUEUE_COUNT; i++) {
        if (strcmp(queue_names[i], name) == 0) {
            *queue = (enum spool_queue)i;
            return 0;
        }
    }
    return -EINVAL;
}

bool spool_queue_is_grouped(enum spool_queue queue)
{
    return queue == QUEUE_BATCH || queue == QUEUE_TRANSFER;
}

static bool is_of_spool(const char *name)
{
    enum spool_queue queue;
    return name[0] == '.' || strcmp(name, "lost+found") == 0 || strcmp(name, meta_name) == 0 ||
           strcmp(name, "run") == 0 || strcmp(name, "state") == 0 || spool_queue_parse(name, &queue) == 0;
}

/* A directory may become a spool when nothing is in it but what another program, starting beside us, has just
 * made. */
static int check_is_fresh(const struct spool *spool, struct err *err)
{
    int fd = openat(spool->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return err_errno(err, -errno, "spool %s: cannot be listed", spool->path);
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));)
        if (!is_of_spool(entry->d_name))
            rc = err_set(err, -EINVAL,
                         "spool %s: is not a spool and not empty (there is '%s'): give an empty directory or "
                         "an existing spool",
                         spool->path, entry->d_name);
    closedir(dir);
    return rc;
}

static int check_meta(const struct spool *spool, const struct buf *meta, struct err *err)
{
    json_error_t why;
    json_t *root = json_loadb(meta->data, meta->len, 0, &why);
    const json_t *format = json_object_get(root, "format");
    int rc = 0;
    if (!json_is_integer(format))
        rc = err_set(err, -EPROTO,
                     "spool %s: %s is damaged (no \"format\"): restore it, it reads {\"format\":%d}",
                     spool->path, meta_name, SPOOL_FORMAT);
    else if (json_integer_value(format) != SPOOL_FORMAT)
        rc = err_set(err, -EPROTO,
                     "spool %s: has format %lld, this version works with %d: use the version that made it",
                     spool->path, (long long)json_integer_value(format), SPOOL_FORMAT);
    json_decref(root);
    return rc;
}

/* The commit of a new spool: its folders are there already, and this makes their names durable too. */
static int create_meta(const struct spool *spool, struct err *err)
{
    char now[WALL_TEXT_BYTES], text[128];
    wall_format(wall_now_ms(), now);
    int len = snprintf(text, sizeof text, "{\"format\":%d,\"created\":\"%s\"}\n", SPOOL_FORMAT, now);
    int rc = file_replace(spool->fd, meta_name, text, (size_t)len);
    return rc ? err_errno(
                    err, rc,
                    "spool %s: cannot be written: make it a directory of this user on a writable file system",
                    spool->path)
              : 0;
}

/* `*is_fresh`: there is none, and the directory may become a spool. */
static int load_meta(const struct spool *spool, bool *is_fresh, struct err *err)
{
    struct buf meta;
    buf_init(&meta, META_BYTES_MAX);
    int rc = file_read(spool->fd, meta_name, &meta);
    *is_fresh = rc == -ENOENT;
    if (rc == 0)
        rc = check_meta(spool, &meta, err);
    else if (*is_fresh)
        rc = check_is_fresh(spool, err);
    else
        err_errno(err, rc, "spool %s: %s cannot be read", spool->path, meta_name);
    buf_fini(&meta);
    return rc;
}
static int open_root(struct spool *spool, const char *path, struct err *err)
{
    *spool = (struct spool){.fd = -1, .run = -1, .state = -1, .is_guarded = true};
    for (size_t i = 0; i < QUEUE_COUNT; i++)
        spool->queues[i] = -1;
    snprintf(spool->path, sizeof spool->path, "%s", path);
    spool->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->fd < 0 && errno == ENOENT)
        return err_set(err, -ENOENT, "spool %s: does not exist: mkdir -p %s, on a local disk", path, path);
    if (spool->fd < 0)
        return err_errno(err, -errno, "spool %s: cannot be opened as a directory", path);
    char absolute[PATH_MAX];
    if (realpath(path, absolute))
        snprintf(spool->path, sizeof spool->path, "%s", absolute);
    return 0;
}

static int open_folder(const struct spool *spool, const char *name, bool create, int *fd, struct err *err)
{
    *fd =
        create ? file_open_dir(spool->fd, name) : openat(spool->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd >= 0)
        return 0;
    int rc = create ? *fd : -errno;
    *fd = -1;
    if (!create && rc == -ENOENT)
        return 0;
    return err_errno(err, rc, "spool %s: folder %s cannot be opened", spool->path, name);
}

static int open_folders(struct spool *spool, bool create, struct err *err)
{
    int rc = open_folder(spool, "run", create, &spool->run, err);
    if (rc == 0)
        rc = open_folder(spool, "state", create, &spool->state, err);
    for (size_t i = 0; rc == 0 && i < QUEUE_COUNT; i++)
        rc = open_folder(spool, queue_names[i], create, &spool->queues[i], err);
    return rc;
}

/* A directory of another user, or on a read-only file system, is told at once and not at the first row. */
static int check_writable(const struct spool *spool, struct err *err)
{
    if (faccessat(spool->fd, ".", W_OK | X_OK, AT_EACCESS) == 0)
        return 0;
    if (errno == EROFS)
        return err_set(
            err, -EROFS,
            "spool %s: is on a read-only file system: mount it writable, or give another directory",
            spool->path);
    return err_errno(err, -errno, "spool %s: is not writable for uid %u: chown it, or run as its owner",
                     spool->path, (unsigned)geteuid());
}

/* The last id lives in a page that all processes of the spool share; it survives them all, and after a power
 * cut the clock has gone on. */
static int map_ids(struct spool *spool, struct err *err)
{
    int fd = openat(spool->state, ids_name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(err, -errno, "spool %s: state/%s cannot be opened", spool->path, ids_name);
    int rc = 0;
    /* Allocate the block now: a store into a hole of a full file system would be a SIGBUS. */
    int full = posix_fallocate(fd, 0, sizeof *spool->ids);
    void *page = MAP_FAILED;
    if (full)
        rc = err_errno(err, -full, "spool %s: no room for state/%s", spool->path, ids_name);
    else if ((page = mmap(NULL, sizeof *spool->ids, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
        rc = err_errno(err, -errno, "spool %s: state/%s cannot be mapped", spool->path, ids_name);
    else
        spool->ids = page;
    close(fd);
    return rc;
}

static unsigned host_bits(const char *instance)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *instance; instance++)
        hash = (hash ^ (unsigned char)*instance) * 16777619u;
    return (hash ^ hash >> 10 ^ hash >> 20) & 1023;
}

static void sweep(const struct spool *spool)
{
    int quarantine = spool->queues[QUEUE_QUARANTINE];
    int fd = openat(quarantine, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    file_sweep(spool->fd);
    file_sweep(spool->state);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        int db = entry->d_name[0] == '.'
                     ? -1
                     : openat(quarantine, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (db < 0)
            continue;
        file_sweep(db);
        close(db);
    }
    if (list)
        closedir(list);
    else if (fd >= 0)
        close(fd);
}

int spool_open(struct spool *spool, const char *path, const char *instance, struct err *err)
{
    bool is_fresh = false;
    int rc = open_root(spool, path, err);
    if (rc == 0)
        rc = check_writable(spool, err);
    if (rc == 0)
        rc = load_meta(spool, &is_fresh, err);
    if (rc == 0)
        rc = open_folders(spool, true, err);
    if (rc == 0 && fchmod(spool->run, 0700) != 0)
        rc = err_errno(err, -errno, "spool %s: run/ cannot be made private", spool->path);
    if (rc == 0)
        rc = map_ids(spool, err);
    if (rc == 0)
        sweep(spool);
    if (rc == 0 && is_fresh)
        rc = create_meta(spool, err);
    spool->host = host_bits(instance);
    if (rc)
        spool_close(spool);
    return rc;
}

int spool_open_readonly(struct spool *spool, const char *path, struct err *err)
{
    bool is_fresh = false;
    int rc = open_root(spool, path, err);
    if (rc == 0)
        rc = load_meta(spool, &is_fresh, err);
    if (rc == 0 && is_fresh)
        rc = err_set(err, -ENOENT, "%s is not a spool: there is no %s in it", spool->path, meta_name);
    if (rc == 0)
        rc = open_folders(spool, false, err);
    if (rc)
        spool_close(spool);
    return rc;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void spool_close(struct spool *spool)
{
    close_fd(&spool->fd);
    close_fd(&spool->run);
    close_fd(&spool->state);
    for (size_t i = 0; i < QUEUE_COUNT; i++)
        close_fd(&spool->queues[i]);
    if (spool->ids)
        munmap(spool->ids, sizeof *spool->ids);
    spool->ids = NULL;
}

int spool_exit_code(int rc)
{
    return rc == -EINVAL || rc == -ENOENT || rc == -ENOTDIR || rc == -EACCES || rc == -EROFS ||
                   rc == -EPROTO || rc == -EBUSY
               ? EXIT_USAGE
               : EXIT_TROUBLE;
}

uint64_t spool_next_id(struct spool *spool)
{
    uint64_t last = atomic_load(&spool->ids->last), next;
    do
        next = flake_next(last, (uint64_t)wall_now_ms(), spool->host);
    while (!atomic_compare_exchange_weak(&spool->ids->last, &last, next));
    return next;
}

uint64_t spool_next_id_at(struct spool *spool, uint64_t unix_ms)
{
    uint64_t now_ms = (uint64_t)wall_now_ms(), count = atomic_fetch_add(&spool->ids->dated, 1);
    return flake_at(unix_ms < now_ms ? unix_ms : now_ms, spool->host, count);
}

int spool_lock(struct spool *spool, const char *program, struct err *err)
{
    char name[64], holder[32] = "";
    snprintf(name, sizeof name, "%s.lock", program);
    int fd = openat(spool->run, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(err, -errno, "spool %s: run/%s cannot be opened", spool->path, name);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int rc = -errno;
        if (rc != -EWOULDBLOCK) {
            close(fd);
            return err_errno(err, rc, "spool %s: run/%s cannot be locked", spool->path, name);
        }
        ssize_t n = pread(fd, holder, sizeof holder - 1, 0);
        holder[n > 0 ? strcspn(holder, "\n") : 0] = '\0';
        close(fd);
        return err_set(err, -EBUSY,
                       "spool %s: another %s works on it (pid %s): stop that one, or give another spool",
                       spool->path, program, *holder ? holder : "unknown");
    }
    int len = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, holder, (size_t)len, 0) != len)
        (void)0; /* the lock holds; only its name tag is missing */
    return 0;    /* the descriptor stays open: the lock ends with the process */
}

void spool_socket_url(const struct spool *spool, const char *program, const char *kind,
                      char url[static SPOOL_URL_BYTES])
{
    int len = snprintf(url, SPOOL_URL_BYTES, "ipc://%s/run/%s.%s", spool->path, program, kind);
    /* A socket's path is limited to 107 bytes: a deep spool is reached through our own descriptor of run/. */
    if (len >= SOCKET_PATH_MAX)
        snprintf(url, SPOOL_URL_BYTES, "ipc:///proc/self/fd/%d/%s.%s", spool->run, program, kind);
}
