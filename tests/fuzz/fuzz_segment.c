/* libFuzzer target for all of the segment library that reads what others wrote. The first byte of the input
 * says how the rest is used; in mode 1 headers and CRCs are made right first, so that what lies behind them
 * is reached too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/segment/flake.h"
#include "common/segment/head.h"
#include "common/segment/name.h"
#include "common/segment/rows.h"
#include "common/segment/scan.h"
#include "common/segment/schema.h"
#include "common/segment/verifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define CHECK(condition) ((condition) ? (void)0 : abort())

enum { RAW_CAP = 1 << 20 };

static struct codec *codec;
static struct verifier verifier;
static uint8_t raw[RAW_CAP];

static void put_u32(uint8_t *p, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (8 * i));
}

static void try_head(const char *json, size_t bytes)
{
    static char out[MEMBER_HEAD_JSON_MAX];
    struct segment_head head, again;
    size_t used;

    if (segment_head_read(json, bytes, &head) != SEGMENT_HEAD_OK)
        return;
    if (segment_head_write(&head, out, sizeof(out), &used) == SEGMENT_HEAD_OK) {
        CHECK(segment_head_read(out, used, &again) == SEGMENT_HEAD_OK);
        CHECK(strcmp(again.db, head.db) == 0 && again.id == head.id);
        segment_head_fini(&again);
    }
    segment_head_fini(&head);
}

static void try_member(const uint8_t *p, const struct member *m)
{
    if (m->is_head)
        try_head(m->head_json, m->head_json_bytes);
    if (m->isize <= RAW_CAP) {
        (void)!member_check_deep(codec, p, m, SEGMENT_CSV, raw, sizeof(raw));
        (void)!member_check_deep(codec, p, m, SEGMENT_JSON, raw, sizeof(raw));
    }
}

static void try_scan(const uint8_t *data, size_t bytes)
{
    struct scan scan;
    struct scan_item item;
    struct member m;
    uint64_t at = 0;

    scan_init(&scan, data, bytes, SCAN_VALID);
    while (scan_next(&scan, &item)) {
        CHECK(item.offset == at && item.bytes > 0);
        at += item.bytes;
        if (!item.is_member) {
            CHECK(item.status != MEMBER_OK && item.is_tail == (at == bytes));
            continue;
        }
        CHECK(member_parse(data + item.offset, item.bytes, &m) == MEMBER_OK);
        CHECK(m.isize <= MEMBER_RAW_MAX && m.member_bytes == item.bytes);
        try_member(data + item.offset, &item.member);
    }
    CHECK(at == bytes);
    scan_fini(&scan);
}

/* The stream's checker and the scanner must agree, however the bytes arrive. */
static void try_verifier(const uint8_t *data, size_t bytes)
{
    struct scan_summary sum;
    size_t at = 0, piece = 1, used, members = 0;
    enum verifier_event event = VERIFIER_MORE;
    enum scan_verdict verdict = scan_summarize(data, bytes, SCAN_VALID, &sum);

    verifier_init(&verifier);
    while (at < bytes && event != VERIFIER_BAD) {
        event = verifier_push(&verifier, data + at, piece < bytes - at ? piece : bytes - at, &used);
        at += used;
        piece = piece * 7 % 1009 + 1;
        members += event == VERIFIER_MEMBER;
    }
    bool is_whole = event != VERIFIER_BAD && verifier_is_at_end(&verifier);
    CHECK(is_whole == (verdict == SCAN_WHOLE));
    CHECK(!is_whole || members == sum.heads + sum.blocks);
}

static void try_rows(const char *data, size_t bytes)
{
    for (int format = SEGMENT_CSV; format <= SEGMENT_JSON; format++) {
        struct rows_scanner whole, pieces;
        struct rows_found all, part;
        uint64_t rows = 0, blank = 0;
        size_t end = 0;
        rows_init(&whole, (enum segment_format)format, SIZE_MAX / 2);
        pieces = whole;
        CHECK(rows_scan(&whole, data, bytes, &all) == ROWS_OK);
        for (size_t at = 0, piece = 1; at < bytes; at += part.scanned, piece = piece * 5 % 211 + 1) {
            CHECK(rows_scan(&pieces, data + at, piece < bytes - at ? piece : bytes - at, &part) == ROWS_OK);
            rows += part.rows;
            blank += part.blank;
            if (part.end > 0)
                end = at + part.end;
        }
        CHECK(rows == all.rows && blank == all.blank && end == all.end);
        CHECK(whole.row_bytes == pieces.row_bytes && rows_end(&whole) == rows_end(&pieces));
    }
}

static void try_texts(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1), out[NAME_FILE_MAX_BYTES + 1];
    static char printed[SCHEMA_TEXT_MAX + 1];
    struct segment_name name;
    struct schema schema, again;
    size_t used;

    CHECK(text);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    if (segment_name_parse(text, &name) == NAME_OK) {
        CHECK(segment_name_build(&name, out) == NAME_OK);
        CHECK(strcmp(out, text) == 0); /* one name, one form */
    }
    if (name_decode(text, strlen(text), out, sizeof(out)) == NAME_OK)
        CHECK(name_check(out, strlen(out)) == NAME_OK);
    if (schema_parse(text, &schema, out) == 0) {
        CHECK(schema_print(&schema, printed, sizeof(printed), &used) == 0);
        CHECK(schema_parse(printed, &again, out) == 0);
        CHECK(schema_hash(&again) == schema_hash(&schema));
        schema_fini(&again);
        schema_fini(&schema);
    }
    try_head(text, bytes);
    try_rows(text, bytes);
    free(text);
}

/* Make one member of the bytes: a header with right lengths and CRCs round whatever is there. */
static void mend(uint8_t *p, size_t bytes)
{
    memcpy(p, "\x1f\x8b\x08\x04", 4);
    memcpy(p + 8, "\0\xff", 2);
    size_t xlen = 24 + (p[10] + 256u * p[11]) % (bytes - 45);
    p[10] = (uint8_t)xlen;
    p[11] = (uint8_t)(xlen >> 8);
    memcpy(p + 12, "Sp\x14", 4);
    put_u32(p + 16, (uint32_t)bytes);
    size_t header = 12 + xlen;
    memcpy(p + bytes - 10, "\x03", 2);
    put_u32(p + 20, codec_crc32(0, p + header, bytes - 8 - header));
    p[28] &= 3;
    memset(p + 29, 0, 3);
    put_u32(p + 32, codec_crc32(codec_crc32(0, p, 32), p + 36, header - 36));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (!codec)
        codec = codec_new();
    CHECK(codec);
    if (bytes == 0)
        return 0;
    size_t rest = bytes - 1;
    uint8_t *copy = malloc(rest + 1);
    CHECK(copy);
    memcpy(copy, data + 1, rest);
    if (data[0] == 1 && rest >= MEMBER_BYTES_MIN && rest < 60000)
        mend(copy, rest);
    if (data[0] == 2)
        try_texts(copy, rest);
    else {
        try_scan(copy, rest);
        try_verifier(copy, rest);
    }
    free(copy);
    return 0;
}
