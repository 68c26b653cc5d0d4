#include "diskguard/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

enum { BUFFER_BYTES = 64 << 10, AHEAD = 16 };

int listing_open(struct listing *listing, int parent, const char *name)
{
    *listing = (struct listing){.fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (listing->fd < 0)
        return -errno;
    listing->buffer = malloc(BUFFER_BYTES);
    if (listing->buffer)
        return 0;
    close(listing->fd);
    return -ENOMEM;
}

void listing_close(struct listing *listing)
{
    close(listing->fd);
    free(listing->buffer);
    *listing = (struct listing){.fd = -1};
}

/* The kernel aligns entries. */
static const struct dirent64 *entry_at(const struct listing *listing, size_t at)
{
    return (const struct dirent64 *)(const void *)(listing->buffer + at);
}

static bool is_dots(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* 1: there are more; 0: the end. */
static int fill(struct listing *listing)
{
    ssize_t n = getdents64(listing->fd, listing->buffer, BUFFER_BYTES);
    if (n < 0 && errno == ENOENT) /* removed since it was opened: it was empty by then */
        n = 0;
    if (n < 0)
        return -errno;
    listing->at = listing->ahead = listing->ahead_count = 0;
    listing->end = (size_t)n;
    return n > 0;
}

const struct dirent64 *listing_next(struct listing *listing, int *rc)
{
    for (;;) {
        if (listing->at == listing->end && (*rc = fill(listing)) <= 0)
            return NULL;
        const struct dirent64 *entry = entry_at(listing, listing->at);
        listing->at += entry->d_reclen;
        if (listing->ahead_count)
            listing->ahead_count--;
        else
            listing->ahead = listing->at;
        if (is_dots(entry->d_name))
            continue;
        *rc = 0;
        return entry;
    }
}

uint64_t listing_ahead(struct listing *listing)
{
    if (listing->ahead_count == AHEAD || listing->ahead == listing->end)
        return 0;
    const struct dirent64 *entry = entry_at(listing, listing->ahead);
    listing->ahead += entry->d_reclen;
    listing->ahead_count++;
    return entry->d_ino;
}
