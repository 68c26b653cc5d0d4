/* What the file system itself leaves us: min-free, in bytes and inodes (statvfs). One thread. */
#ifndef SPILLWAY_DISKGUARD_LIMITS_H
#define SPILLWAY_DISKGUARD_LIMITS_H

#include <stdint.h>

#include "common/base/err.h"

/* min-free as it was given: a size, or a share of the file system. */
struct min_free {
    int64_t bytes;     /* -1: a share */
    int64_t permyriad; /* of the file system, 0..9999 (1 % = 100) */
};

/* "1G", "5%", "0.5%", "0". -EINVAL with what would be accepted. Pure. */
NODISCARD int min_free_parse(const char *text, struct min_free *min_free, struct err *err);

/* The file system at one moment. Of inodes the same share is kept as of bytes; a file system that does not
 * count inodes has INT64_MAX of them. */
struct fs_state {
    int64_t total_bytes, free_bytes, floor_bytes;
    int64_t total_inodes, free_inodes, floor_inodes;
};

/* Look at the file system of descriptor `fd`. Negative errno. */
NODISCARD int fs_look(int fd, const struct min_free *min_free, struct fs_state *fs);

#endif
