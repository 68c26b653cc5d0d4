/* A part of a batch: a run of its rows that leaves as one gzip member, planned by join without touching the
 * bytes.
 *
 *     part_init(&part, raw_limit);
 *     rc = part_gather(&part, tools, source, &at);    // from cursor `at` on, until a limit; part.next is
 * where it ended body_init(&body, source, &part); while ((n = body_read(&body, buf, sizeof buf)) > 0) ... //
 * its bytes
 *
 * Thin batches (plan_is_thin) are deflated anew on the way; a block larger than the raw limit is cut between
 * rows. Both are functions of plan and cursor alone: gathering again gives the same bytes. Files that are
 * gone count as empty. */
#ifndef UPLOADER_PART_H
#define UPLOADER_PART_H

#include <sys/types.h>

#include "common/segment/codec.h"
#include "common/segment/join.h"
#include "common/segment/recompress.h"
#include "common/spool/walk.h"
#include "uploader/plan.h"

enum {
    PART_EXTENTS_MAX = 4096,         /* of one gathering: 96 KiB of plan */
    PART_MEMORY_BYTES = 1 << 20,     /* a gathering ends when so much was deflated anew (soft) */
    PART_MEMORY_MAX = 80 << 20,      /* the hard ceiling: a piece that is one huge row */
    PART_SOURCE_MEMORY = UINT32_MAX, /* join_extent.source: in part.memory, not in a file */
};

/* What one worker works with; allocated when first needed, about 2 MB. */
struct tools {
    struct codec *codec;
    struct recompress *recompress;
    struct walk *walk;
    struct buf payload, raw; /* of one block */
};
NODISCARD int tools_init(struct tools *tools);
void tools_fini(struct tools *tools);

/* Give back what an unusually large block made them take. */
void tools_trim(struct tools *tools);

/* The files of a batch: its directory and its plan, both borrowed. */
struct source {
    int dir;
    const struct plan *plan;
};

struct part {
    struct join join;
    struct buf memory;
    struct cursor next;
    uint64_t byte_limit;  /* a gathering ends when its extents have so many bytes (soft) */
    bool is_at_raw_limit; /* the last gathering ended because of raw_limit: another member begins here */
};

/* `raw_limit`: most raw bytes (UINT64_MAX: none). */
void part_init(struct part *part, uint64_t raw_limit);
void part_fini(struct part *part);
void part_reset(struct part *part);

/* Gather from `from` until the raw limit, PART_EXTENTS_MAX or PART_MEMORY_BYTES; at least one block. 0;
 * -EBADMSG a file is not what was verified; or a negative errno. */
NODISCARD int part_gather(struct part *part, struct tools *tools, const struct source *source,
                          const struct cursor *from);

/* Forget what was gathered, but keep the sums (CRC, raw bytes, rows): for a member that is written out window
 * by window. */
void part_next_window(struct part *part);

bool part_is_last(const struct part *part, const struct plan *plan);

/* Append the rows of all extents to `out` (whose ceiling is -ENOSPC). -EBADMSG as body_read(). */
NODISCARD int part_inflate(const struct part *part, struct tools *tools, const struct source *source,
                           struct buf *out);

/* The bytes of a part, pulled: the whole member, or what one window of it adds. Each payload is checked
 * against its CRC as it passes, and the call that comes upon a damaged one fails instead of giving its last
 * bytes: what was promised with body_bytes() is then never complete, so nobody takes it. */
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
void body_init(struct body *body, const struct source *source, const struct part *part);
void body_init_window(struct body *body, const struct source *source, const struct part *part, bool is_first,
                      bool is_last);
uint64_t body_bytes(const struct body *body);
void body_fini(struct body *body);
void body_rewind(struct body *body);

/* Up to `size` bytes; 0 at the end; -EBADMSG: a payload is damaged; or another negative errno. */
NODISCARD ssize_t body_read(struct body *body, void *buffer, size_t size);

#endif
