#include "common/segment/member.h"

#include <errno.h>
#include <string.h>

#include "common/segment/rows.h"

/* Where things are in a member (segment.md "Member"). */
enum {
    AT_MTIME = 4,
    AT_XLEN = 10,
    AT_EXTRA = 12,
    AT_FIELD = 16, /* the data of S p, whose 4 bytes of subfield header are before it */
    AT_MEMBER_BYTES = AT_FIELD,
    AT_PAYLOAD_CRC = AT_FIELD + 4,
    AT_ROWS = AT_FIELD + 8,
    AT_KIND = AT_FIELD + 12,
    AT_ZEROS = AT_FIELD + 13,
    AT_HEAD_CRC = AT_FIELD + 16,
    FIELD_BYTES = 20,
    SUBFIELD_HEADER_BYTES = 4,
    DEFLATE_RATIO_MAX = 1032, /* 258 bytes for two bits: more does not exist */
};

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t get_u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static void put_u32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    p[2] = (uint8_t)(value >> 16);
    p[3] = (uint8_t)(value >> 24);
}

static void put_u16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

/* --- writing ---------------------------------------------------------------------------------------- */

size_t member_bound(size_t raw_bytes)
{
    return MEMBER_HEADER_MIN + codec_deflate_bound(raw_bytes) + MEMBER_TRAILER_BYTES;
}

size_t member_head_bytes(size_t json_bytes)
{
    return MEMBER_HEADER_MIN + SUBFIELD_HEADER_BYTES + json_bytes + MEMBER_TAIL_BYTES;
}

static uint32_t header_crc(const uint8_t *p, size_t header_bytes)
{
    uint32_t crc = codec_crc32(0, p, AT_HEAD_CRC);

    return codec_crc32(crc, p + MEMBER_HEADER_MIN, header_bytes - MEMBER_HEADER_MIN);
}

/* All of a header but what follows S p, which must be there already: head_crc covers it. */
static void put_header(uint8_t *p, const struct member *m)
{
    static const uint8_t fixed[] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff};

    memcpy(p, fixed, sizeof(fixed));
    put_u32(p + AT_MTIME, m->mtime);
    put_u16(p + AT_XLEN, m->payload_offset - AT_EXTRA);
    p[AT_EXTRA] = 'S';
    p[AT_EXTRA + 1] = 'p';
    put_u16(p + AT_EXTRA + 2, FIELD_BYTES);
    put_u32(p + AT_MEMBER_BYTES, m->member_bytes);
    put_u32(p + AT_PAYLOAD_CRC, m->payload_crc);
    put_u32(p + AT_ROWS, m->rows);
    p[AT_KIND] = (uint8_t)m->kind;
    memset(p + AT_ZEROS, 0, 3);
    put_u32(p + AT_HEAD_CRC, header_crc(p, m->payload_offset));
}

static void put_trailer(uint8_t *p, uint32_t crc, uint32_t isize)
{
    put_u32(p, crc);
    put_u32(p + 4, isize);
}

int member_encode_data(struct codec *codec, const struct member_block *block, void *out, size_t out_cap,
                       size_t *out_bytes)
{
    uint8_t *p = out, *payload = p + MEMBER_HEADER_MIN;
    size_t payload_bytes;

    if (block->raw_bytes > MEMBER_RAW_MAX || out_cap < member_bound(block->raw_bytes))
        return -EINVAL;
    int rc = codec_deflate(codec, block->raw, block->raw_bytes, payload,
                           out_cap - MEMBER_HEADER_MIN - MEMBER_TRAILER_BYTES, &payload_bytes);
    if (rc != 0)
        return rc;
    struct member m = {
        .member_bytes = (uint32_t)(MEMBER_HEADER_MIN + payload_bytes + MEMBER_TRAILER_BYTES),
        .payload_offset = MEMBER_HEADER_MIN,
        .payload_crc = codec_crc32(0, payload, payload_bytes),
        .rows = block->rows,
        .kind = block->kind,
        .mtime = block->mtime,
    };
    put_header(p, &m);
    put_trailer(payload + payload_bytes, codec_crc32(0, block->raw, block->raw_bytes),
                (uint32_t)block->raw_bytes);
    *out_bytes = m.member_bytes;
    return 0;
}

