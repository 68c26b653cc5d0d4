#include "common/spool/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/segment/marker.h"
#include "common/spool/writer.h"

/* Room for the largest member, and for the rest of a damaged file of any size that a segment has. */
static const size_t REST_MAX = (size_t)4 << 30;

int segment_reader_init(struct segment_reader *reader, int fd, struct err *err)
{
    *reader = (struct segment_reader){.fd = -1};
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_errno(err, -errno, "segment cannot be examined");
    if (!S_ISREG(st.st_mode))
        return err_set(err, -EINVAL, "not a regular file");
    reader->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (reader->fd < 0)
        return err_errno(err, -errno, "descriptor cannot be duplicated");
    reader->size = (uint64_t)st.st_size;
    buf_init(&reader->member, MEMBER_BYTES_MAX);
    buf_init(&reader->rest, REST_MAX);
    return 0;
}

int segment_reader_open(struct segment_reader *reader, int dir, const char *file, struct err *err)
{
    *reader = (struct segment_reader){.fd = -1};
    int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return err_errno(err, -errno, "segment %s cannot be opened", file);
    struct err why;
    int rc = segment_reader_init(reader, fd, &why);
    close(fd);
    if (rc)
        return err_set(err, rc, "segment %s: %s", file, why.text);
    if (segment_is_landing(file) && (rc = segment_reader_end_at_marker(reader)) != 0) {
        segment_reader_close(reader);
        return err_errno(err, rc, "segment %s cannot be read", file);
    }
    return 0;
}

void segment_reader_close(struct segment_reader *reader)
{
    if (reader->fd < 0)
        return;
    if (reader->is_scanning)
        scan_fini(&reader->scan);
    buf_fini(&reader->member);
    buf_fini(&reader->rest);
    close(reader->fd);
    reader->fd = -1;
}

/* Have the first `bytes` from `offset` on in the member buffer; what is there already is not read again. */
static int fill_member(struct segment_reader *reader, size_t bytes)
{
    struct buf *buf = &reader->member;
    if (bytes <= buf->len)
        return 0;
    size_t missing = bytes - buf->len;
    int rc = buf_reserve(buf, missing);
    if (rc == 0)
        rc = file_read_at(reader->fd, buf->data + buf->len, missing, (off_t)(reader->offset + buf->len));
    if (rc == 0)
        buf->len = bytes;
    return rc;
}

static size_t at_most(size_t bytes, uint64_t left)
{
    return left < bytes ? (size_t)left : bytes;
}

/* Try to have a whole valid member at `offset`. 1: `*member` is it; 0: there is none; or a negative errno. */
static int read_member(struct segment_reader *reader, struct member *member)
{
    uint64_t left = reader->size - reader->offset;
    size_t need = at_most(MEMBER_PEEK_BYTES, left);
    buf_clear(&reader->member);
    enum member_status status;
    size_t have;
    do {
        int rc = fill_member(reader, need);
        if (rc)
            return rc;
        have = need;
        status = member_parse_header(reader->member.data, have, member, &need);
    } while (status == MEMBER_SHORT && need > have && need <= left);
    if (status != MEMBER_OK || member->member_bytes > left)
        return 0;
    int rc = fill_member(reader, member->member_bytes);
    if (rc)
        return rc;
    return member_parse(reader->member.data, member->member_bytes, member) == MEMBER_OK;
}

static int start_scanning(struct segment_reader *reader)
{
    uint64_t left = reader->size - reader->offset;
    if (left > REST_MAX)
        return -EFBIG;
    int rc = buf_reserve(&reader->rest, (size_t)left);
    if (rc == 0)
        rc = file_read_at(reader->fd, reader->rest.data, (size_t)left, (off_t)reader->offset);
    if (rc)
        return rc;
    reader->rest.len = (size_t)left;
    reader->rest_offset = reader->offset;
    scan_init(&reader->scan, reader->rest.data, reader->rest.len, SCAN_VALID);
    reader->is_scanning = true;
    return 0;
}

