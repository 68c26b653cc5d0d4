#include "common/cli/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/spool/reader.h"

enum { COPY_BYTES = 256 << 10, COPY_NAME_BYTES = SPOOL_NAME_BYTES + 8 };

struct copy {
    int from, to;
    bool is_joined;
    enum copy_of of;
    struct join join;
    struct copied *copied;
};

static int put(struct copy *copy, const void *data, size_t len)
{
    copy->copied->bytes += len;
    return file_write_all(copy->to, data, len);
}

/* --- members ---------------------------------------------------------------------------------------- */

static int take_member(struct copy *copy, const struct member *member, const uint8_t *bytes)
{
    copy->copied->rows += member->rows;
    copy->copied->raw_bytes += member->isize;
    return copy->is_joined ? join_add(&copy->join, 0, member) : put(copy, bytes, member->member_bytes);
}

static int take_members(struct copy *copy, struct err *err)
{
    struct segment_reader reader;
    struct scan_item item;
    const uint8_t *bytes;
    int rc = segment_reader_init(&reader, copy->from, err);
    if (rc)
        return rc;
    if (copy->of == COPY_LANDING)
        rc = segment_reader_end_at_marker(&reader);
    while (rc == 0 && (rc = segment_reader_next(&reader, &item, &bytes)) > 0) {
        rc = 0;
        if (item.is_member)
            rc = take_member(copy, &item.member, bytes);
        else if (!item.is_tail || copy->of == COPY_COMPLETE)
            copy->copied->skipped_bytes += item.bytes;
        if (rc)
            break;
    }
    segment_reader_close(&reader);
    return rc;
}

static int put_extent(struct copy *copy, const struct join_extent *extent, char *buffer)
{
    int rc = 0;
    for (uint64_t done = 0; rc == 0 && done < extent->bytes;) {
        size_t n = extent->bytes - done < COPY_BYTES ? (size_t)(extent->bytes - done) : COPY_BYTES;
        rc = file_read_at(copy->from, buffer, n, (off_t)(extent->offset + done));
        if (rc == 0)
            rc = put(copy, buffer, n);
        done += n;
    }
    return rc;
}

static int put_joined(struct copy *copy)
{
    uint8_t header[JOIN_HEADER_BYTES], tail[JOIN_TAIL_BYTES];
    char *buffer = malloc(COPY_BYTES);
    int rc = buffer ? 0 : -ENOMEM;
    join_header(header);
    join_tail(&copy->join, tail);
    if (rc == 0)
        rc = put(copy, header, sizeof header);
    for (size_t i = 0; rc == 0 && i < copy->join.count; i++)
        rc = put_extent(copy, &copy->join.extents[i], buffer);
    if (rc == 0)
        rc = put(copy, tail, sizeof tail);
    free(buffer);
    return rc;
}

/* --- the file --------------------------------------------------------------------------------------- */

/* 1: same content; 0: other content; or a negative errno. */
static int is_same(int fd, int dir, const char *file)
{
    struct stat ours, st;
    int other = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (other < 0)
        return -errno;
    char *buffers = malloc((size_t)2 * COPY_BYTES);
    int rc = buffers ? 1 : -ENOMEM;
    if (fstat(fd, &ours) != 0 || fstat(other, &st) != 0)
        rc = -EIO;
    else if (rc == 1 && (ours.st_size != st.st_size || !S_ISREG(st.st_mode)))
        rc = 0;
    if (rc != 1)
        ours.st_size = 0;
    for (off_t at = 0; rc == 1 && at < ours.st_size; at += COPY_BYTES) {
        size_t n = ours.st_size - at < COPY_BYTES ? (size_t)(ours.st_size - at) : COPY_BYTES;
        if (file_read_at(fd, buffers, n, at) != 0 || file_read_at(other, buffers + COPY_BYTES, n, at) != 0)
            rc = -EIO;
        else
            rc = memcmp(buffers, buffers + COPY_BYTES, n) == 0;
    }
    free(buffers);
    close(other);
    return rc;
}

/* The new file is complete: give it its name, unless that is taken. */
static int publish(struct copy *copy, int dir, const char *temporary, const char *file)
{
    int rc = is_same(copy->to, dir, file);
    if (rc != -ENOENT)
        return rc < 0 ? rc : rc == 0 ? -EEXIST : 0;
    if (fsync(copy->to) != 0)
        return -errno;
    if (renameat2(dir, temporary, dir, file, RENAME_NOREPLACE) != 0)
        return -errno;
    copy->copied->is_new = true;
    return 0;
}

int copy_segment(int fd, int dir, const char *file, bool joined, enum copy_of of, struct copied *copied,
                 struct err *err)
{
    char temporary[COPY_NAME_BYTES];
    struct copy copy = {.from = fd, .is_joined = joined, .of = of, .copied = copied};
    *copied = (struct copied){0};
    snprintf(temporary, sizeof temporary, ".%s.tmp", file);
    copy.to = openat(dir, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (copy.to < 0)
        return err_errno(err, -errno, "%s: cannot be created", file);
    join_init(&copy.join, UINT64_MAX);
    int rc = take_members(&copy, err);
    if (rc == 0 && joined)
        rc = put_joined(&copy);
    if (rc == 0)
        rc = publish(&copy, dir, temporary, file);
    if (!copied->is_new)
        (void)unlinkat(dir, temporary, 0);
    join_fini(&copy.join);
    close(copy.to);
    return rc && rc != -EEXIST ? err_errno(err, rc, "%s: cannot be copied", file) : rc;
}
