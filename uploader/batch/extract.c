#include "uploader/batch/extract.h"

#include <errno.h>
#include <fcntl.h>

#include "common/base/file.h"
#include "common/segment/rows.h"
#include "common/spool/copy_lease.h"
#include "common/spool/origin.h"
#include "common/spool/reader.h"
#include "common/spool/salvage.h"

struct extraction {
    struct batch_dir *batch;
    struct tools *tools;
    const struct cursor *at, *end;
    int out;
    uint64_t rows;
};

static int put_head(struct extraction *x, const char *instance, uint64_t id)
{
    const struct plan *plan = &x->batch->plan;
    struct segment_origin origin;
    size_t bytes;
    int rc = origin_init(&origin, plan->db, plan->table, plan->schema, plan->format, instance, NULL);
    if (rc)
        return rc;
    uint8_t *head = malloc(ORIGIN_HEAD_MAX);
    rc = head ? origin_encode_head(&origin, id, head, &bytes) : -ENOMEM;
    if (rc == 0)
        rc = file_write_all(x->out, head, bytes);
    free(head);
    origin_fini(&origin);
    return rc;
}

static int read_bytes(struct buf *buf, int fd, uint64_t offset, size_t bytes)
{
    buf_clear(buf);
    int rc = buf_reserve(buf, bytes);
    return rc ? rc : file_read_at(fd, buf->data, bytes, (off_t)offset);
}

static int put_member(struct extraction *x, int fd, const struct member *member)
{
    struct buf *buf = &x->tools->payload;
    int rc = read_bytes(buf, fd, member->offset, member->member_bytes);
    if (rc == 0)
        rc = file_write_all(x->out, buf->data, member->member_bytes);
    x->rows += member->rows;
    return rc;
}

/* Does the range begin, or end, inside this member's block? */
static bool is_cut_by(const struct cursor *cursor, uint32_t file, const struct member *member)
{
    return cursor->raw > 0 && cursor->file == file && cursor->offset == member->offset;
}

/* The rows of a large block that are in the range, as a member of their own. */
static int put_piece(struct extraction *x, int fd, uint32_t file, const struct member *member)
{
    struct buf *payload = &x->tools->payload, *raw = &x->tools->raw;
    size_t bytes = 0, encoded;
    uint64_t rows;
    buf_clear(raw);
    int rc = read_bytes(payload, fd, member->offset + member->payload_offset, member->payload_bytes);
    if (rc == 0)
        rc = buf_reserve(raw, member->isize);
    if (rc == 0)
        rc = codec_inflate(x->tools->codec, payload->data, member->payload_bytes, raw->data, member->isize,
                           &bytes);
    uint64_t from = is_cut_by(x->at, file, member) ? x->at->raw : 0;
    uint64_t to = is_cut_by(x->end, file, member) ? x->end->raw : bytes;
    if (rc == 0 && (from >= to || to > bytes))
        rc = -EBADMSG;
    if (rc == 0 && !rows_count(x->batch->plan.format, raw->data + from, to - from, &rows))
        rc = -EBADMSG;
    if (rc)
        return rc;
    struct member_block block = {.raw = raw->data + from,
                                 .raw_bytes = to - from,
                                 .rows = (uint32_t)rows,
                                 .kind = member->kind,
                                 .mtime = member->mtime};
    buf_clear(payload);
    rc = buf_reserve(payload, member_bound(block.raw_bytes));
    if (rc == 0)
        rc = member_encode_data(x->tools->codec, &block, payload->data, payload->capacity, &encoded);
    if (rc == 0)
        rc = file_write_all(x->out, payload->data, encoded);
    x->rows += rows;
    return rc;
}

static bool is_behind_end(const struct extraction *x, uint32_t file, uint64_t offset)
{
    const struct cursor *end = x->end;
    return file > end->file || (file == end->file && offset >= end->offset + (end->raw > 0));
}

static int extract_file(struct extraction *x, uint32_t file, int fd)
{
    struct member member;
    uint64_t start = file == x->at->file ? x->at->offset : 0;
    int rc = walk_init(x->tools->walk, fd, start);
    while (rc == 0 && !is_behind_end(x, file, x->tools->walk->offset) &&
           (rc = walk_next(x->tools->walk, &member)) > 0) {
        if (member.is_head)
            rc = 0;
        else if (is_cut_by(x->at, file, &member) || is_cut_by(x->end, file, &member))
            rc = put_piece(x, fd, file, &member);
        else
            rc = put_member(x, fd, &member);
    }
    return rc;
}

