#include "uploader/part.h"

#include <errno.h>
#include <fcntl.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/segment/rows.h"

int tools_init(struct tools *tools)
{
    if (tools->codec)
        return 0;
    tools->codec = codec_new();
    tools->recompress = tools->codec ? recompress_new(tools->codec) : NULL;
    tools->walk = malloc(sizeof *tools->walk);
    buf_init(&tools->payload, MEMBER_BYTES_MAX);
    buf_init(&tools->raw, MEMBER_RAW_MAX);
    if (tools->codec)
        codec_set_effort(tools->codec,
                         CODEC_SMALL); /* only what is thin is deflated here, and that is little */
    if (tools->codec && tools->recompress && tools->walk)
        return 0;
    tools_fini(tools);
    return -ENOMEM;
}

void tools_fini(struct tools *tools)
{
    recompress_free(tools->recompress);
    codec_free(tools->codec);
    free(tools->walk);
    buf_fini(&tools->payload);
    buf_fini(&tools->raw);
    *tools = (struct tools){0};
}

void tools_trim(struct tools *tools)
{
    enum { KEEP_BYTES = 1 << 20 };
    if (tools->payload.capacity > KEEP_BYTES)
        buf_fini(&tools->payload);
    if (tools->raw.capacity > KEEP_BYTES)
        buf_fini(&tools->raw);
}

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

/* --- gathering ------------------------------------------------------------------------------------------ */

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

/* --- the bytes --------------------------------------------------------------------------------------------
 */

void body_init(struct body *body, const struct source *source, const struct part *part)
{
    body_init_window(body, source, part, true, true);
}

void body_init_window(struct body *body, const struct source *source, const struct part *part, bool is_first,
                      bool is_last)
{
    uint64_t tail_at = JOIN_HEADER_BYTES + part->join.extent_bytes;
    *body = (struct body){.source = source,
                          .part = part,
                          .from = is_first ? 0 : JOIN_HEADER_BYTES,
                          .to = is_last ? tail_at + JOIN_TAIL_BYTES : tail_at,
                          .fd = -1};
    body_rewind(body);
}

uint64_t body_bytes(const struct body *body)
{
    return body->to - body->from;
}

void body_fini(struct body *body)
{
    if (body->fd >= 0)
        close(body->fd);
    body->fd = -1;
}

void body_rewind(struct body *body)
{
    body->at = body->from;
    body->extent = 0;
    body->extent_at = JOIN_HEADER_BYTES;
    body->crc = 0;
}

/* Bytes of an extent, from its file or from memory. */
static int read_extent(struct body *body, const struct join_extent *extent, uint64_t skip, void *out,
                       size_t bytes)
{
    if (extent->source == PART_SOURCE_MEMORY) {
        memcpy(out, body->part->memory.data + extent->offset + skip, bytes);
        return 0;
    }
    if (body->fd < 0 || body->fd_source != extent->source) {
        body_fini(body);
        body->fd =
            openat(body->source->dir, body->source->plan->files[extent->source].name, O_RDONLY | O_CLOEXEC);
        if (body->fd < 0)
            return -errno;
        body->fd_source = extent->source;
    }
    return file_read_at(body->fd, out, bytes, (off_t)(extent->offset + skip));
}

/* `bytes` of an extent passed by, after `skip` others: does it end with them, and was it whole? */
static int check_extent(struct body *body, const struct join_extent *extent, uint64_t skip, const void *data,
                        size_t bytes)
{
    if (extent->source == PART_SOURCE_MEMORY)
        return 0;
    body->crc = codec_crc32(skip == 0 ? 0 : body->crc, data, bytes);
    if (skip + bytes < extent->bytes)
        return 0;
    return codec_crc32(body->crc, CODEC_END, CODEC_END_BYTES) == extent->payload_crc ? 0 : -EBADMSG;
}

/* The part of [start, start + length) that lies at body->at, at most `size`. */
static size_t overlap(const struct body *body, uint64_t start, uint64_t length, size_t size)
{
    uint64_t end = start + length < body->to ? start + length : body->to;
    return end - body->at < size ? (size_t)(end - body->at) : size;
}

static int read_some(struct body *body, uint8_t *out, size_t size, size_t *got)
{
    const struct join *join = &body->part->join;
    uint8_t header[JOIN_HEADER_BYTES], tail[JOIN_TAIL_BYTES];
    uint64_t tail_at = JOIN_HEADER_BYTES + join->extent_bytes;
    int rc = 0;

    if (body->at < JOIN_HEADER_BYTES) {
        join_header(header);
        *got = overlap(body, 0, sizeof header, size);
        memcpy(out, header + body->at, *got);
    } else if (body->at >= tail_at) {
        join_tail(join, tail);
        *got = overlap(body, tail_at, sizeof tail, size);
        memcpy(out, tail + (body->at - tail_at), *got);
    } else {
        const struct join_extent *extent = &join->extents[body->extent];
        uint64_t skip = body->at - body->extent_at;
        *got = overlap(body, body->extent_at, extent->bytes, size);
        rc = read_extent(body, extent, skip, out, *got);
        if (rc == 0)
            rc = check_extent(body, extent, skip, out, *got);
        if (rc == 0 && body->at + *got == body->extent_at + extent->bytes) {
            body->extent_at += extent->bytes;
            body->extent++;
        }
    }
    body->at += rc == 0 ? *got : 0;
    return rc;
}

ssize_t body_read(struct body *body, void *buffer, size_t size)
{
    uint8_t *out = buffer;
    size_t done = 0;
    while (done < size && body->at < body->to) {
        size_t got;
        int rc = read_some(body, out + done, size - done, &got);
        if (rc) {
            body->failure = rc;
            return rc;
        }
        done += got;
    }
    return (ssize_t)done;
}

int part_inflate(const struct part *part, struct tools *tools, const struct source *source, struct buf *out)
{
    struct body body;
    int rc = 0;
    body_init(&body, source, part);
    for (size_t i = 0; rc == 0 && i < part->join.count; i++) {
        const struct join_extent *extent = &part->join.extents[i];
        struct buf *payload = &tools->payload;
        size_t bytes;
        buf_clear(payload);
        rc = buf_reserve(payload, extent->bytes + CODEC_END_BYTES);
        if (rc == 0)
            rc = read_extent(&body, extent, 0, payload->data, extent->bytes);
        if (rc == 0)
            rc = check_extent(&body, extent, 0, payload->data, extent->bytes);
        if (rc)
            break;
        memcpy(payload->data + extent->bytes, CODEC_END, CODEC_END_BYTES);
        rc = buf_reserve(out, part->join.raw_bytes - out->len);
        if (rc == 0)
            rc = codec_inflate(tools->codec, payload->data, extent->bytes + CODEC_END_BYTES,
                               out->data + out->len, part->join.raw_bytes - out->len, &bytes);
        if (rc == 0)
            out->len += bytes;
    }
    body_fini(&body);
    return rc;
}
