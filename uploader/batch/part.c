#include "uploader/batch/part.h"

#include <errno.h>
#include <fcntl.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/segment/rows.h"

void part_init(struct part *part, uint64_t raw_limit)
{
    *part = (struct part){.byte_limit = UINT64_MAX};
    join_init(&part->join, raw_limit);
    buf_init(&part->memory, PART_MEMORY_MAX);
}

void part_fini(struct part *part)
{
    join_fini(&part->join);
    buf_fini(&part->memory);
}

void part_reset(struct part *part)
{
    join_reset(&part->join);
    buf_clear(&part->memory);
    part->byte_limit = UINT64_MAX;
}

void part_next_window(struct part *part)
{
    part->join.count = 0;
    part->join.extent_bytes = 0;
    buf_clear(&part->memory);
}

bool part_is_last(const struct part *part, const struct plan *plan)
{
    return part->next.file >= plan->count;
}

struct gathering {
    struct part *part;
    struct tools *tools;
    int fd; /* of the file at the cursor */
    bool is_thin;
    uint64_t pending_raw; /* in tools->recompress */
};

/* What a step says: go on, or the part is full and the block at hand belongs to the next one. */
enum { GATHER_MORE = 0, GATHER_FULL = 1 };

static int read_payload(struct gathering *g, const struct member *member)
{
    struct buf *payload = &g->tools->payload;
    buf_clear(payload);
    int rc = buf_reserve(payload, member->payload_bytes);
    if (rc == 0)
        rc = file_read_at(g->fd, payload->data, member->payload_bytes,
                          (off_t)(member->offset + member->payload_offset));
    return rc;
}

/* Keep a block that was made here, and plan it. */
static int add_memory(struct part *part, const void *data, struct join_block *block)
{
    block->offset = part->memory.len;
    block->source = PART_SOURCE_MEMORY;
    int rc = buf_put(&part->memory, data, block->bytes);
    return rc ? rc : join_add_block(&part->join, block);
}

static int flush_pending(struct gathering *g)
{
    const void *data;
    struct join_block block;
    if (g->pending_raw == 0)
        return 0;
    int rc = recompress_flush(g->tools->recompress, &data, &block);
    g->pending_raw = 0;
    if (rc || block.raw_bytes == 0)
        return rc;
    return add_memory(g->part, data, &block);
}

static bool is_over_limit(const struct gathering *g, const struct member *member)
{
    const struct join *join = &g->part->join;
    uint64_t have = join->raw_bytes + g->pending_raw;
    return have > 0 && (have > join->raw_limit || member->isize > join->raw_limit - have);
}

static int add_thin(struct gathering *g, const struct member *member)
{
    struct recompress *r = g->tools->recompress;
    int rc = read_payload(g, member);
    if (rc == 0)
        rc = recompress_add(r, member, g->tools->payload.data);
    if (rc == -ENOBUFS) {
        rc = flush_pending(g);
        if (rc == 0)
            rc = recompress_add(r, member, g->tools->payload.data);
    }
    if (rc == 0)
        g->pending_raw += member->isize;
    return rc;
}

/* Where the piece of a large block ends: after the last row within the limit, or after the first row when
 * that alone is longer. */
static size_t cut_rows(enum segment_format format, const char *raw, size_t bytes, size_t limit,
                       uint64_t *rows)
{
    struct rows_scanner scanner;
    struct rows_found found;
    size_t at = 0, step = limit < bytes ? limit : bytes;
    rows_init(&scanner, format, SIZE_MAX / 2);
    while (at < bytes) {
        if (rows_scan(&scanner, raw + at, step, &found) != ROWS_OK)
            break;
        if (found.end > 0) {
            *rows = found.rows;
            return at + found.end;
        }
        at += step;
        step = bytes - at < (64 << 10) ? bytes - at : (64 << 10);
    }
    *rows = 1;
    return bytes;
}

static int deflate_piece(struct gathering *g, const char *raw, size_t bytes, uint64_t rows)
{
    struct buf *out = &g->tools->payload;
    size_t deflated;
    buf_clear(out);
    int rc = buf_reserve(out, codec_deflate_bound(bytes));
    if (rc == 0)
        rc = codec_deflate(g->tools->codec, raw, bytes, out->data, out->capacity, &deflated);
    if (rc)
        return rc;
    struct join_block block = {
        .bytes = (uint32_t)(deflated - CODEC_END_BYTES),
        .raw_bytes = (uint32_t)bytes,
        .rows = (uint32_t)rows,
        .crc32 = codec_crc32(0, raw, bytes),
    };
    return add_memory(g->part, out->data, &block);
}

