/* What the file system itself leaves us: min-free, in bytes and inodes (statvfs). One thread. */
#ifndef SPILLWAY_DISKGUARD_LIMITS_H
#define SPILLWAY_DISKGUARD_LIMITS_H

#include <stdint.h>

#include "common/base/err.h"

/* Part of a whole: bytes, or a share. */
struct part {
    int64_t bytes;     /* -1: a share */
    int64_t permyriad; /* of the whole (1 % = 100) */
};

/* min-free, of the file system: "1G", "5%", "0.5%", "0"; a share is below 100 %. -EINVAL with what would be
 * accepted. Pure. */
NODISCARD int min_free_parse(const char *text, struct part *min_free, struct err *err);

/* failover-share, of max-disk-usage: "90%", "0.9" or "18G"; a share is at most 100 %. The same. */
NODISCARD int failover_share_parse(const char *text, struct part *share, struct err *err);

/* So many bytes of `whole`. */
int64_t part_of(const struct part *part, int64_t whole);

/* The file system at one moment. Of inodes the same share is kept as of bytes; a file system that does not
 * count inodes has INT64_MAX of them. */
struct fs_state {
    int64_t total_bytes, free_bytes, floor_bytes;
    int64_t total_inodes, free_inodes, floor_inodes;
};

/* Look at the file system of descriptor `fd`. Negative errno. */
NODISCARD int fs_look(int fd, const struct part *min_free, struct fs_state *fs);

#endif
