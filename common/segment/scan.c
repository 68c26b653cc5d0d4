#include "common/segment/scan.h"

#include <string.h>

#include "common/segment/codec.h"
#include "common/segment/crcindex.h"

/* Payload bytes whose CRC was in vain before the index is built: a few of the largest members. Real damage
 * stays below this; content that was made to be slow does not. */
#define WASTED_MAX ((uint64_t)4 * MEMBER_BYTES_MAX)

void scan_init(struct scan *scan, const void *data, size_t bytes, enum scan_depth depth)
{
    *scan = (struct scan){.data = data, .bytes = bytes, .depth = depth};
}

void scan_fini(struct scan *scan)
{
    crc_index_free(scan->index);
    scan->index = NULL;
}

static uint32_t payload_crc(struct scan *scan, size_t from, uint32_t bytes)
{
    if (!scan->index && scan->wasted > WASTED_MAX) {
        scan->wasted = 0; /* out of memory: try again after as much more */
        scan->index = crc_index_new(scan->data, scan->bytes);
    }
    if (scan->index)
        return crc_index_range(scan->index, from, from + bytes);
    return codec_crc32(0, scan->data + from, bytes);
}

static enum member_status parse_at(struct scan *scan, size_t at, enum scan_depth depth, struct member *m)
{
    enum member_status status = member_parse_ends(scan->data + at, scan->bytes - at, m);

    if (status != MEMBER_OK)
        return status;
    m->offset = at;
    if (depth == SCAN_ENDS)
        return MEMBER_OK;
    if (payload_crc(scan, at + m->payload_offset, m->payload_bytes) == m->payload_crc)
        return MEMBER_OK;
    scan->wasted += m->payload_bytes;
    return MEMBER_BAD_PAYLOAD_CRC;
}

/* Where damaged payloads under intact headers lead to. Their bytes are known to be payload, so no member is
 * looked for in them: the rows of a block may hold anything, even bytes that look like a member. False: not
 * to a member or to the end. */
static bool follow(struct scan *scan, size_t at, struct member *m, bool *is_end)
{
    enum member_status status;

    while ((status = parse_at(scan, at, SCAN_VALID, m)) == MEMBER_BAD_PAYLOAD_CRC)
        at += m->member_bytes;
    *is_end = at == scan->bytes;
    return status == MEMBER_OK || *is_end;
}

/* The next valid member that starts at or behind `at`; false: none. */
static bool search(struct scan *scan, size_t at, struct member *m)
{
    while (at < scan->bytes) {
        /* Not memmem(): a sanitizer's version of it looks at all that is left, each time. */
        const uint8_t *hit = memchr(scan->data + at, 0x1f, scan->bytes - at);
        if (!hit)
            return false;
        at = (size_t)(hit - scan->data);
        if (parse_at(scan, at, SCAN_VALID, m) == MEMBER_OK)
            return true;
        at++;
    }
    return false;
}

static void give_member(struct scan *scan, const struct member *m, struct scan_item *item)
{
    *item =
        (struct scan_item){.is_member = true, .offset = m->offset, .bytes = m->member_bytes, .member = *m};
    scan->at = (size_t)m->offset + m->member_bytes;
}

bool scan_next(struct scan *scan, struct scan_item *item)
{
    struct member m;

    if (scan->has_pending) {
        scan->has_pending = false;
        give_member(scan, &scan->pending, item);
        return true;
    }
    if (scan->at >= scan->bytes)
        return false;
    size_t from = scan->at;
    enum member_status status = parse_at(scan, from, scan->depth, &m);
    if (status == MEMBER_OK) {
        give_member(scan, &m, item);
        return true;
    }
    bool is_end = false;
    if (status == MEMBER_BAD_PAYLOAD_CRC && follow(scan, from, &scan->pending, &is_end))
        scan->has_pending = !is_end;
    else
        scan->has_pending = search(scan, from + 1, &scan->pending);
    scan->at = scan->has_pending ? (size_t)scan->pending.offset : scan->bytes;
    *item = (struct scan_item){
        .offset = from,
        .bytes = scan->at - from,
        .status = status,
        .is_tail = !scan->has_pending,
    };
    return true;
}

static void add_member(struct scan_summary *sum, const struct member *m)
{
    sum->starts_with_head |= m->offset == 0 && m->is_head;
    sum->heads += m->is_head;
    sum->blocks += !m->is_head;
    sum->rows += m->rows;
    sum->raw_bytes += m->isize;
    sum->valid_bytes += m->member_bytes;
    sum->valid_end = m->offset + m->member_bytes;
}

static void add_damage(struct scan_summary *sum, const struct scan_item *item)
{
    if (sum->damage_status == MEMBER_OK) {
        sum->damage_status = item->status;
        sum->damage_offset = item->offset;
    }
    if (item->is_tail) {
        sum->tail_bytes = item->bytes;
    } else {
        sum->damaged_bytes += item->bytes;
        sum->damaged_ranges++;
    }
}

enum scan_verdict scan_summarize(const void *data, size_t bytes, enum scan_depth depth,
                                 struct scan_summary *summary)
{
    struct scan scan;
    struct scan_item item;

    *summary = (struct scan_summary){0};
    scan_init(&scan, data, bytes, depth);
    while (scan_next(&scan, &item)) {
        if (item.is_member)
            add_member(summary, &item.member);
        else
            add_damage(summary, &item);
    }
    scan_fini(&scan);
    if (summary->damaged_bytes > 0)
        return SCAN_DAMAGED;
    return summary->tail_bytes > 0 ? SCAN_TORN : SCAN_WHOLE;
}
