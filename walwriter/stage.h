/* The rows of one request, in memory until they are handed on: where rows end and whether they are good is
 * found out as they come.
 *
 *     at = stage_room(&stage, &room);                  fill some of it
 *     status = stage_take(&stage, bytes);
 *     STAGE_FULL, or at the end of the body stage_finish():
 *         status = stage_check(&stage);                data[0, end) are good rows, bad.data[0, bad.fill) bad
 * ones
 *         ... hand both on ...
 *         stage_next(&stage);                          forget them; an open row stays
 *
 * Bad rows end it (STAGE_BAD; `fault` says which and why) unless the stage is partial: then they are put
 * aside, up to REFUSALS with line and reason. Blank lines are no rows and are dropped. One thread at a time.
 */
#ifndef SPILLWAY_STAGE_H
#define SPILLWAY_STAGE_H

#include "common/base/memory.h"
#include "common/segment/rows.h"
#include "walwriter/faults.h"

enum {
    STAGE_BYTES = 1 << 20, /* so much is handed on at a time; a row may make it more */
};

enum stage_status {
    STAGE_OK,        /* go on */
    STAGE_FULL,      /* hand on what there is, then go on */
    STAGE_BAD,       /* a bad row: `fault` */
    STAGE_NO_MEMORY, /* the ceiling is reached */
};

/* Bytes that belong to it, and to nobody else; taken from `memory`. */
struct stage_buffer {
    char *data;
    size_t fill, capacity;
};

struct stage {
    struct memory *memory;
    enum segment_format format;
    size_t row_max_bytes, most_bytes; /* most_bytes: the largest capacity */
    bool is_partial, is_skipping;     /* is_skipping: in a row that is too long, whose bytes are put aside */
    struct rows_scanner scanner;
    struct stage_buffer good, bad;
    /* good.data[0, checked): good rows; [checked, end): whole rows; [end, fill): the start of one. */
    size_t checked, end;
    uint64_t rows;         /* good ones, in [0, checked) */
    uint64_t found, blank; /* rows and blank lines in [checked, end) */
    uint64_t line, row;    /* of the body, from 1: where data[checked] is */
    uint64_t bad_rows;     /* that end in the bad buffer */
    struct faults faults;  /* lines and reasons of the bad rows since the last stage_next() */
    struct fault fault;    /* of STAGE_BAD */
    struct fault first;    /* the first row that was put aside; row 0: none was */
};

/* `expected`: how large the body will be, 0 when that is not known. The stage takes memory as it needs it.
 * `memory` must outlive it. STAGE_OK or STAGE_NO_MEMORY; stage_fini() after either. */
enum stage_status stage_init(struct stage *stage, struct memory *memory, enum segment_format format,
                             size_t row_max_bytes, bool is_partial, uint64_t expected);
void stage_fini(struct stage *stage);

/* The largest block that it hands on. */
static inline size_t stage_block_max(size_t row_max_bytes)
{
    return STAGE_BYTES + row_max_bytes + 1;
}

/* Where to put the next bytes; `*room` is 0 when there is no memory for more. */
char *stage_room(struct stage *stage, size_t *room);

/* `bytes` were put there. */
NODISCARD enum stage_status stage_take(struct stage *stage, size_t bytes);

/* The body has ended: a last row without \n gets one. STAGE_OK or STAGE_BAD. */
NODISCARD enum stage_status stage_finish(struct stage *stage);

/* Look at the rows of [checked, end) one by one where that is needed. STAGE_OK, STAGE_BAD or STAGE_NO_MEMORY.
 */
NODISCARD enum stage_status stage_check(struct stage *stage);

/* What was there to hand on has been handed on. */
void stage_next(struct stage *stage);

#endif
