/* A generator of segments for tests of the format: usage
 *     segtool write DB TABLE FORMAT BLOCK_BYTES SCHEMA < rows > segment.gz     one head, then blocks of whole
 * rows segtool join FILE... > one.gz                                            what an upload would send
 *     segtool recompress FILE... > one.gz                                      the same through recompress.h
 *     segtool codec                                                            which one this is */
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/segment/head.h"
#include "common/segment/join.h"
#include "common/segment/recompress.h"
#include "common/segment/rows.h"
#include "common/segment/scan.h"

enum { EXIT_USAGE = 100, EXIT_TROUBLE = 111, SOURCES_MAX = 64 };

struct bytes {
    uint8_t *data;
    size_t count;
};

static void append(struct bytes *b, const void *data, size_t count)
{
    b->data = realloc(b->data, b->count + count + 1);
    if (!b->data)
        err(EXIT_TROUBLE, "memory");
    if (count > 0)
        memcpy(b->data + b->count, data, count);
    b->count += count;
}

static struct bytes read_all(FILE *in)
{
    static char buffer[1 << 16];
    struct bytes b = {0};
    size_t n;

    while ((n = fread(buffer, 1, sizeof(buffer), in)) > 0)
        append(&b, buffer, n);
    return b;
}

static struct bytes read_file(const char *path)
{
    FILE *in = fopen(path, "rbe");
    struct bytes b = {0};

    if (in) {
        b = read_all(in);
        fclose(in);
    } else {
        err(EXIT_TROUBLE, "%s", path);
    }
    return b;
}

static void put(const void *data, size_t count)
{
    if (count > 0 && fwrite(data, 1, count, stdout) != count)
        err(EXIT_TROUBLE, "stdout");
}

static void put_block(struct codec *codec, const char *raw, size_t raw_bytes, uint64_t rows)
{
    struct member_block block = {raw, raw_bytes, (uint32_t)rows, MEMBER_METRICS, 1700000000};
    size_t cap = member_bound(raw_bytes), used;
    void *out = malloc(cap);

    if (!out || member_encode_data(codec, &block, out, cap, &used) != 0)
        errx(EXIT_TROUBLE, "member_encode_data");
    put(out, used);
    free(out);
}

static void put_head(const struct segment_head *head)
{
    static char json[MEMBER_HEAD_JSON_MAX], out[2 * MEMBER_HEADER_MAX];
    size_t json_bytes, used;
    enum segment_head_status status = segment_head_write(head, json, sizeof(json), &json_bytes);

    if (status != SEGMENT_HEAD_OK)
        errx(EXIT_USAGE, "head: %s", segment_head_status_text(status));
    if (member_encode_head(json, json_bytes, 1700000000, out, sizeof(out), &used) != 0)
        errx(EXIT_TROUBLE, "member_encode_head");
    put(out, used);
}

static void write_segment(struct codec *codec, const struct segment_head *head, size_t block_bytes)
{
    struct bytes in = read_all(stdin);
    const char *rows = (const char *)in.data;
    struct rows_scanner s;
    struct rows_found found;
    size_t start = 0, end = 0, at = 0;
    uint64_t count = 0;

    put_head(head);
    rows_init(&s, head->format, MEMBER_RAW_MAX);
    while (at < in.count) {
        size_t step = in.count - at < block_bytes ? in.count - at : block_bytes;
        if (rows_scan(&s, rows + at, step, &found) != ROWS_OK)
            errx(EXIT_TROUBLE, "a row over 64 MiB");
        if (found.end > 0) {
            end = at + found.end;
            count += found.rows;
            put_block(codec, rows + start, end - start, count);
            start = end;
            count = 0;
        }
        at += step;
    }
    if (rows_end(&s) != ROWS_OK)
        errx(EXIT_USAGE, "the last row is not complete");
    free(in.data);
}