static int next_scanned(struct segment_reader *reader, struct scan_item *item, const uint8_t **bytes)
{
    *bytes = NULL;
    if (!scan_next(&reader->scan, item))
        return 0;
    if (item->is_member)
        *bytes = (const uint8_t *)reader->rest.data + item->offset;
    item->offset += reader->rest_offset;
    item->member.offset = item->offset;
    return 1;
}

int segment_reader_next(struct segment_reader *reader, struct scan_item *item, const uint8_t **bytes)
{
    *item = (struct scan_item){0};
    *bytes = NULL;
    if (reader->is_scanning)
        return next_scanned(reader, item, bytes);
    if (reader->offset >= reader->size)
        return 0;
    int rc = read_member(reader, &item->member);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        rc = start_scanning(reader);
        return rc ? rc : next_scanned(reader, item, bytes);
    }
    item->is_member = true;
    item->offset = item->member.offset = reader->offset;
    item->bytes = item->member.member_bytes;
    *bytes = (const uint8_t *)reader->member.data;
    reader->offset += item->bytes;
    return 1;
}

bool segment_is_landing(const char *file)
{
    static const char suffix[] = ".gz" WRITER_LANDING_SUFFIX;
    size_t bytes = strlen(file), end = sizeof suffix - 1;
    return file[0] != '.' && bytes > end && strcmp(file + bytes - end, suffix) == 0;
}

int segment_reader_end_at_marker(struct segment_reader *reader)
{
    struct scan_item item;
    struct marker_filter filter = {0};
    struct marker marker;
    const uint8_t *bytes;
    uint64_t end = 0;
    int rc;
    while ((rc = segment_reader_next(reader, &item, &bytes)) > 0)
        if (item.is_member && item.member.is_head && marker_is_own(&filter, &item.member, &marker))
            end = item.offset + item.bytes;
    if (reader->is_scanning)
        scan_fini(&reader->scan);
    reader->is_scanning = false;
    buf_clear(&reader->rest);
    reader->offset = 0;
    reader->size = end;
    return rc;
}

static void add_member(struct scan_summary *summary, const struct scan_item *item)
{
    summary->valid_bytes += item->bytes;
    summary->valid_end = item->offset + item->bytes;
    if (item->member.is_head) {
        summary->heads++;
        return;
    }
    summary->blocks++;
    summary->rows += item->member.rows;
    summary->raw_bytes += item->member.isize;
}

static void add_damage(struct scan_summary *summary, const struct scan_item *item)
{
    if (!summary->damaged_ranges && !summary->tail_bytes) {
        summary->damage_offset = item->offset;
        summary->damage_status = item->status;
    }
    if (item->is_tail) {
        summary->tail_bytes += item->bytes;
    } else {
        summary->damaged_bytes += item->bytes;
        summary->damaged_ranges++;
    }
}

int segment_read_summary(int dir, const char *file, struct scan_summary *summary, struct segment_head *head,
                         struct err *err)
{
    *summary = (struct scan_summary){0};
    if (head)
        *head = (struct segment_head){0};
    struct segment_reader reader;
    int rc = segment_reader_open(&reader, dir, file, err);
    if (rc)
        return rc;
    struct scan_item item;
    const uint8_t *bytes;
    while ((rc = segment_reader_next(&reader, &item, &bytes)) > 0) {
        if (!item.is_member) {
            add_damage(summary, &item);
            continue;
        }
        if (item.offset == 0 && item.member.is_head)
            summary->starts_with_head =
                !head || segment_head_read(item.member.head_json, item.member.head_json_bytes, head) ==
                             SEGMENT_HEAD_OK;
        add_member(summary, &item);
    }
    segment_reader_close(&reader);
    return rc ? err_errno(err, rc, "segment %s cannot be read", file) : 0;
}
