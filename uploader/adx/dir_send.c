/* A batch into a directory: PATH/DB/TABLE/<batch id>.<format>.gz, one gzip member. The name is the batch's,
 * so sending it again replaces the file by itself: nothing is there twice. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "uploader/adx/send.h"

enum { COPY_BYTES = 256 << 10 };

static int put_all(int fd, const void *data, size_t len)
{
    return file_write_all(fd, data, len);
}

/* The extents of one window, through the same reader as a request's body, without its header and tail. */
static int write_window(int fd, const struct source *source, const struct part *part, char *buffer)
{
    struct body body;
    ssize_t n;
    int rc = 0;
    body_init_window(&body, source, part, false, false);
    while (rc == 0 && (n = body_read(&body, buffer, COPY_BYTES)) != 0)
        rc = n < 0 ? (int)n : put_all(fd, buffer, (size_t)n);
    body_fini(&body);
    return rc;
}

static int write_member(const struct sending *s, int fd, struct sent *sent)
{
    struct source source = {.dir = s->batch->claim.fd, .plan = &s->batch->plan};
    struct part *part = &s->worker->part;
    uint8_t header[JOIN_HEADER_BYTES], tail[JOIN_TAIL_BYTES];
    char *buffer = malloc(COPY_BYTES);
    part_reset(part);
    part->join.raw_limit = UINT64_MAX;
    part->next = (struct cursor){0};
    join_header(header);
    int rc = buffer ? put_all(fd, header, sizeof header) : -ENOMEM;
    while (rc == 0 && !part_is_last(part, source.plan)) {
        struct cursor from = part->next;
        part_next_window(part);
        rc = part_gather(part, &s->worker->tools, &source, &from);
        if (rc == 0)
            rc = write_window(fd, &source, part, buffer);
    }
    join_tail(&part->join, tail);
    if (rc == 0)
        rc = put_all(fd, tail, sizeof tail);
    free(buffer);
    *sent = (struct sent){.next = part->next, .rows = part->join.rows, .raw_bytes = part->join.raw_bytes};
    return rc;
}

/* Folders that are made are made durably: the file in them is the only copy soon. */
static int open_folder(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 || errno != ENOENT)
        return fd >= 0 ? fd : -errno;
    if (mkdirat(parent, name, 0755) != 0 && errno != EEXIST)
        return -errno;
    int rc = parent == AT_FDCWD ? 0 : file_sync_dir(parent);
    fd = rc ? rc : openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return rc ? rc : fd >= 0 ? fd : -errno;
}

static int open_table(const struct sending *s, int *root)
{
    char table[NAME_FILE_MAX_BYTES + 1];
    if (name_encode(s->batch->plan.table, table, sizeof table) != NAME_OK)
        return -EINVAL;
    *root = open_folder(AT_FDCWD, s->target->place);
    int db = *root < 0 ? *root : open_folder(*root, s->target->folder);
    int fd = db < 0 ? db : open_folder(db, table);
    if (db >= 0)
        close(db);
    return fd;
}

/* `*is_there`: it has its name, whatever is returned. */
static int write_file(const struct sending *s, int dir, struct sent *sent, bool *is_there)
{
    char name[64], temporary[72];
    snprintf(name, sizeof name, "%016" PRIx64 ".%s.gz", s->batch->plan.id,
             segment_format_name(s->batch->plan.format));
    snprintf(temporary, sizeof temporary, ".%s.tmp", name);
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -errno;
    int rc = write_member(s, fd, sent);
    if (rc == 0 && fsync(fd) != 0)
        rc = -errno;
    if (close(fd) != 0 && rc == 0)
        rc = -errno;
    crash_point("dir:before-rename");
    if (rc == 0 && sent->raw_bytes > 0 && renameat(dir, temporary, dir, name) != 0)
        rc = -errno;
    if (rc || sent->raw_bytes == 0)
        unlinkat(dir, temporary, 0);
    *is_there = rc == 0 && sent->raw_bytes > 0;
    crash_point("dir:after-rename");
    return rc ? rc : file_sync_dir(dir);
}

void dir_send(const struct sending *s, struct sent *sent, struct outcome *outcome)
{
    int root = -1;
    *outcome = (struct outcome){0};
    int dir = open_table(s, &root);
    bool is_there = false;
    int rc = dir < 0 ? dir : write_file(s, dir, sent, &is_there);
    if (dir >= 0)
        close(dir);
    if (root >= 0)
        close(root);
    outcome->is_damaged = rc == -EBADMSG;
    if (rc == 0)
        outcome_set(outcome, VERDICT_SUCCESS, "", "%s", "");
    else /* the directory's trouble, whatever it is: full, away, not ours */
        outcome_set(outcome, rc == -EBADMSG || rc == -ENOMEM ? VERDICT_RETRY : VERDICT_DOWN, "dir", "%s: %s",
                    s->target->place, strerror(-rc));
    outcome->has_left = rc && is_there;
}