int member_encode_head(const char *json, size_t json_bytes, uint32_t mtime, void *out, size_t out_cap,
                       size_t *out_bytes)
{
    uint8_t *p = out, *field = p + MEMBER_HEADER_MIN;

    if (json_bytes > MEMBER_HEAD_JSON_MAX)
        return -E2BIG;
    if (out_cap < member_head_bytes(json_bytes))
        return -EINVAL;
    struct member m = {
        .member_bytes = (uint32_t)member_head_bytes(json_bytes),
        .payload_offset = (uint32_t)(MEMBER_HEADER_MIN + SUBFIELD_HEADER_BYTES + json_bytes),
        .payload_crc = codec_crc32(0, CODEC_END, CODEC_END_BYTES),
        .mtime = mtime,
    };
    field[0] = 'S';
    field[1] = 'h';
    put_u16(field + 2, (uint32_t)json_bytes);
    memcpy(field + SUBFIELD_HEADER_BYTES, json, json_bytes);
    put_header(p, &m);
    memcpy(p + m.payload_offset, CODEC_END, CODEC_END_BYTES);
    put_trailer(p + m.payload_offset + CODEC_END_BYTES, 0, 0);
    *out_bytes = m.member_bytes;
    return 0;
}

/* --- reading ---------------------------------------------------------------------------------------- */

/* What S p says and clause 1 asks of it. */
static enum member_status parse_field(const uint8_t *p, struct member *m)
{
    if (p[AT_EXTRA] != 'S' || p[AT_EXTRA + 1] != 'p' || get_u16(p + AT_EXTRA + 2) != FIELD_BYTES)
        return MEMBER_BAD_FIELD;
    if (p[AT_KIND] > MEMBER_LOGS || (p[AT_ZEROS] | p[AT_ZEROS + 1] | p[AT_ZEROS + 2]) != 0)
        return MEMBER_BAD_FIELD;
    *m = (struct member){
        .member_bytes = get_u32(p + AT_MEMBER_BYTES),
        .payload_offset = AT_EXTRA + get_u16(p + AT_XLEN),
        .payload_crc = get_u32(p + AT_PAYLOAD_CRC),
        .rows = get_u32(p + AT_ROWS),
        .mtime = get_u32(p + AT_MTIME),
        .kind = (enum member_kind)p[AT_KIND],
    };
    return m->payload_offset < MEMBER_HEADER_MIN ? MEMBER_BAD_FIELD : MEMBER_OK;
}

/* Walk the subfields behind S p; S h makes it a head. */
static enum member_status parse_extra(const uint8_t *p, struct member *m)
{
    size_t at = MEMBER_HEADER_MIN, end = m->payload_offset;

    while (at < end) {
        if (end - at < SUBFIELD_HEADER_BYTES)
            return MEMBER_BAD_EXTRA;
        const uint8_t *field = p + at;
        uint32_t bytes = get_u16(field + 2);
        at += SUBFIELD_HEADER_BYTES;
        if (end - at < bytes)
            return MEMBER_BAD_EXTRA;
        if (field[0] == 'S' && field[1] == 'h') {
            if (m->is_head)
                return MEMBER_BAD_EXTRA;
            m->is_head = true;
            m->head_json = (const char *)p + at;
            m->head_json_bytes = bytes;
        }
        at += bytes;
    }
    return MEMBER_OK;
}

/* What member_bytes promises, as far as the header tells: it must leave room for a deflate stream and the
 * trailer. */
static enum member_status parse_length(struct member *m)
{
    if (m->member_bytes > MEMBER_BYTES_MAX)
        return MEMBER_TOO_LARGE;
    if (m->member_bytes < m->payload_offset + MEMBER_TAIL_BYTES)
        return MEMBER_BAD_SHAPE;
    m->payload_bytes = m->member_bytes - m->payload_offset - MEMBER_TRAILER_BYTES;
    if (m->is_head && (m->payload_bytes != CODEC_END_BYTES || m->rows != 0))
        return MEMBER_BAD_SHAPE;
    return MEMBER_OK;
}

static bool is_magic_prefix(const uint8_t *p, size_t bytes)
{
    static const uint8_t start[] = {0x1f, 0x8b, 8, 4}, flags[] = {0, 0xff};
    size_t n = bytes < sizeof(start) ? bytes : sizeof(start);

    if (memcmp(p, start, n) != 0)
        return false;
    return bytes < AT_XLEN || memcmp(p + 8, flags, sizeof(flags)) == 0;
}

enum member_status member_parse_header(const void *data, size_t bytes, struct member *member,
                                       size_t *need_bytes)
{
    const uint8_t *p = data;

    /* Ceilings first, then what costs time: a header is refused before its length is believed. */
    *need_bytes = MEMBER_HEADER_MIN;
    if (bytes > 0 && !is_magic_prefix(p, bytes))
        return MEMBER_BAD_MAGIC;
    if (bytes < MEMBER_HEADER_MIN)
        return MEMBER_SHORT;
    enum member_status status = parse_field(p, member);
    if (status != MEMBER_OK)
        return status;
    *need_bytes = member->payload_offset;
    if (member->member_bytes > MEMBER_BYTES_MAX)
        return MEMBER_TOO_LARGE;
    if (bytes < member->payload_offset)
        return MEMBER_SHORT;
    status = parse_extra(p, member);
    if (status != MEMBER_OK)
        return status;
    if (header_crc(p, member->payload_offset) != get_u32(p + AT_HEAD_CRC))
        return MEMBER_BAD_HEAD_CRC;
    return parse_length(member);
}

