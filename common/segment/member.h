/* One member of a segment: the unit that is written, checked, copied and joined (segment.md "Member", "Valid
 * members").
 *
 * Writing:  member_encode_head() once, then member_encode_data() for each block, into the caller's buffer.
 * Reading a memory image:  member_parse(), or scan.h for a whole file.
 * Reading through pread:   member_parse_header() with the first MEMBER_PEEK_BYTES of the member, again with
 * more when it asks; then member_parse_tail() with the last MEMBER_TAIL_BYTES; the payload between them with
 *                          codec_crc32() in pieces, compared with payload_crc.
 * Reading a stream of unknown origin:  verifier.h.
 *
 * Pure functions over the caller's memory; thread-safe. Nothing here trusts a length before it was checked.
 */
#ifndef SPILLWAY_SEGMENT_MEMBER_H
#define SPILLWAY_SEGMENT_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"
#include "common/segment/codec.h"
#include "common/segment/format.h"

enum {
    MEMBER_HEADER_MIN = 36,    /* header with S p alone: 10 fixed + 2 XLEN + 4 + 20 */
    MEMBER_HEADER_MAX = 65547, /* 12 + the largest XLEN */
    MEMBER_TRAILER_BYTES = 8,  /* CRC32, ISIZE */
    MEMBER_TAIL_BYTES = 10,    /* 03 00, CRC32, ISIZE: what member_parse_tail() wants */
    MEMBER_BYTES_MIN = 46,     /* the smallest member: HEADER_MIN + TAIL */
    MEMBER_PEEK_BYTES =
        4096, /* a good first read: holds the header of all but heads with very long schemas */
    MEMBER_RAW_MAX = CODEC_RAW_MAX,    /* a block, inflated */
    MEMBER_BYTES_MAX = 65 << 20,       /* a whole member: more than 64 MiB of the worst input gives */
    MEMBER_HEAD_JSON_MAX = 65535 - 28, /* text of S h: what XLEN leaves beside S p */
};

enum member_kind {
    MEMBER_UNKNOWN = 0,
    MEMBER_METRICS = 1,
    MEMBER_TRACES = 2,
    MEMBER_LOGS = 3,
};

/* Why bytes are not a valid member. The first group is the clauses of *valid* in segment.md, in the order
 * they are checked; the second comes from member_check_deep() only. */
enum member_status {
    MEMBER_OK = 0,
    MEMBER_SHORT,     /* (3) the bytes given end before the header does */
    MEMBER_BAD_MAGIC, /* (1) not 1f 8b 08 04, XFL 00, OS ff */
    MEMBER_BAD_FIELD, /* (1) the first subfield is not S p of 20 bytes, its zeros are not zero, or the kind is
                         unknown */
    MEMBER_BAD_EXTRA, /* (1) what follows S p is not a list of subfields, or has two S h */
    MEMBER_BAD_HEAD_CRC, /* (2) */
    MEMBER_TOO_LARGE,    /* (3) member_bytes or ISIZE is over its ceiling */
    MEMBER_TORN,         /* (3) member_bytes ends beyond the bytes given */
    MEMBER_BAD_SHAPE, /* (3) no room for deflate and trailer, the deflate does not end in 03 00, ISIZE is more
                         than that much deflate can give, or a head member is not empty */
    MEMBER_BAD_PAYLOAD_CRC, /* (4) */

    MEMBER_BAD_DEFLATE, /* deep: does not inflate to exactly ISIZE bytes ending where the payload ends */
    MEMBER_BAD_CRC,     /* deep: CRC32 of the rows */
    MEMBER_BAD_ROWS,    /* deep: the number of rows is not as written */
    MEMBER_PARTIAL_ROW, /* deep: the block does not end at the end of a row */
};

