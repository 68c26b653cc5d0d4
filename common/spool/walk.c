#include "common/spool/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/file.h"

int walk_init(struct walk *walk, int fd, uint64_t offset)
{
    struct stat st;

    walk->fd = fd;
    walk->offset = offset;
    walk->window_bytes = 0;
    if (fstat(fd, &st) != 0)
        return -errno;
    walk->size = (uint64_t)st.st_size;
    return 0;
}

/* What is read with a tail: all of the next data member's header. Most members are much longer than that, and
 * what is read between their ends is read in vain. */
enum { TAIL_WINDOW_BYTES = 128 };

/* `bytes` at `at`, which the file has; where they are not there yet, `more` (at most a window) is read at
 * once. */
static int window(struct walk *walk, uint64_t at, size_t bytes, size_t more, const uint8_t **data)
{
    if (at < walk->window_at || at + bytes > walk->window_at + walk->window_bytes) {
        uint64_t left = walk->size - at;
        size_t have = left < more ? (size_t)left : more;
        walk->window_bytes = 0;
        int rc = file_read_at(walk->fd, walk->window, have, (off_t)at);
        if (rc)
            return rc;
        walk->window_at = at;
        walk->window_bytes = have;
    }
    *data = walk->window + (at - walk->window_at);
    return 0;
}

/* The header: from the window as a rule, else (a head) from a larger one, else (with a long schema) from a
 * buffer of its own. */
static int parse_header(struct walk *walk, uint64_t left, struct member *member)
{
    const uint8_t *data;
    size_t have = left < MEMBER_HEADER_MIN ? (size_t)left : MEMBER_HEADER_MIN, need;
    int rc = window(walk, walk->offset, have, WALK_WINDOW_BYTES, &data);
    if (rc)
        return rc;
    have = (size_t)(walk->window_at + walk->window_bytes - walk->offset);
    enum member_status status = member_parse_header(data, have, member, &need);
    if (status == MEMBER_SHORT && need <= left && need <= WALK_WINDOW_BYTES) {
        have = need;
        rc = window(walk, walk->offset, have, WALK_WINDOW_BYTES, &data);
        if (rc)
            return rc;
        status = member_parse_header(data, have, member, &need);
    }
    while (status == MEMBER_SHORT && need <= left && need <= sizeof walk->header) {
        have = need;
        rc = file_read_at(walk->fd, walk->header, have, (off_t)walk->offset);
        if (rc)
            return rc;
        status = member_parse_header(walk->header, have, member, &need);
        if (need <= have)
            break;
    }
    return status == MEMBER_OK && member->member_bytes <= left ? 0 : -EBADMSG;
}

int walk_next(struct walk *walk, struct member *member)
{
    const uint8_t *tail;
    uint8_t copy[MEMBER_TAIL_BYTES];

    if (walk->offset >= walk->size)
        return 0;
    uint64_t left = walk->size - walk->offset;
    if (left < MEMBER_BYTES_MIN)
        return -EBADMSG;
    int rc = parse_header(walk, left, member);
    if (rc)
        return rc;
    if (member->is_head && member->head_json >= (const char *)walk->window &&
        member->head_json < (const char *)walk->window + WALK_WINDOW_BYTES) {
        /* The tail may move the window: keep the text. */
        memcpy(walk->header, member->head_json, member->head_json_bytes);
        member->head_json = (const char *)walk->header;
    }
    member->offset = walk->offset;
    rc = window(walk, walk->offset + member->member_bytes - MEMBER_TAIL_BYTES, MEMBER_TAIL_BYTES,
                TAIL_WINDOW_BYTES, &tail);
    if (rc)
        return rc;
    memcpy(copy, tail, sizeof copy);
    if (member_parse_tail(copy, member) != MEMBER_OK)
        return -EBADMSG;
    walk->offset += member->member_bytes;
    return 1;
}

int walk_measure(struct walk *scratch, int dir, const char *file, struct walk_sums *sums)
{
    struct member member = {0};

    *sums = (struct walk_sums){0};
    int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int rc = walk_init(scratch, fd, 0);
    if (rc == 0)
        sums->bytes = scratch->size;
    while (rc == 0 && (rc = walk_next(scratch, &member)) > 0) {
        rc = 0;
        if (member.is_head)
            continue;
        sums->raw_bytes += member.isize;
        sums->rows += member.rows;
        sums->blocks++;
    }
    close(fd);
    return rc == -EBADMSG ? 0 : rc;
}
