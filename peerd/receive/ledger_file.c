#include "peerd/receive/ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/segment/marker.h"
#include "common/spool/ballast.h"

static const char newer_name[] = "received", older_name[] = "received.older";

enum { LINE_MAX_BYTES = 16 + 1 + TRANSFER_ID_MAX + 1 + DIGEST_TEXT_BYTES + 1 };

static int64_t allocated(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (int64_t)st.st_blocks * 512 : 0;
}

void ledger_file_close(struct ledger_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* Open it, making it when it is missing, in the place of the one that is open. */
static int open_newer(struct ledger_file *file)
{
    struct stat st = {0};
    int fd = openat(file->spool->state, newer_name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    int rc = fd < 0 || fstat(fd, &st) != 0 ? -errno : file_sync_dir(file->spool->state);
    if (rc) {
        if (fd >= 0)
            close(fd);
        return rc;
    }
    ledger_file_close(file);
    file->fd = fd;
    file->bytes = (uint64_t)st.st_size;
    file->is_suspect = false;
    return 0;
}

/* Where the last whole line ends: a line is shorter than LINE_MAX_BYTES. */
static int cut_torn_line(struct ledger_file *file)
{
    char tail[LINE_MAX_BYTES];
    size_t bytes = file->bytes < sizeof tail ? (size_t)file->bytes : sizeof tail;
    int rc = file_read_at(file->fd, tail, bytes, (off_t)(file->bytes - bytes));
    while (rc == 0 && bytes > 0 && tail[bytes - 1] != '\n') {
        bytes--;
        file->bytes--;
    }
    return rc == 0 && ftruncate(file->fd, (off_t)file->bytes) != 0 ? -errno : rc;
}

int ledger_file_open(struct ledger_file *file, const struct spool *spool, struct err *err)
{
    *file = (struct ledger_file){.spool = spool, .fd = -1};
    int rc = open_newer(file);
    if (rc == 0)
        rc = cut_torn_line(file);
    return rc ? err_errno(err, rc, "spool %s: state/%s", spool->path, newer_name) : 0;
}

/* --- reading ---------------------------------------------------------------------------------------- */

/* `line` is terminated, its newline gone. */
static bool parse_line(char *line, int64_t *time_ms, const char **id, struct digest_value *digest)
{
    char *rest = line, *end;
    const char *time = strsep(&rest, " ");
    *id = strsep(&rest, " ");
    if (!rest || !*time)
        return false;
    *time_ms = (int64_t)strtoull(time, &end, 16);
    return !*end && transfer_word_is_valid(*id, TRANSFER_ID_MAX) && digest_parse(rest, digest) &&
           digest->bytes > 0;
}

static int visit_lines(const char *data, size_t bytes, const char *name, ledger_line_visit *visit, void *arg)
{
    uint64_t strange = 0;
    int rc = 0;
    for (size_t at = 0, length; rc == 0 && at < bytes; at += length + 1) {
        char line[LINE_MAX_BYTES];
        const char *end = memchr(data + at, '\n', bytes - at), *id;
        struct digest_value digest;
        int64_t time_ms;
        if (!end)
            break; /* torn: it was never promised */
        length = (size_t)(end - data) - at;
        bool fits = length < sizeof line;
        if (fits)
            snprintf(line, sizeof line, "%.*s", (int)length, data + at);
        if (fits && parse_line(line, &time_ms, &id, &digest))
            rc = visit(arg, time_ms, id, digest);
        else
            strange++;
    }
    if (strange > 0)
        log_warn("ledger-damaged", log_s("file", name), log_u("lines", strange),
                 log_s("meaning", "these transfers would be stored again if they were sent again"));
    return rc;
}

int ledger_file_read(struct ledger_file *file, bool is_older, ledger_line_visit *visit, void *arg,
                     struct err *err)
{
    const char *name = is_older ? older_name : newer_name;
    struct stat st;
    int rc = 0, fd = openat(file->spool->state, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, -errno, "spool %s: state/%s", file->spool->path, name);
    void *data = NULL;
    if (fstat(fd, &st) != 0)
        rc = -errno;
    if (rc == 0 && st.st_size > 0) {
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        rc = data == MAP_FAILED ? -errno : visit_lines(data, (size_t)st.st_size, name, visit, arg);
        if (data != MAP_FAILED)
            munmap(data, (size_t)st.st_size);
    }
    close(fd);
    return rc ? err_errno(err, rc, "spool %s: state/%s cannot be read", file->spool->path, name) : 0;
}

/* --- writing ---------------------------------------------------------------------------------------- */

int ledger_file_rotate(struct ledger_file *file, struct err *err)
{
    int state = file->spool->state;
    if (renameat(state, newer_name, state, older_name) != 0 && errno != ENOENT)
        return err_errno(err, -errno, "spool %s: state/%s", file->spool->path, older_name);
    crash_point("ledger:after-rotate");
    int rc = open_newer(file);
    return rc ? err_errno(err, rc, "spool %s: state/%s", file->spool->path, newer_name) : 0;
}

/* After a failed sync nothing is known of what the disk holds: all of it goes to another file, which takes
 * the name. */
static int write_anew(struct ledger_file *file, const struct buf *lines, struct err *err)
{
    struct buf all;
    buf_init(&all, (size_t)file->bytes + lines->len + 1);
    int rc = buf_reserve(&all, (size_t)file->bytes + lines->len);
    if (rc == 0)
        rc = file_read_at(file->fd, all.data, (size_t)file->bytes, 0);
    all.len = rc == 0 ? (size_t)file->bytes : 0;
    if (rc == 0)
        rc = buf_put(&all, lines->data, lines->len);
    if (rc == 0)
        rc = file_replace(file->spool->state, newer_name, all.data, all.len);
    buf_fini(&all);
    if (rc)
        return err_errno(err, rc, "spool %s: state/%s cannot be written anew", file->spool->path, newer_name);
    rc = open_newer(file);
    return rc ? err_errno(err, rc, "spool %s: state/%s", file->spool->path, newer_name) : 0;
}

static int append(struct ledger_file *file, const struct buf *lines, bool durable, struct err *err)
{
    if (lseek(file->fd, (off_t)file->bytes, SEEK_SET) < 0)
        return err_errno(err, -errno, "spool %s: state/%s", file->spool->path, newer_name);
    int rc = file_write_all(file->fd, lines->data, lines->len);
    if (rc) {
        if (ftruncate(file->fd, (off_t)file->bytes) != 0)
            file->is_suspect = true;
        return err_errno(err, rc, "spool %s: state/%s", file->spool->path, newer_name);
    }
    if (!durable || fdatasync(file->fd) == 0) {
        file->bytes += lines->len;
        return 0;
    }
    log_warn("sync-failed", log_s("file", newer_name), log_s("cause", strerror(errno)),
             log_s("action", "writing all of it anew"));
    file->is_suspect = true;
    return write_anew(file, lines, err);
}

int ledger_file_append(struct ledger_file *file, const struct buf *lines, bool durable, int64_t *grown,
                       struct err *err)
{
    int64_t before = allocated(file->fd);
    int rc;
    do
        rc = file->is_suspect ? write_anew(file, lines, err) : append(file, lines, durable, err);
    while (rc && ballast_helps(file->spool->ballast, rc));
    *grown = allocated(file->fd) - before;
    crash_point("land:after-ledger");
    return rc;
}
