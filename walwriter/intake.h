/* From bytes to blocks: finds where rows end in what was read, and hands whole rows to the sink in blocks of
 * at most block-bytes (a block is larger only when it is one row), straight out of the buffer that they were
 * read into: that of the sink's press. Only the start of the next row is copied to the next buffer. Rows that
 * cannot be taken go to refusals.
 *
 *     for (;;) {
 *         at = intake_room(&in, &room);
 *         n = read(fd, at, room);
 *         intake_take(&in, n, &err);         every full block is with the sink now
 *         when intake_due() is past: intake_flush(&in, &err)
 *     }
 *     intake_finish(&in, &err);              end of input
 *
 * One thread. */
#ifndef SPILLWAY_INTAKE_H
#define SPILLWAY_INTAKE_H

#include "common/segment/rows.h"
#include "walwriter/refusals.h"
#include "walwriter/sink.h"

enum { INTAKE_READ_BYTES = 256 << 10 };

struct intake {
    const struct settings *settings;
    struct sink *sink;
    struct refusals *refusals;
    struct rows_scanner scanner;
    char *data; /* the press's */
    size_t capacity;
    /* data[begin, end): whole rows, not yet in a block; [end, fill): the start of a row; [0, scanned) was
     * scanned, which is all of it but during intake_take(). */
    size_t begin, end, scanned, fill;
    uint64_t rows, blank; /* in [begin, end) */
    uint64_t line;        /* of the input, 1-based: where data[begin] is */
    struct mono oldest;   /* since when there are rows in [begin, end) */
    bool is_skipping;     /* in a row that is too long; its bytes go to refusals */
};

/* The room that the intake needs in each of the press's buffers; no block is larger. */
size_t intake_block_max(const struct settings *settings);

/* `sink` has a press, whose blocks are of intake_block_max() bytes. */
void intake_init(struct intake *in, const struct settings *settings, struct sink *sink,
                 struct refusals *refusals);

/* Where to read to, and how much: what is left of a block, so that little has to be copied. */
char *intake_room(struct intake *in, size_t *room);

/* `bytes` were read there. Errors are those of sink_put() and refusals_begin(): the input ends here for us.
 */
NODISCARD int intake_take(struct intake *in, size_t bytes, struct err *err);

/* When rows have waited long enough. */
struct mono intake_due(const struct intake *in);

/* Put the whole rows that there are into a block. */
NODISCARD int intake_flush(struct intake *in, struct err *err);

/* End of input: a last row without \n gets one; one with an open quote is refused. */
NODISCARD int intake_finish(struct intake *in, struct err *err);

/* Bytes of a row that has not ended (not counting one that goes to refusals). */
size_t intake_left(const struct intake *in);

#endif
