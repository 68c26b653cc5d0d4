/* The limit of what a writer can do: the same rows, in the same blocks, deflated in memory and thrown away.
 *
 *     deflate FILE BLOCK_BYTES [codec|small|zlib-LEVEL|isal-LEVEL]     prints
 * {"seconds":…,"cpu":…,"raw":…,"deflated":…}
 *
 * codec: as common/segment/codec.h does it (the limit of P1); small: with CODEC_SMALL. The others are there
 * to choose by. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>

#include "common/base/file.h"
#include "common/segment/codec.h"
#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>
#endif

static char *rows;
static size_t row_bytes, block_bytes;
static uint8_t *out;
static size_t out_cap;

static void read_rows(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        err(111, "%s", path);
    row_bytes = (size_t)st.st_size;
    rows = malloc(row_bytes);
    if (!rows || file_read_at(fd, rows, row_bytes, 0) != 0)
        errx(111, "%s: cannot be read", path);
    close(fd);
}

static enum codec_effort effort;

static size_t by_codec(const char *block, size_t bytes)
{
    static struct codec *codec;
    size_t used;
    if (!codec)
        codec = codec_new();
    if (codec)
        codec_set_effort(codec, effort);
    if (!codec || codec_deflate(codec, block, bytes, out, out_cap, &used) != 0)
        errx(111, "codec_deflate");
    return used;
}

static int level;

static size_t by_zlib(const char *block, size_t bytes)
{
    static z_stream z;
    static int is_ready;
    if (!is_ready && deflateInit2(&z, level, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        errx(111, "deflateInit2");
    is_ready = 1;
    deflateReset(&z);
    z.next_in = (uint8_t *)(uintptr_t)block;
    z.avail_in = (uInt)bytes;
    z.next_out = out;
    z.avail_out = (uInt)out_cap;
    if (deflate(&z, Z_FULL_FLUSH) != Z_OK || z.avail_in)
        errx(111, "deflate");
    return out_cap - z.avail_out;
}

#ifdef HAVE_ISAL
static size_t by_isal(const char *block, size_t bytes)
{
    static struct isal_zstream z;
    static uint8_t *scratch;
    static const uint32_t sizes[] = {ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT, ISAL_DEF_LVL2_DEFAULT,
                                     ISAL_DEF_LVL3_DEFAULT};
    if (!scratch && !(scratch = malloc(sizes[level])))
        errx(111, "out of memory");
    isal_deflate_init(&z);
    z.level = (uint32_t)level;
    z.level_buf = scratch;
    z.level_buf_size = sizes[level];
    z.flush = FULL_FLUSH;
    z.next_in = (uint8_t *)(uintptr_t)block;
    z.avail_in = (uint32_t)bytes;
    z.next_out = out;
    z.avail_out = (uint32_t)out_cap;
    if (isal_deflate(&z) != COMP_OK || z.avail_in)
        errx(111, "isal_deflate");
    return z.total_out;
}
#endif

static double seconds_of(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

int main(int argc, char **argv)
{
    size_t (*deflate_block)(const char *, size_t) = by_codec;
    const char *how = argc > 3 ? argv[3] : "codec";
    if (argc < 3 || argc > 4)
        errx(100, "usage: deflate FILE BLOCK_BYTES [codec|small|zlib-LEVEL|isal-LEVEL]");
    if (strcmp(how, "small") == 0)
        effort = CODEC_SMALL;
    else if (strncmp(how, "zlib-", 5) == 0)
        deflate_block = by_zlib;
#ifdef HAVE_ISAL
    else if (strncmp(how, "isal-", 5) == 0)
        deflate_block = by_isal;
#endif
    else if (strcmp(how, "codec") != 0)
        errx(100, "%s: not known, or not built", how);
    level = deflate_block == by_codec ? 0 : (how[5] - '0') & 15;
    read_rows(argv[1]);
    block_bytes = strtoull(argv[2], NULL, 10);
    out_cap = codec_deflate_bound(block_bytes) + 65536;
    out = malloc(out_cap);
    if (!out || block_bytes == 0 || block_bytes > CODEC_RAW_MAX)
        errx(100, "blocks of 1 to %d bytes", CODEC_RAW_MAX);
    double start = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t deflated = 0;
    for (size_t at = 0; at < row_bytes; at += block_bytes)
        deflated += deflate_block(rows + at, row_bytes - at < block_bytes ? row_bytes - at : block_bytes);
    printf("{\"seconds\":%.6f,\"cpu\":%.6f,\"raw\":%zu,\"deflated\":%" PRIu64 "}\n",
           seconds_of(CLOCK_MONOTONIC) - start, seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu, row_bytes,
           deflated);
    return 0;
}
