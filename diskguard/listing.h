/* The entries of one directory, with a look ahead: readdir(3) without its one-at-a-time. One thread. */
#ifndef SPILLWAY_DISKGUARD_LISTING_H
#define SPILLWAY_DISKGUARD_LISTING_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"

struct listing {
    int fd;
    char *buffer;
    size_t at, end;            /* of the entries in the buffer; the next one, and behind the last */
    size_t ahead, ahead_count; /* entry that listing_ahead() tells next, and how many it is before `at` */
};

/* Open directory `name` in `parent`. -ENOMEM, or what open(2) says. */
NODISCARD int listing_open(struct listing *listing, int parent, const char *name);
void listing_close(struct listing *listing);

/* The next entry (valid until the next call), "." and ".." left out. NULL: the end (*rc 0) or a failure (*rc
 * negative). */
const struct dirent64 *listing_next(struct listing *listing, int *rc);

/* The inode of an entry that comes some entries later, each once; 0: none now. */
uint64_t listing_ahead(struct listing *listing);

#endif
