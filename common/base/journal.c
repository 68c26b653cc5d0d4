#include "common/base/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"

enum { OLD_NAME_BYTES = 128, READ_BYTES = 1 << 16 };

static void show(journal_redo *each, void *arg, const char *text, size_t len)
{
    json_t *line = json_loadb(text, len, 0, NULL);
    if (json_is_object(line))
        each(arg, line);
    json_decref(line);
}

/* The last lines of `text`, which ends with a newline, newest first. */
static void redo_last(const struct journal *journal, const char *text, size_t len, journal_redo *redo,
                      void *arg)
{
    for (unsigned i = 0; i < journal->batch && len > 0; i++) {
        const char *end = text + len - 1;
        const char *start = end;
        while (start > text && start[-1] != '\n')
            start--;
        show(redo, arg, start, (size_t)(end - start));
        len = (size_t)(start - text);
    }
}

static int repair(struct journal *journal, char *text, size_t len, off_t offset, journal_redo *redo,
                  void *arg)
{
    size_t whole = len;
    while (whole > 0 && text[whole - 1] != '\n')
        whole--;
    if (whole < len && ftruncate(journal->fd, offset + (off_t)whole) != 0)
        return -errno;
    if (fdatasync(journal->fd) != 0)
        return -errno;
    journal->bytes = offset + (off_t)whole;
    redo_last(journal, text, whole, redo, arg);
    return 0;
}

static int recover(struct journal *journal, journal_redo *redo, void *arg)
{
    const off_t most = (off_t)journal->batch * JOURNAL_LINE_MAX;
    struct stat st;
    if (fstat(journal->fd, &st) != 0)
        return -errno;
    off_t offset = st.st_size > most ? st.st_size - most : 0;
    size_t len = (size_t)(st.st_size - offset);
    char *text = malloc(len + 1);
    if (!text)
        return -ENOMEM;
    int rc = file_read_at(journal->fd, text, len, offset);
    if (rc == 0 && len > 0)
        rc = repair(journal, text, len, offset, redo, arg);
    free(text);
    return rc;
}

static int open_file(const struct journal *journal, int flags)
{
    return openat(journal->dir, journal->name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | flags, 0644);
}

int journal_open(struct journal *journal, journal_redo *redo, void *arg)
{
    journal->bytes = 0;
    journal->fd = open_file(journal, 0);
    if (journal->fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int rc = recover(journal, redo, arg);
    if (rc)
        journal_close(journal);
    return rc;
}

void journal_close(struct journal *journal)
{
    if (journal->fd >= 0)
        close(journal->fd);
    journal->fd = -1;
}

static int create(struct journal *journal)
{
    if (journal->fd >= 0)
        return 0;
    journal->fd = open_file(journal, O_CREAT);
    return journal->fd < 0 ? -errno : file_sync_dir(journal->dir);
}

int journal_append(struct journal *journal, const struct buf *lines)
{
    int rc = create(journal);
    if (rc)
        return rc;
    rc = file_write_all(journal->fd, lines->data, lines->len);
    crash_point(journal->crash_write);
    if (rc == 0 && fdatasync(journal->fd) != 0)
        rc = -errno;
    if (rc && ftruncate(journal->fd, journal->bytes) != 0)
        (void)0; /* the next start does what the lines say: it was asked for */
    if (rc == 0)
        journal->bytes += (int64_t)lines->len;
    crash_point(journal->crash_record);
    return rc;
}

int journal_rotate(struct journal *journal, const char *first, size_t bytes)
{
    char old[OLD_NAME_BYTES], made[OLD_NAME_BYTES];
    snprintf(old, sizeof old, "%s.1", journal->name);
    snprintf(made, sizeof made, "%s.1.new", journal->name);
    (void)unlinkat(journal->dir, made, 0);
    if (linkat(journal->dir, journal->name, journal->dir, made, 0) != 0 ||
        renameat(journal->dir, made, journal->dir, old) != 0)
        return -errno;
    (void)unlinkat(journal->dir, made, 0); /* there still, when both were one file: rotated and killed */
    crash_point("journal:after-link");
    int rc = file_replace(journal->dir, journal->name, first, bytes);
    crash_point("journal:after-replace");
    if (rc)
        return rc;
    journal_close(journal);
    journal->fd = open_file(journal, 0);
    journal->bytes = (int64_t)bytes;
    return journal->fd < 0 ? -errno : 0;
}

/* --- for those who only read ------------------------------------------------------------------------ */

static int read_lines(int fd, journal_redo *each, void *arg)
{
    struct buf text;
    int rc = 0;
    buf_init(&text, READ_BYTES + JOURNAL_LINE_MAX);
    for (;;) {
        rc = buf_reserve(&text, READ_BYTES);
        ssize_t n = rc == 0 ? read(fd, text.data + text.len, READ_BYTES) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            rc = n < 0 ? -errno : rc;
            break;
        }
        text.len += (size_t)n;
        size_t start = 0;
        for (char *end; (end = memchr(text.data + start, '\n', text.len - start));) {
            show(each, arg, text.data + start, (size_t)(end - text.data) - start);
            start = (size_t)(end - text.data) + 1;
        }
        if (text.len - start > JOURNAL_LINE_MAX)
            start = text.len; /* no line of ours is so long */
        memmove(text.data, text.data + start, text.len - start);
        text.len -= start;
    }
    buf_fini(&text);
    return rc;
}

int journal_read(int dir, const char *name, journal_redo *each, void *arg)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    int rc = read_lines(fd, each, arg);
    close(fd);
    return rc;
}