enum member_status member_parse_tail(const uint8_t tail[MEMBER_TAIL_BYTES], struct member *member)
{
    member->crc32 = get_u32(tail + CODEC_END_BYTES);
    member->isize = get_u32(tail + CODEC_END_BYTES + 4);
    if (memcmp(tail, CODEC_END, CODEC_END_BYTES) != 0)
        return MEMBER_BAD_SHAPE;
    if (member->isize > MEMBER_RAW_MAX)
        return MEMBER_TOO_LARGE;
    if (member->isize > (uint64_t)member->payload_bytes * DEFLATE_RATIO_MAX)
        return MEMBER_BAD_SHAPE;
    if (member->is_head && (member->crc32 != 0 || member->isize != 0))
        return MEMBER_BAD_SHAPE;
    return MEMBER_OK;
}

enum member_status member_parse_ends(const void *data, size_t bytes, struct member *member)
{
    const uint8_t *p = data;
    size_t need;
    enum member_status status = member_parse_header(p, bytes, member, &need);

    if (status != MEMBER_OK)
        return status;
    if (member->member_bytes > bytes)
        return MEMBER_TORN;
    return member_parse_tail(p + member->member_bytes - MEMBER_TAIL_BYTES, member);
}

enum member_status member_parse(const void *data, size_t bytes, struct member *member)
{
    enum member_status status = member_parse_ends(data, bytes, member);

    if (status != MEMBER_OK)
        return status;
    const uint8_t *payload = (const uint8_t *)data + member->payload_offset;
    return codec_crc32(0, payload, member->payload_bytes) == member->payload_crc ? MEMBER_OK
                                                                                 : MEMBER_BAD_PAYLOAD_CRC;
}

enum member_status member_check_deep(struct codec *codec, const void *data, const struct member *member,
                                     enum segment_format format, void *raw, size_t raw_cap)
{
    const uint8_t *payload = (const uint8_t *)data + member->payload_offset;
    size_t raw_bytes;
    uint64_t rows;

    if (raw_cap > member->isize)
        raw_cap = member->isize;
    if (codec_inflate(codec, payload, member->payload_bytes, raw, raw_cap, &raw_bytes) != 0 ||
        raw_bytes != member->isize)
        return MEMBER_BAD_DEFLATE;
    if (codec_crc32(0, raw, raw_bytes) != member->crc32)
        return MEMBER_BAD_CRC;
    if (!rows_count(format, raw, raw_bytes, &rows))
        return MEMBER_PARTIAL_ROW;
    return rows == member->rows ? MEMBER_OK : MEMBER_BAD_ROWS;
}

/* --- words ------------------------------------------------------------------------------------------ */

struct status_words {
    const char *word, *text;
};

static const struct status_words statuses[] = {
    [MEMBER_OK] = {"ok", "valid"},
    [MEMBER_SHORT] = {"short", "the bytes end before the header does"},
    [MEMBER_BAD_MAGIC] = {"bad-magic", "no member starts here (magic or flags)"},
    [MEMBER_BAD_FIELD] = {"bad-field", "the header lacks a proper S p subfield"},
    [MEMBER_BAD_EXTRA] = {"bad-extra", "the header's extra field is not a list of subfields"},
    [MEMBER_BAD_HEAD_CRC] = {"bad-head-crc", "damaged header (head_crc)"},
    [MEMBER_TOO_LARGE] = {"too-large", "a length over its ceiling (64 MiB raw a block)"},
    [MEMBER_TORN] = {"torn", "the bytes end before the member does"},
    [MEMBER_BAD_SHAPE] = {"bad-shape", "member_bytes does not agree with deflate and trailer"},
    [MEMBER_BAD_PAYLOAD_CRC] = {"bad-payload-crc", "damaged payload (payload_crc)"},
    [MEMBER_BAD_DEFLATE] = {"bad-deflate", "the payload does not inflate to ISIZE bytes"},
    [MEMBER_BAD_CRC] = {"bad-crc", "the rows do not match CRC32"},
    [MEMBER_BAD_ROWS] = {"bad-rows", "the number of rows is not as written"},
    [MEMBER_PARTIAL_ROW] = {"partial-row", "the block does not end at the end of a row"},
};

const char *member_status_text(enum member_status status)
{
    return statuses[status].text;
}

const char *member_status_word(enum member_status status)
{
    return statuses[status].word;
}

const char *member_kind_name(enum member_kind kind)
{
    static const char *const names[] = {"unknown", "metrics", "traces", "logs"};

    return names[kind];
}