static int extract_files(struct extraction *x)
{
    const struct plan *plan = &x->batch->plan;
    int rc = 0;
    for (uint32_t i = x->at->file; rc == 0 && i < plan->count && i <= x->end->file; i++) {
        int fd = openat(x->batch->claim.fd, plan->files[i].name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno == ENOENT)
            continue;
        if (fd < 0)
            return -errno;
        rc = extract_file(x, i, fd);
        close(fd);
    }
    return rc;
}

/* What is valid in the one file at `at`, behind it. */
static int extract_valid(struct extraction *x)
{
    struct segment_reader reader;
    struct scan_item item;
    const uint8_t *bytes;
    struct err err;
    uint32_t file = x->at->file;
    int rc = segment_reader_open(&reader, x->batch->claim.fd, x->batch->plan.files[file].name, &err);
    if (rc)
        return rc;
    while (rc == 0 && (rc = segment_reader_next(&reader, &item, &bytes)) > 0) {
        rc = 0;
        if (!item.is_member || item.member.is_head || item.member.offset < x->at->offset)
            continue;
        if (is_cut_by(x->at, file, &item.member)) {
            rc = put_piece(x, reader.fd, file, &item.member);
        } else {
            rc = file_write_all(x->out, bytes, item.member.member_bytes);
            x->rows += item.member.rows;
        }
    }
    segment_reader_close(&reader);
    return rc;
}

/* `fill` writes the rows. */
static int write_segment(struct extraction *x, const char *file, uint64_t id, const char *instance,
                         int (*fill)(struct extraction *x))
{
    static const char temporary[] = ".extract.tmp";
    int dir = x->batch->claim.fd;
    int rc = tools_init(x->tools);
    if (rc)
        return rc;
    x->out = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (x->out < 0)
        return -errno;
    rc = put_head(x, instance, id);
    if (rc == 0)
        rc = fill(x);
    if (rc == 0 && fsync(x->out) != 0)
        rc = -errno;
    if (close(x->out) != 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && renameat(dir, temporary, dir, file) != 0)
        rc = -errno;
    return rc ? rc : file_sync_dir(dir);
}

/* The same, with room for it held. */
static int lease_and_write(struct extraction *x, const char *file, uint64_t id, const char *instance,
                           int (*fill)(struct extraction *x), uint64_t *rows)
{
    struct batch_dir *batch = x->batch;
    struct copy_lease lease;
    int64_t bytes = ORIGIN_HEAD_MAX;
    for (uint32_t i = x->at->file; i < batch->plan.count && i <= x->end->file; i++)
        bytes += copy_lease_allocated(batch->claim.fd, batch->plan.files[i].name);
    int rc = copy_lease_take(&lease, batch->claim.spool, batch->claim.place.db, bytes, NULL);
    if (rc)
        return rc;
    rc = write_segment(x, file, id, instance, fill);
    copy_lease_end(&lease, copy_lease_allocated(batch->claim.fd, file));
    *rows = x->rows;
    return rc;
}

int batch_extract(struct batch_dir *batch, struct tools *tools, const struct segment_name *name,
                  const char *instance, const struct cursor *at, const struct cursor *end, uint64_t *rows)
{
    char file[NAME_FILE_MAX_BYTES + 1];
    struct extraction x = {.batch = batch, .tools = tools, .at = at, .end = end};
    if (segment_name_build(name, file) != NAME_OK)
        return -EINVAL;
    return lease_and_write(&x, file, name->id, instance, extract_files, rows);
}

int batch_extract_valid(struct batch_dir *batch, struct tools *tools, const char *instance,
                        const struct cursor *at, uint64_t *rows)
{
    char file[SPOOL_NAME_BYTES];
    struct segment_name name;
    const struct cursor end = {.file = at->file, .offset = UINT64_MAX};
    struct extraction x = {.batch = batch, .tools = tools, .at = at, .end = &end};
    if (segment_name_parse(batch->plan.files[at->file].name, &name) != NAME_OK)
        return -EINVAL;
    salvage_name(batch->plan.files[at->file].name, file);
    return lease_and_write(&x, file, name.id, instance, extract_valid, rows);
}
