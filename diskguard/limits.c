#include "diskguard/limits.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/statvfs.h>

#include "common/base/units.h"

enum { PERMYRIAD = 10000 };

/* "12.34" to 1234. */
static bool parse_share(const char *text, size_t len, int64_t *permyriad)
{
    int64_t value = 0;
    int decimals = -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' && decimals < 0 && i > 0) {
            decimals = 0;
        } else if (text[i] >= '0' && text[i] <= '9' && decimals < 2 && value < PERMYRIAD) {
            value = value * 10 + (text[i] - '0');
            decimals += decimals >= 0;
        } else {
            return false;
        }
    }
    for (int i = decimals < 0 ? 0 : decimals; i < 2; i++)
        value *= 10;
    *permyriad = value;
    return len > 0 && decimals != 0 && value < PERMYRIAD;
}

int min_free_parse(const char *text, struct min_free *min_free, struct err *err)
{
    size_t len = strlen(text);
    *min_free = (struct min_free){.bytes = -1};
    bool is_good = len && text[len - 1] == '%' ? parse_share(text, len - 1, &min_free->permyriad)
                                               : units_parse_size(text, &min_free->bytes) == 0;
    return is_good ? 0
                   : err_set(err, -EINVAL,
                             "min-free = %s: not understood: give a size, as 1G, or a share of the file "
                             "system below 100%%, "
                             "as 5%%",
                             text);
}

static int64_t clamp(unsigned long long value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static int64_t share_of(int64_t total, double share)
{
    return (int64_t)((double)total * share);
}

int fs_look(int fd, const struct min_free *min_free, struct fs_state *fs)
{
    struct statvfs vfs;
    if (fstatvfs(fd, &vfs) != 0)
        return -errno;
    unsigned long long unit = vfs.f_frsize ? vfs.f_frsize : vfs.f_bsize;
    *fs = (struct fs_state){.total_bytes = clamp(vfs.f_blocks * unit),
                            .free_bytes = clamp(vfs.f_bavail * unit)};
    double share = (double)min_free->permyriad / PERMYRIAD;
    if (min_free->bytes >= 0)
        share = fs->total_bytes > min_free->bytes ? (double)min_free->bytes / (double)fs->total_bytes : 1;
    fs->floor_bytes = min_free->bytes >= 0 ? min_free->bytes : share_of(fs->total_bytes, share);
    if (vfs.f_files) {
        fs->total_inodes = clamp(vfs.f_files);
        fs->free_inodes = clamp(vfs.f_favail);
        fs->floor_inodes = share_of(fs->total_inodes, share);
    } else {
        fs->total_inodes = fs->free_inodes = INT64_MAX;
    }
    return 0;
}