/* A member that was parsed. Offsets are from the member's own first byte, but for `offset`. */
struct member {
    uint64_t offset; /* of the member in its file: set by scan.h and verifier.h, 0 from the functions here */
    uint32_t member_bytes;
    uint32_t payload_offset; /* = length of the header */
    uint32_t payload_bytes;  /* deflate, its last two bytes (03 00) included */
    uint32_t payload_crc;
    uint32_t rows;
    uint32_t mtime; /* seconds since 1970 */
    enum member_kind kind;
    bool is_head;
    uint32_t crc32;        /* of the rows (trailer): known after member_parse() or member_parse_tail() */
    uint32_t isize;        /* raw bytes (trailer), likewise; at most MEMBER_RAW_MAX */
    const char *head_json; /* S h, inside the bytes that were parsed, not terminated; NULL in a data member */
    uint32_t head_json_bytes;
};

/* What goes into a data member. */
struct member_block {
    const void *raw;  /* whole rows */
    size_t raw_bytes; /* at most MEMBER_RAW_MAX */
    uint32_t rows;
    enum member_kind kind;
    uint32_t mtime; /* seconds since 1970, when the block was written */
};

/* Upper bound of the length of a data member with raw_bytes of rows (at most MEMBER_RAW_MAX). */
size_t member_bound(size_t raw_bytes);

/* Exact length of a head member with json_bytes of text. */
size_t member_head_bytes(size_t json_bytes);

/* Write a data member to out. out_cap at least member_bound(raw_bytes). *out_bytes: what was written.
 * 0, or as codec_deflate(): -EINVAL, -EIO. */
NODISCARD int member_encode_data(struct codec *codec, const struct member_block *block, void *out,
                                 size_t out_cap, size_t *out_bytes);

/* Write a head member (json from segment_head_write()) to out. out_cap at least
 * member_head_bytes(json_bytes). 0, -EINVAL (out_cap too small), -E2BIG (json_bytes over
 * MEMBER_HEAD_JSON_MAX). */
NODISCARD int member_encode_head(const char *json, size_t json_bytes, uint32_t mtime, void *out,
                                 size_t out_cap, size_t *out_bytes);

/* Clauses 1 and 2, the ceilings, and what clause 3 says of the header alone. Looks at the first `bytes` of a
 * member. MEMBER_SHORT: *need_bytes (at most MEMBER_HEADER_MAX) of the member must be given next time;
 * otherwise *need_bytes is the length of the header. *member is filled (but for crc32 and isize) when
 * MEMBER_OK; its head_json points into data. */
NODISCARD enum member_status member_parse_header(const void *data, size_t bytes, struct member *member,
                                                 size_t *need_bytes);

/* The rest of clause 3, from the last MEMBER_TAIL_BYTES of the member; fills crc32 and isize. */
NODISCARD enum member_status member_parse_tail(const uint8_t tail[MEMBER_TAIL_BYTES], struct member *member);

/* Clauses 1 to 3: header and tail of the member that starts at data; the payload is not touched. For files
 * that are known to be whole (sealed and checked before). */
NODISCARD enum member_status member_parse_ends(const void *data, size_t bytes, struct member *member);

/* All four clauses. Reads the payload once. bytes may be more than the member has. */
NODISCARD enum member_status member_parse(const void *data, size_t bytes, struct member *member);

/* Inflate a member that member_parse() found valid, and check CRC32, ISIZE and rows (rows.h counts them).
 * data is the member's first byte. raw: raw_cap at least member->isize, for the caller to reuse; it holds the
 * rows afterwards (MEMBER_OK). */
NODISCARD enum member_status member_check_deep(struct codec *codec, const void *data,
                                               const struct member *member, enum segment_format format,
                                               void *raw, size_t raw_cap);

/* A text for reports, and a word for JSON: "damaged payload (payload_crc)", "bad-payload-crc". */
const char *member_status_text(enum member_status status);
const char *member_status_word(enum member_status status);

/* "unknown", "metrics", "traces", "logs". */
const char *member_kind_name(enum member_kind kind);

#endif
