/* The watcher outside: duwatch DIR LIMIT [SEGMENTS] walks DIR every few milliseconds and adds up the blocks
 * of everything in it, each inode once, as du does, and counts the files whose names have ".gz" in them and
 * do not begin with a dot or end in .why. Writes a line {"walks":N,"slow":N,"max":BYTES,"max_segments":N}
 * when SIGTERM or SIGINT comes, and exits 0; exits 1 at the first walk that saw more than LIMIT bytes (or
 * more than SEGMENTS segments), after listing what it saw.
 *
 * A walk is no snapshot. One that took longer than SLOW_MS proves nothing when it is over the limit: what it
 * saw at its beginning may be gone, and its room used again, at its end. Such walks are counted as slow and
 * not judged. */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "common/base/clock.h"

enum { SLOW_MS = 8, PAUSE_NS = 2000000, INODES_MAX = 1 << 20 };

static volatile sig_atomic_t is_over;
static uint64_t *inodes; /* a set: open addressing, emptied for each walk */
static int64_t total, segments;
static bool is_listing;

static void on_signal(int number)
{
    (void)number;
    is_over = 1;
}

static bool is_new(uint64_t inode)
{
    size_t at = (inode * UINT64_C(0x9E3779B97F4A7C15) >> 40) & (INODES_MAX - 1);
    while (inodes[at] && inodes[at] != inode)
        at = (at + 1) & (INODES_MAX - 1);
    if (inodes[at])
        return false;
    inodes[at] = inode;
    return true;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    if (type == FTW_NS || !is_new(st->st_ino))
        return 0;
    const char *name = path + ftw->base;
    size_t len = strlen(name);
    total += (int64_t)st->st_blocks * 512;
    segments += type == FTW_F && name[0] != '.' && strstr(name, ".gz") &&
                (len < 4 || strcmp(name + len - 4, ".why") != 0);
    if (is_listing)
        fprintf(stderr, "%10lld %s\n", (long long)st->st_blocks * 512, path);
    return 0;
}

static int64_t walk(const char *dir)
{
    total = segments = 0;
    memset(inodes, 0, INODES_MAX * sizeof *inodes);
    nftw(dir, visit, 32, FTW_PHYS);
    return total;
}

int main(int argc, char **argv)
{
    inodes = calloc(INODES_MAX, sizeof *inodes);
    if ((argc != 3 && argc != 4) || !inodes)
        return 2;
    const int64_t limit = strtoll(argv[2], NULL, 10);
    const int64_t most_segments = argc == 4 ? strtoll(argv[3], NULL, 10) : INT64_MAX;
    int64_t walks = 0, slow = 0, max = 0, max_segments = 0;
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    while (!is_over) {
        struct mono start = mono_now();
        int64_t seen = walk(argv[1]), spent_ms = mono_since_ms(start);
        walks++;
        if (spent_ms > SLOW_MS) {
            slow++;
        } else if (seen > limit || segments > most_segments) {
            is_listing = true;
            fprintf(
                stderr,
                "duwatch: %lld bytes and %lld segments in %s, the limits are %lld and %lld; a moment later:\n",
                (long long)seen, (long long)segments, argv[1], (long long)limit, (long long)most_segments);
            fprintf(stderr, "%10lld in all\n", (long long)walk(argv[1]));
            return 1;
        } else {
            max = seen > max ? seen : max;
            max_segments = segments > max_segments ? segments : max_segments;
        }
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    printf("{\"walks\":%lld,\"slow\":%lld,\"max\":%lld,\"max_segments\":%lld}\n", (long long)walks,
           (long long)slow, (long long)max, (long long)max_segments);
    return 0;
}
