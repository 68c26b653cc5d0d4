#include "common/segment/verifier.h"

#include <string.h>

#include "common/segment/codec.h"

void verifier_init(struct verifier *v)
{
    /* Not the whole struct: its buffer is large and is written before it is read. */
    v->member = (struct member){0};
    v->status = MEMBER_OK;
    v->stream_bytes = 0;
    v->state = VERIFIER_HEADER;
    v->header_need = MEMBER_HEADER_MIN;
    v->header_have = 0;
}

static enum verifier_event refuse(struct verifier *v, enum member_status status)
{
    v->status = status;
    v->state = VERIFIER_BAD_STREAM;
    return VERIFIER_BAD;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Gather the header; then the payload begins. */
static enum verifier_event push_header(struct verifier *v, const uint8_t *data, size_t bytes, size_t *used)
{
    size_t n = min_size(bytes, v->header_need - v->header_have);

    memcpy(v->header + v->header_have, data, n);
    v->header_have += n;
    *used = n;
    uint64_t offset = v->stream_bytes - v->header_have + n;
    enum member_status status = member_parse_header(v->header, v->header_have, &v->member, &v->header_need);
    v->member.offset = offset;
    if (status == MEMBER_SHORT)
        return VERIFIER_MORE;
    if (status != MEMBER_OK)
        return refuse(v, status);
    v->state = VERIFIER_BODY;
    v->body_have = 0;
    v->crc = 0;
    return VERIFIER_MORE;
}

/* Payload and trailer. The tail is kept aside; the last two bytes of the payload are in both. */
static enum verifier_event push_body(struct verifier *v, const uint8_t *data, size_t bytes, size_t *used)
{
    size_t payload = v->member.payload_bytes, body = payload + MEMBER_TRAILER_BYTES;
    size_t tail_at = body - MEMBER_TAIL_BYTES, from = v->body_have;
    size_t n = min_size(bytes, body - from);

    *used = n;
    v->body_have += n;
    if (from < payload)
        v->crc = codec_crc32(v->crc, data, min_size(n, payload - from));
    if (v->body_have > tail_at) {
        size_t skip = from < tail_at ? tail_at - from : 0;
        memcpy(v->tail + (from + skip - tail_at), data + skip, n - skip);
    }
    if (v->body_have < body)
        return VERIFIER_MORE;
    enum member_status status = member_parse_tail(v->tail, &v->member);
    if (status == MEMBER_OK && v->crc != v->member.payload_crc)
        status = MEMBER_BAD_PAYLOAD_CRC;
    if (status != MEMBER_OK)
        return refuse(v, status);
    v->state = VERIFIER_HEADER;
    v->header_have = 0;
    v->header_need = MEMBER_HEADER_MIN;
    return VERIFIER_MEMBER;
}

enum verifier_event verifier_push(struct verifier *v, const void *data, size_t bytes, size_t *used)
{
    const uint8_t *p = data;
    enum verifier_event event = VERIFIER_MORE;

    *used = 0;
    if (v->state == VERIFIER_BAD_STREAM)
        return VERIFIER_BAD;
    while (*used < bytes && event == VERIFIER_MORE) {
        size_t n;
        event = v->state == VERIFIER_HEADER ? push_header(v, p + *used, bytes - *used, &n)
                                            : push_body(v, p + *used, bytes - *used, &n);
        *used += n;
        v->stream_bytes += n;
    }
    return event;
}

bool verifier_is_at_end(const struct verifier *v)
{
    return v->state == VERIFIER_HEADER && v->header_have == 0;
}
