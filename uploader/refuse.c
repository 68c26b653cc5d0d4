/* Rows that ADX refused for good leave the batch for quarantine (batch.h, "refusal"). */
#include <errno.h>
#include <fcntl.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/segment/rows.h"
#include "common/spool/copy_lease.h"
#include "common/spool/origin.h"
#include "uploader/batch.h"

int batch_refuse(struct batch_dir *batch, const struct cursor *end, const json_t *why)
{
    struct progress *progress = &batch->progress;
    const struct cursor *at = &progress->at;
    char *text = json_dumps(why, JSON_COMPACT);

    if (!text)
        return -ENOMEM;
    bool fits = snprintf(progress->why, sizeof progress->why, "%s", text) < (int)sizeof progress->why;
    free(text);
    if (!fits)
        return -ENOSPC;
    enum progress_state was = progress->state;
    struct cursor was_end = progress->end;
    progress->state = PROGRESS_REFUSED;
    progress->end = *end;
    progress->is_whole = at->file == 0 && at->offset == 0 && at->raw == 0 && progress->parts == 0 &&
                         end->file >= batch->plan.count;
    progress->quarantine_id = spool_next_id(batch->spool);
    int rc = batch_record(batch, true);
    crash_point("refuse:after-mark");
    if (rc) { /* not decided, then */
        progress->state = was;
        progress->end = was_end;
    }
    return rc;
}

/* --- extraction -------------------------------------------------------------------------------------------
 */

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
        int fd = openat(x->batch->fd, plan->files[i].name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno == ENOENT)
            continue;
        if (fd < 0)
            return -errno;
        rc = extract_file(x, i, fd);
        close(fd);
    }
    return rc;
}

static int write_extract(struct batch_dir *batch, struct tools *tools, const struct segment_name *name,
                         const char *instance, const struct cursor *at, const struct cursor *end,
                         uint64_t *rows)
{
    static const char temporary[] = ".extract.tmp";
    char file[NAME_FILE_MAX_BYTES + 1];
    struct extraction x = {.batch = batch, .tools = tools, .at = at, .end = end};
    if (segment_name_build(name, file) != NAME_OK)
        return -EINVAL;
    int rc = tools_init(tools);
    if (rc)
        return rc;
    x.out = openat(batch->fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (x.out < 0)
        return -errno;
    rc = put_head(&x, instance, name->id);
    if (rc == 0)
        rc = extract_files(&x);
    if (rc == 0 && fsync(x.out) != 0)
        rc = -errno;
    if (close(x.out) != 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && renameat(batch->fd, temporary, batch->fd, file) != 0)
        rc = -errno;
    *rows = x.rows;
    return rc ? rc : file_sync_dir(batch->fd);
}

int batch_extract(struct batch_dir *batch, struct tools *tools, const struct segment_name *name,
                  const char *instance, const struct cursor *at, const struct cursor *end, uint64_t *rows)
{
    char file[NAME_FILE_MAX_BYTES + 1];
    int64_t bytes = ORIGIN_HEAD_MAX;
    struct copy_lease lease;
    if (segment_name_build(name, file) != NAME_OK)
        return -EINVAL;
    for (uint32_t i = at->file; i < batch->plan.count && i <= end->file; i++)
        bytes += copy_lease_allocated(batch->fd, batch->plan.files[i].name);
    int rc = copy_lease_take(&lease, batch->spool, batch->place.db, bytes, NULL);
    if (rc)
        return rc;
    rc = write_extract(batch, tools, name, instance, at, end, rows);
    copy_lease_end(&lease, copy_lease_allocated(batch->fd, file));
    return rc;
}

/* --- carrying it out ---------------------------------------------------------------------------------------
 */

/* What was moved before a crash is not here any more. */
static int move_file(struct batch_dir *batch, const char *file, json_t *why)
{
    if (faccessat(batch->fd, file, F_OK, 0) != 0)
        return errno == ENOENT ? 0 : -errno;
    return spool_quarantine(batch->spool, &batch->place, file, why);
}

static int move_all(struct batch_dir *batch, json_t *why)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < batch->plan.count; i++) {
        rc = move_file(batch, batch->plan.files[i].name, why);
        crash_point("refuse:after-move");
    }
    return rc;
}

static bool is_in_quarantine(const struct batch_dir *batch, const char *file)
{
    struct spool_place place = spool_place(QUEUE_QUARANTINE, batch->place.db);
    int dir = spool_place_open(batch->spool, &place, false);
    bool found = dir >= 0 && faccessat(dir, file, F_OK, 0) == 0;
    if (dir >= 0)
        close(dir);
    return found;
}

static int move_extract(struct batch_dir *batch, struct tools *tools, const char *instance, json_t *why,
                        uint64_t *rows)
{
    const struct progress *progress = &batch->progress;
    struct segment_name name;
    char file[NAME_FILE_MAX_BYTES + 1];
    if (segment_name_parse(batch->plan.files[0].name, &name) != NAME_OK)
        return -EINVAL;
    name.id = progress->quarantine_id;
    if (segment_name_build(&name, file) != NAME_OK)
        return -EINVAL;
    /* Extracted anew even if it was moved before a crash: that is how we know again how many rows it has. */
    bool was_moved = is_in_quarantine(batch, file);
    int rc = batch_extract(batch, tools, &name, instance, &progress->at, &progress->end, rows);
    crash_point("refuse:after-extract");
    if (rc || was_moved)
        return rc ? rc : unlinkat(batch->fd, file, 0) == 0 ? 0 : -errno;
    json_object_set_new(why, "rows", json_integer((json_int_t)*rows));
    rc = spool_quarantine(batch->spool, &batch->place, file, why);
    crash_point("refuse:after-move");
    return rc;
}

int batch_finish_refusal(struct batch_dir *batch, struct tools *tools, const char *instance, uint64_t *rows)
{
    struct progress *progress = &batch->progress;
    json_t *why = json_loads(progress->why, 0, NULL);
    if (!json_is_object(why)) {
        json_decref(why);
        why = json_pack("{s:s}", "reason", "refused");
    }
    int rc;
    if (progress->is_whole) {
        *rows = batch->plan.rows;
        rc = move_all(batch, why);
    } else {
        rc = move_extract(batch, tools, instance, why, rows);
    }
    json_decref(why);
    if (rc)
        return rc;
    progress->state = PROGRESS_SENDING;
    progress->at = progress->end;
    progress->refused_rows += *rows;
    return batch_record(batch, true);
}
