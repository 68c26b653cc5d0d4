/* The bytes of a part that was gathered (part.h), read from the batch's files as they are wanted: the whole
 * gzip member, or what one window of it adds.
 *
 *     body_init(&body, &source, &part);
 *     while ((n = body_read(&body, buffer, sizeof buffer)) > 0) ...
 *     body_fini(&body);
 *
 * Each payload is checked against its CRC as it passes, and the call that comes upon a damaged one fails
 * instead of giving its last bytes: what was promised with body_bytes() is then never complete, so nobody
 * takes it. Source and part are borrowed, and may not change meanwhile. One thread at a time. */
#ifndef UPLOADER_BODY_H
#define UPLOADER_BODY_H

#include <sys/types.h>

#include "uploader/batch/part.h"

struct body {
    const struct source *source;
    const struct part *part;
    uint64_t from, to;  /* positions in header, extents, tail; what lies between is given */
    uint64_t at;        /* position, likewise */
    size_t extent;      /* the one at hand */
    uint64_t extent_at; /* position of its first byte */
    uint32_t crc;       /* of its bytes before `at` */
    int failure;        /* what body_read() failed with; 0: it did not */
    int fd;             /* the file that is open, or -1 */
    uint32_t fd_source;
};

/* The whole member; or one window of it (part_next_window()), with the header when it is the first and the
 * tail when it is the last. Opens nothing yet. */
void body_init(struct body *body, const struct source *source, const struct part *part);
void body_init_window(struct body *body, const struct source *source, const struct part *part, bool is_first,
                      bool is_last);
void body_fini(struct body *body);

/* How many bytes body_read() will have given at its end. */
uint64_t body_bytes(const struct body *body);

/* From the beginning again. */
void body_rewind(struct body *body);

/* Up to `size` bytes; 0 at the end; -EBADMSG: a payload is damaged; or another negative errno. */
NODISCARD ssize_t body_read(struct body *body, void *buffer, size_t size);

/* Append the rows of the part, inflated, to `out` (whose ceiling is -ENOSPC). Errors as of body_read(). */
NODISCARD int body_inflate(const struct source *source, const struct part *part, struct tools *tools,
                           struct buf *out);

#endif
