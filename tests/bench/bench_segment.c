/* Micro benchmark of the segment library: medians of ROUNDS runs in one process; prints MB/s of raw bytes (1
 * MB = 10^6). */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "common/base/compiler.h"
#include "common/segment/join.h"
#include "common/segment/recompress.h"
#include "common/segment/rows.h"
#include "common/segment/scan.h"

enum { ROUNDS = 7, CORPUS_BYTES = 64 << 20, BLOCK_BYTES = 256 << 10 };

static struct codec *codec;
static char *corpus;
static uint8_t *segment;
static size_t segment_bytes;

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(const char *what, const char *corpus_name, double units, const char *unit,
                   void (*work)(void))
{
    double seconds[ROUNDS];

    for (size_t i = 0; i < ROUNDS; i++) {
        double from = now();
        work();
        seconds[i] = now() - from;
    }
    qsort(seconds, ROUNDS, sizeof(seconds[0]), compare);
    printf("%-22s %-10s %10.0f %s  (%.0f to %.0f)\n", what, corpus_name, units / seconds[ROUNDS / 2], unit,
           units / seconds[ROUNDS - 1], units / seconds[0]);
}

static uint32_t next_random(void)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static int metrics_row(char *out, size_t cap)
{
    return snprintf(
        out, cap,
        "2026-11-22T06:31:%02u.%03uZ,%u,\"{\"\"pod\"\":\"\"api-%u\"\",\"\"ns\"\":\"\"prod\"\"}\",%u.%u\n",
        next_random() % 60, next_random() % 1000, next_random() % 5000, next_random() % 50,
        next_random() % 1000, next_random() % 100);
}

static int plain_row(char *out, size_t cap)
{
    return snprintf(out, cap,
                    "2026-11-22T06:31:%02u.%03uZ,info,request served path /api/v1/items/%u status 200 in %u "
                    "us by worker %u\n",
                    next_random() % 60, next_random() % 1000, next_random() % 5000, next_random() % 100000,
                    next_random() % 16);
}

static int bare_quotes_row(char *out, size_t cap)
{
    return snprintf(out, cap, "%u,say \"hello\" to \"%u\" and \"%u\",\"q\"\n", next_random() % 1000,
                    next_random() % 100, next_random() % 100);
}

static int tiny_row(char *out, size_t cap)
{
    return snprintf(out, cap, "%u,\"%u\"\n", next_random() % 10, next_random() % 10);
}

static void fill(int (*row)(char *, size_t))
{
    size_t used = 0;

    while (CORPUS_BYTES - used > 300)
        used += (size_t)row(corpus + used, CORPUS_BYTES - used);
    memset(corpus + used, '\n', CORPUS_BYTES - used);
}

static volatile uint64_t sink;

static void scan_rows(enum segment_format format)
{
    struct rows_scanner s;
    struct rows_found found;

    rows_init(&s, format, 1 << 20);
    for (size_t at = 0; at < CORPUS_BYTES; at += BLOCK_BYTES) {
        if (rows_scan(&s, corpus + at, BLOCK_BYTES, &found) != ROWS_OK)
            errx(111, "rows_scan");
        sink += found.rows;
    }
}

static void work_rows_csv(void)
{
    scan_rows(SEGMENT_CSV);
}

static void work_rows_json(void)
{
    scan_rows(SEGMENT_JSON);
}

static void work_encode(void)
{
    segment_bytes = 0;
    for (size_t at = 0; at < CORPUS_BYTES; at += BLOCK_BYTES) {
        struct member_block block = {corpus + at, BLOCK_BYTES, 1, MEMBER_METRICS, 0};
        size_t used;
        if (member_encode_data(codec, &block, segment + segment_bytes, member_bound(BLOCK_BYTES), &used) != 0)
            errx(111, "member_encode_data");
        segment_bytes += used;
    }
}

static void scan_segment(enum scan_depth depth)
{
    struct scan_summary sum;

    if (scan_summarize(segment, segment_bytes, depth, &sum) != SCAN_WHOLE)
        errx(111, "scan_summarize");
    sink += sum.rows;
}

static void work_scan_ends(void)
{
    scan_segment(SCAN_ENDS);
}

static void work_scan_valid(void)
{
    scan_segment(SCAN_VALID);
}

static void work_deep(void)
{
    static uint8_t raw[BLOCK_BYTES];
    struct scan scan;
    struct scan_item item;

    scan_init(&scan, segment, segment_bytes, SCAN_VALID);
    while (scan_next(&scan, &item))
        sink += (uint64_t)member_check_deep(codec, segment + item.offset, &item.member, SEGMENT_CSV, raw,
                                            sizeof(raw));
    scan_fini(&scan);
}

static void work_join(void)
{
    struct join join;

    join_init(&join, UINT64_MAX);
    for (uint32_t i = 0; i < 100000; i++) {
        struct join_block block = {
            .offset = i, .bytes = 1000, .raw_bytes = BLOCK_BYTES - i, .rows = 10, .crc32 = i * 77777u};
        if (join_add_block(&join, &block) != 0)
            errx(111, "join_add_block");
    }
    sink += join.crc32;
    join_fini(&join);
}

static void work_crc(void)
{
    sink += codec_crc32(0, corpus, CORPUS_BYTES);
}

static void work_crc_zlib(void)
{
    sink += crc32_z(0, (const uint8_t *)corpus, CORPUS_BYTES);
}

static void bench_rows(void)
{
    static const struct {
        const char *name;
        int (*row)(char *, size_t);
    } kinds[] = {
        {"metrics", metrics_row}, {"logs", plain_row}, {"bare \"", bare_quotes_row}, {"tiny", tiny_row}};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        fill(kinds[i].row);
        report("rows_scan csv", kinds[i].name, CORPUS_BYTES / 1e6, "MB/s", work_rows_csv);
    }
    report("rows_scan json", "tiny", CORPUS_BYTES / 1e6, "MB/s", work_rows_json);
}

static void bench_blocks(const char *name, int (*row)(char *, size_t))
{
    fill(row);
    report("member_encode_data", name, CORPUS_BYTES / 1e6, "MB/s", work_encode);
    printf("%-22s %-10s %10.2f : 1\n", "  ratio", name, (double)CORPUS_BYTES / (double)segment_bytes);
    report("scan, ends only", name, CORPUS_BYTES / 1e6, "MB/s", work_scan_ends);
    report("scan, valid", name, CORPUS_BYTES / 1e6, "MB/s", work_scan_valid);
    report("scan, deep", name, CORPUS_BYTES / 1e6, "MB/s", work_deep);
}

int main(void)
{
    codec = codec_new();
    corpus = malloc(CORPUS_BYTES);
    segment =
        malloc(CORPUS_BYTES + (CORPUS_BYTES / BLOCK_BYTES + 1) * member_bound(0) + member_bound(BLOCK_BYTES));
    if (!codec || !corpus || !segment)
        err(111, "memory");
    printf("codec %s, blocks of %d KiB, median of %d (slowest to fastest)\n", codec_name(), BLOCK_BYTES >> 10,
           ROUNDS);
    bench_rows();
    bench_blocks("metrics", metrics_row);
    bench_blocks("logs", plain_row);
    report("join_add_block", "", 100000, "blocks/s", work_join);
    report("codec_crc32", "", CORPUS_BYTES / 1e6, "MB/s", work_crc);
    report("zlib crc32", "", CORPUS_BYTES / 1e6, "MB/s", work_crc_zlib);
    return 0;
}