static void put_joined(const struct join *join, const struct bytes *sources)
{
    uint8_t header[JOIN_HEADER_BYTES], tail[JOIN_TAIL_BYTES];

    join_header(header);
    put(header, sizeof(header));
    for (size_t i = 0; i < join->count; i++)
        put(sources[join->extents[i].source].data + join->extents[i].offset, join->extents[i].bytes);
    join_tail(join, tail);
    put(tail, sizeof(tail));
}

static void flush(struct recompress *r, struct join *join, uint32_t source, struct bytes *blocks)
{
    struct join_block block;
    const void *data;

    if (recompress_flush(r, &data, &block) != 0)
        errx(EXIT_TROUBLE, "recompress_flush");
    if (block.raw_bytes == 0)
        return;
    block.source = source;
    block.offset = blocks->count;
    append(blocks, data, block.bytes);
    if (join_add_block(join, &block) != 0)
        errx(EXIT_TROUBLE, "join_add_block");
}

static void add_small(struct recompress *r, struct join *join, const struct bytes *from,
                      const struct member *m, uint32_t target, struct bytes *blocks)
{
    const uint8_t *payload = from->data + m->offset + m->payload_offset;
    int rc = recompress_add(r, m, payload);

    if (rc == -ENOBUFS) {
        flush(r, join, target, blocks);
        rc = recompress_add(r, m, payload);
    }
    if (rc != 0)
        errx(EXIT_TROUBLE, "recompress_add: %s", strerror(-rc));
}

/* count: at most SOURCES_MAX. r: NULL to copy all blocks as they are. */
static void join_files(struct recompress *r, char **files, int count)
{
    struct bytes sources[SOURCES_MAX + 1] = {0}, *blocks = &sources[count];
    struct join join;

    join_init(&join, UINT64_MAX);
    for (int i = 0; i < count; i++) {
        struct scan scan;
        struct scan_item item;
        sources[i] = read_file(files[i]);
        scan_init(&scan, sources[i].data, sources[i].count, SCAN_VALID);
        while (scan_next(&scan, &item)) {
            if (!item.is_member || item.member.is_head)
                continue;
            if (r && recompress_wants(&item.member)) {
                add_small(r, &join, &sources[i], &item.member, (uint32_t)count, blocks);
                continue;
            }
            if (r)
                flush(r, &join, (uint32_t)count, blocks);
            if (join_add(&join, (uint32_t)i, &item.member) != 0)
                errx(EXIT_TROUBLE, "join_add");
        }
        scan_fini(&scan);
    }
    if (r)
        flush(r, &join, (uint32_t)count, blocks);
    put_joined(&join, sources);
    for (int i = 0; i <= count; i++)
        free(sources[i].data);
    join_fini(&join);
}

int main(int argc, char **argv)
{
    struct codec *codec = codec_new();
    const char *verb = argc > 1 ? argv[1] : "";

    if (!codec)
        err(EXIT_TROUBLE, "memory");
    if (argc - 2 > SOURCES_MAX)
        errx(EXIT_USAGE, "at most %d files", SOURCES_MAX);
    if (strcmp(verb, "write") == 0 && argc == 7) {
        struct segment_head head = {
            .db = argv[2], .table = argv[3], .schema = argv[6], .id = 1, .instance = "segtool"};
        if (!segment_format_parse(argv[4], strlen(argv[4]), &head.format))
            errx(EXIT_USAGE, "format: csv or json");
        write_segment(codec, &head, strtoul(argv[5], NULL, 10));
    } else if (strcmp(verb, "join") == 0) {
        join_files(NULL, argv + 2, argc - 2);
    } else if (strcmp(verb, "recompress") == 0) {
        struct recompress *r = recompress_new(codec);
        if (!r)
            err(EXIT_TROUBLE, "memory");
        join_files(r, argv + 2, argc - 2);
        recompress_free(r);
    } else if (strcmp(verb, "codec") == 0) {
        puts(codec_name());
    } else {
        errx(EXIT_USAGE, "usage: segtool write DB TABLE csv|json BLOCK_BYTES SCHEMA | join FILE... | "
                         "recompress FILE... | codec");
    }
    codec_free(codec);
    return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
}
