/* Walk over a file's content (mapped or read whole) member by member, past any damage (segment.md "Valid
 * members"): zeros, a torn tail or a bad block hide no good member before or after them. Each byte of the
 * file is reported exactly once, in order: as part of a member or of a damaged range.
 *
 *     struct scan scan;
 *     struct scan_item item;
 *     scan_init(&scan, data, bytes, SCAN_VALID);
 *     while (scan_next(&scan, &item)) {
 *         if (item.is_member) ... item.member ...
 *         else                ... item.offset, item.bytes, item.status, item.is_tail ...
 *     }
 *     scan_fini(&scan);
 *
 * Time is linear in bytes also for content that was made to be slow (crcindex.h). Payloads of members in
 * sequence are read once. One thread at a time for one struct scan; the content may be shared. */
#ifndef SPILLWAY_SEGMENT_SCAN_H
#define SPILLWAY_SEGMENT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"
#include "common/segment/member.h"

enum scan_depth {
    SCAN_ENDS, /* clauses 1 to 3: headers and trailers only; payloads are not touched (no dependence on bytes)
                */
    SCAN_VALID, /* all four clauses */
};

struct scan_item {
    bool is_member;
    uint64_t offset;
    uint64_t bytes;
    struct member member;      /* if is_member; its offset is set */
    enum member_status status; /* else: why there is no valid member at offset */
    bool is_tail;              /* else: this range reaches the end of the content: a torn tail */
};

struct scan {
    const uint8_t *data;
    size_t bytes;
    size_t at;
    enum scan_depth depth;
    /* private */
    bool has_pending; /* a member found behind a damaged range, to be given by the next call */
    struct member pending;
    uint64_t wasted; /* payload bytes whose CRC did not match: when many, index takes over */
    struct crc_index *index;
};

/* data must stay as it is until scan_fini(). data may be NULL if bytes is 0. Cannot fail. */
void scan_init(struct scan *scan, const void *data, size_t bytes, enum scan_depth depth);

/* The next member or damaged range. False at the end of the content. */
NODISCARD bool scan_next(struct scan *scan, struct scan_item *item);

void scan_fini(struct scan *scan);

/* What one pass says of a file: enough for adoption, ls and verify. */
struct scan_summary {
    uint64_t heads;       /* head members */
    uint64_t blocks;      /* data members */
    uint64_t rows;        /* as the members say */
    uint64_t raw_bytes;   /* sum of ISIZE */
    uint64_t valid_bytes; /* all members together */
    uint64_t
        valid_end; /* end of the last valid member: truncate a file of active/ here. 0: no member at all */
    uint64_t tail_bytes;     /* damaged bytes from valid_end to the end: torn tail */
    uint64_t damaged_bytes;  /* damaged bytes before valid_end: the file is damaged (quarantine) */
    uint64_t damaged_ranges; /* number of ranges in damaged_bytes */
    uint64_t damage_offset;  /* the first damaged range (also when it is the tail), if any */
    enum member_status damage_status;
    bool starts_with_head; /* the first byte of the file starts a valid head member */
};

enum scan_verdict {
    SCAN_WHOLE,   /* valid members from first to last byte (an empty file too) */
    SCAN_TORN,    /* only bytes after the last valid member are invalid */
    SCAN_DAMAGED, /* bytes elsewhere are invalid (perhaps the tail too) */
};

/* Scan all of it. */
enum scan_verdict scan_summarize(const void *data, size_t bytes, enum scan_depth depth,
                                 struct scan_summary *summary);

#endif
