#include "uploader/batch/body.h"

#include <errno.h>
#include <fcntl.h>

#include "common/base/file.h"

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

int body_inflate(const struct source *source, const struct part *part, struct tools *tools, struct buf *out)
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
