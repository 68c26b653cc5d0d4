/* What cannot be left out when bytes are taken from one disk and kept on another, each step by itself: the
 * CPU time that P2 and P10 are made of beside the sockets.
 *
 *     parts FROM TO     copies FROM to TO and removes TO; prints
 * {"bytes":N,"read":S,"check":S,"write":S,"unlink":S}
 *
 * read: from the page cache, in pieces; check: the checksum of what was read, while it is in the processor's
 * cache; write: into a new file whose room was taken at once; unlink: giving back the page cache and the
 * blocks. */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "common/segment/codec.h"

enum { PIECE_BYTES = 256 << 10 };

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static int open_file(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0644);
    if (fd < 0)
        err(111, "%s", path);
    return fd;
}

int main(int argc, char **argv)
{
    static uint8_t piece[PIECE_BYTES];
    struct stat st;
    uint32_t crc = 0;
    double read_s = 0, check_s = 0, write_s = 0;
    if (argc != 3)
        errx(100, "usage: parts FROM TO");
    int from = open_file(argv[1], O_RDONLY), to = open_file(argv[2], O_WRONLY | O_CREAT | O_TRUNC);
    if (fstat(from, &st) != 0)
        err(111, "%s", argv[1]);
    double begun = now();
    (void)!fallocate(to, FALLOC_FL_KEEP_SIZE, 0, st.st_size);
    write_s += now() - begun;
    for (;;) {
        double at_read = now();
        ssize_t n = read(from, piece, sizeof piece);
        double at_check = now();
        read_s += at_check - at_read;
        if (n <= 0)
            break;
        crc = codec_crc32(crc, piece, (size_t)n);
        double at_write = now();
        check_s += at_write - at_check;
        if (write(to, piece, (size_t)n) != n)
            err(111, "%s", argv[2]);
        write_s += now() - at_write;
    }
    close(to);
    begun = now();
    unlink(argv[2]);
    printf("{\"bytes\":%" PRId64
           ",\"read\":%.6f,\"check\":%.6f,\"write\":%.6f,\"unlink\":%.6f,\"crc32\":%" PRIu32 "}\n",
           (int64_t)st.st_size, read_s, check_s, write_s, now() - begun, crc);
    return 0;
}
