#include "common/cli/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/spool/place.h"

static const char ledger_name[] = "removed.jsonl";

int removal_finish(int dir, const struct removal *removal)
{
    struct stat st;
    int rc = 0;
    if (fstatat(dir, removal->file, &st, AT_SYMLINK_NOFOLLOW) != 0)
        rc = -errno;
    else if (st.st_ino != removal->inode ||
             st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec != removal->mtime_ns)
        return -ENOENT;
    else if (unlinkat(dir, removal->file, 0) != 0)
        rc = -errno;
    crash_point("rm:after-unlink");
    if (rc == 0 || rc == -ENOENT)
        why_drop(dir, removal->file, &removal->why);
    return rc;
}

/* --- what the last run left ---------------------------------------------------------------------- */

static int64_t number_of(const json_t *line, const char *key)
{
    return json_integer_value(json_object_get(line, key));
}

static void redo_line(const struct spool *spool, const char *text, size_t len)
{
    json_t *line = json_loadb(text, len, 0, NULL);
    const char *folder = json_string_value(json_object_get(line, "db"));
    const char *file = json_string_value(json_object_get(line, "file"));
    struct removal removal = {.inode = (ino_t)number_of(line, "inode"),
                              .mtime_ns = number_of(line, "mtime_ns"),
                              .why.inode = (ino_t)number_of(line, "why_inode")};
    if (folder && file && !strchr(folder, '/') && !strchr(file, '/')) {
        snprintf(removal.folder, sizeof removal.folder, "%s", folder);
        snprintf(removal.file, sizeof removal.file, "%s", file);
        struct spool_place place = spool_place(QUEUE_QUARANTINE, removal.folder);
        int dir = spool_place_open(spool, &place, false);
        if (dir >= 0) {
            if (removal_finish(dir, &removal) == 0 && file_sync_dir(dir) != 0)
                (void)0; /* unlinked it is; the next run looks again */
            close(dir);
        }
    }
    json_decref(line);
}

/* The last LEDGER_BATCH lines of `text`, newest first. */
static void redo_lines(const struct spool *spool, const char *text, size_t len)
{
    for (int i = 0; i < LEDGER_BATCH && len > 0; i++) {
        const char *end = text + len - 1; /* its newline */
        const char *start = end;
        while (start > text && start[-1] != '\n')
            start--;
        redo_line(spool, start, (size_t)(end - start));
        len = (size_t)(start - text);
    }
}

static int repair(struct ledger *ledger, char *text, size_t len, off_t offset)
{
    size_t whole = len;
    while (whole > 0 && text[whole - 1] != '\n')
        whole--;
    if (whole < len && ftruncate(ledger->fd, offset + (off_t)whole) != 0)
        return -errno;
    if (fdatasync(ledger->fd) != 0)
        return -errno;
    redo_lines(ledger->spool, text, whole);
    return 0;
}

static int recover(struct ledger *ledger)
{
    const off_t most = (off_t)LEDGER_BATCH * LEDGER_LINE_MAX;
    struct stat st;
    if (fstat(ledger->fd, &st) != 0)
        return -errno;
    off_t offset = st.st_size > most ? st.st_size - most : 0;
    size_t len = (size_t)(st.st_size - offset);
    char *text = malloc(len + 1);
    if (!text)
        return -ENOMEM;
    int rc = file_read_at(ledger->fd, text, len, offset);
    if (rc == 0 && len > 0)
        rc = repair(ledger, text, len, offset);
    free(text);
    return rc;
}

int ledger_open(struct ledger *ledger, const struct spool *spool, struct err *err)
{
    *ledger = (struct ledger){.spool = spool};
    ledger->fd = openat(spool->state, ledger_name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (ledger->fd < 0 && errno == ENOENT)
        return 0;
    int rc = ledger->fd < 0 ? -errno : recover(ledger);
    return rc ? err_errno(err, rc, "spool %s: state/%s", spool->path, ledger_name) : 0;
}

void ledger_close(struct ledger *ledger)
{
    if (ledger->fd >= 0)
        close(ledger->fd);
    ledger->fd = -1;
}

static int create(struct ledger *ledger)
{
    if (ledger->fd >= 0)
        return 0;
    ledger->fd =
        openat(ledger->spool->state, ledger_name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    return ledger->fd < 0 ? -errno : file_sync_dir(ledger->spool->state);
}

int ledger_append(struct ledger *ledger, const struct buf *lines)
{
    struct stat st;
    int rc = create(ledger);
    if (rc == 0 && fstat(ledger->fd, &st) != 0)
        rc = -errno;
    if (rc)
        return rc;
    rc = file_write_all(ledger->fd, lines->data, lines->len);
    crash_point("rm:after-write");
    if (rc == 0 && fdatasync(ledger->fd) != 0)
        rc = -errno;
    if (rc && ftruncate(ledger->fd, st.st_size) != 0)
        (void)0; /* the next run does what the lines say: it was asked for */
    crash_point("rm:after-record");
    return rc;
}
