#include "diskguard/limits.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/statvfs.h>

#include "common/base/units.h"

enum { PERMYRIAD = 10000 };

/* "12.34" to 1234. */
static bool parse_hundredths(const char *text, size_t len, int64_t *value)
{
    int64_t sum = 0;
    int decimals = -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' && decimals < 0 && i > 0) {
            decimals = 0;
        } else if (text[i] >= '0' && text[i] <= '9' && decimals < 2 && sum <= PERMYRIAD) {
            sum = sum * 10 + (text[i] - '0');
            decimals += decimals >= 0;
        } else {
            return false;
        }
    }
    for (int i = decimals < 0 ? 0 : decimals; i < 2; i++)
        sum *= 10;
    *value = sum;
    return len > 0 && decimals != 0;
}

static bool parse_part(const char *text, struct part *part)
{
    size_t len = strlen(text);
    *part = (struct part){.bytes = -1};
    if (len && text[len - 1] == '%')
        return parse_hundredths(text, len - 1, &part->permyriad) && part->permyriad <= PERMYRIAD;
    return units_parse_size(text, &part->bytes) == 0;
}

int min_free_parse(const char *text, struct part *min_free, struct err *err)
{
    if (parse_part(text, min_free) && min_free->permyriad < PERMYRIAD)
        return 0;
    return err_set(err, -EINVAL,
                   "min-free = %s: not understood: give a size, as 1G, or a share of the file system below "
                   "100%%, as 5%%",
                   text);
}

int failover_share_parse(const char *text, struct part *share, struct err *err)
{
    int64_t hundredths;
    *share = (struct part){.bytes = -1};
    bool is_fraction = strspn(text, "0123456789.") == strlen(text) && strchr(text, '.');
    bool is_good = is_fraction ? parse_hundredths(text, strlen(text), &hundredths) && hundredths <= 100
                               : parse_part(text, share);
    if (is_good && is_fraction)
        share->permyriad = hundredths * 100;
    if (is_good && (share->bytes > 0 || share->permyriad > 0))
        return 0;
    return err_set(err, -EINVAL,
                   "failover-share = %s: not understood: give a share of max-disk-usage above 0 and up to "
                   "100%%, as 90%%, or a size, as 10G",
                   text);
}

int64_t part_of(const struct part *part, int64_t whole)
{
    return part->bytes >= 0 ? part->bytes : (int64_t)((double)whole * (double)part->permyriad / PERMYRIAD);
}

static int64_t clamp(unsigned long long value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static int64_t share_of(int64_t total, double share)
{
    return (int64_t)((double)total * share);
}

int fs_look(int fd, const struct part *min_free, struct fs_state *fs)
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
