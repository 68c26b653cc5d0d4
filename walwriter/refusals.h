/* Rows that cannot be taken: they go, as they are, into segments in quarantine/, each with a .why that names
 * input, lines and reasons. A row may be of any length: it is passed on in pieces, as blocks of its segment
 * (which are therefore the only blocks that may hold a part of a row). One thread.
 *
 *     refusals_begin(r, line, reason)   refusals_bytes(r, data, n) ...   refusals_end(r) */
#ifndef SPILLWAY_REFUSALS_H
#define SPILLWAY_REFUSALS_H

#include "walwriter/sink.h"

enum { REFUSALS_LISTED_MAX = 1000 };

struct refusals {
    struct sink sink;
    struct tools *tools;
    json_t *list;   /* of lines and reasons in the segment that is open; owned by sink.why */
    uint64_t count; /* rows of that segment */
    char *piece;    /* what is not yet put into a block */
    size_t fill, piece_max;
    uint64_t piece_rows;
    bool is_in_row;
    char last; /* last byte of the open row */
    uint64_t rows, bytes;
};

NODISCARD int refusals_init(struct refusals *r, struct tools *tools);
void refusals_fini(struct refusals *r);

/* A row that starts at this line of the input is refused. With --strict: -EBADMSG, and `err` says it all. */
NODISCARD int refusals_begin(struct refusals *r, uint64_t line, const char *reason, struct err *err);
NODISCARD int refusals_bytes(struct refusals *r, const char *data, size_t bytes, struct err *err);
NODISCARD int refusals_end(struct refusals *r, struct err *err);

/* Write what is held in memory. */
NODISCARD int refusals_flush(struct refusals *r, struct err *err);

/* As sink_due() and sink_tick(). */
struct mono refusals_due(const struct refusals *r);
NODISCARD int refusals_tick(struct refusals *r, struct err *err);

/* End the open row, flush, and put the open segment into quarantine. */
NODISCARD int refusals_close(struct refusals *r, struct err *err);

#endif