/* A block over the raw limit: a piece of it is a part of its own. */
static int add_piece(struct gathering *g, const struct member *member, enum segment_format format,
                     bool *is_finished)
{
    struct buf *raw = &g->tools->raw;
    struct cursor *at = &g->part->next;
    size_t bytes;
    uint64_t rows;
    buf_clear(raw);
    int rc = read_payload(g, member);
    if (rc == 0)
        rc = buf_reserve(raw, member->isize);
    if (rc == 0)
        rc = codec_inflate(g->tools->codec, g->tools->payload.data, member->payload_bytes, raw->data,
                           member->isize, &bytes);
    if (rc == 0 &&
        (bytes != member->isize || codec_crc32(0, raw->data, bytes) != member->crc32 || at->raw >= bytes))
        rc = -EBADMSG;
    if (rc)
        return rc;
    size_t piece =
        cut_rows(format, raw->data + at->raw, bytes - at->raw, (size_t)g->part->join.raw_limit, &rows);
    rc = deflate_piece(g, raw->data + at->raw, piece, rows);
    if (rc)
        return rc;
    at->raw += piece;
    *is_finished = at->raw >= bytes;
    if (*is_finished)
        at->raw = 0;
    return GATHER_FULL;
}

static int add_member(struct gathering *g, const struct member *member)
{
    if (g->is_thin && recompress_wants(member))
        return add_thin(g, member);
    int rc = flush_pending(g);
    return rc ? rc : join_add(&g->part->join, g->part->next.file, member);
}

/* One data member at the cursor. */
static int gather_member(struct gathering *g, const struct member *member, enum segment_format format)
{
    struct part *part = g->part;
    part->is_at_raw_limit = is_over_limit(g, member);
    if (part->is_at_raw_limit || part->join.extent_bytes >= part->byte_limit ||
        part->join.count >= PART_EXTENTS_MAX || part->memory.len >= PART_MEMORY_BYTES)
        return GATHER_FULL;
    bool is_finished = true;
    int rc;
    if (member->isize > part->join.raw_limit)
        rc = add_piece(g, member, format, &is_finished);
    else
        rc = add_member(g, member);
    if (rc >= 0 && is_finished)
        part->next.offset = member->offset + member->member_bytes;
    return rc;
}

/* The cursor comes by the same places as when the file is walked: blobs are named after it. */
static int gather_known(struct gathering *g, const struct source *source, const struct plan_file *file)
{
    struct cursor *at = &g->part->next;
    int rc = GATHER_MORE;
    for (uint64_t i = 0; i < file->blocks && rc == GATHER_MORE; i++) {
        if (file->members[i].offset < at->offset)
            continue;
        at->offset = file->members[i].offset;
        rc = gather_member(g, &file->members[i], source->plan->format);
    }
    return rc;
}

static int gather_file(struct gathering *g, const struct source *source)
{
    struct cursor *at = &g->part->next;
    const struct plan_file *file = &source->plan->files[at->file];
    struct member member;
    if (file->members)
        return gather_known(g, source, file);
    int rc = walk_init(g->tools->walk, g->fd, at->offset);
    while (rc == 0 && (rc = walk_next(g->tools->walk, &member)) > 0) {
        if (member.is_head) {
            at->offset = g->tools->walk->offset;
            rc = 0;
        } else {
            rc = gather_member(g, &member, source->plan->format);
        }
    }
    return rc;
}

int part_gather(struct part *part, struct tools *tools, const struct source *source,
                const struct cursor *from)
{
    struct gathering g = {.part = part, .tools = tools, .is_thin = plan_is_thin(source->plan)};
    int rc = GATHER_MORE;
    part->is_at_raw_limit = false;
    recompress_clear(tools->recompress); /* what a gathering that failed has left there */
    part->next = *from;
    while (rc == GATHER_MORE && part->next.file < source->plan->count) {
        const char *name = source->plan->files[part->next.file].name;
        g.fd = openat(source->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (g.fd < 0 && errno != ENOENT)
            return -errno;
        if (g.fd < 0) {
            log_error(
                "segment-missing", log_s("file", name),
                log_s("advice", "it was damaged and left the batch, or was taken out of batch/ by hand"));
        } else {
            rc = gather_file(&g, source);
            close(g.fd);
        }
        if (rc == GATHER_MORE)
            part->next = (struct cursor){.file = part->next.file + 1};
    }
    int flushed = flush_pending(&g);
    return rc < 0 ? rc : flushed;
}
