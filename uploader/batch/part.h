/* A part of a batch: a run of its rows that leaves as one gzip member, planned by join without touching the
 * bytes.
 *
 *     part_init(&part, raw_limit);
 *     rc = part_gather(&part, tools, &source, &at);   // from cursor `at` on, until a limit; part.next is
 * where it ended
 *     ... its bytes: body.h
 *     part_fini(&part);
 *
 * Thin batches (plan_is_thin) are deflated anew on the way; a block larger than the raw limit is cut between
 * rows. Both are functions of plan and cursor alone: gathering again gives the same bytes. Files that are
 * gone count as empty. */
#ifndef UPLOADER_PART_H
#define UPLOADER_PART_H

#include "common/segment/join.h"
#include "uploader/batch/plan.h"
#include "uploader/batch/tools.h"

enum {
    PART_EXTENTS_MAX = 4096,         /* of one gathering: 96 KiB of plan */
    PART_MEMORY_BYTES = 1 << 20,     /* a gathering ends when so much was deflated anew (soft) */
    PART_MEMORY_MAX = 80 << 20,      /* the hard ceiling: a piece that is one huge row */
    PART_SOURCE_MEMORY = UINT32_MAX, /* join_extent.source: in part.memory, not in a file */
};

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

#endif
