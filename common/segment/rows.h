/* Where rows end: the splitter of everything that comes in, and the counter of verify --deep.
 *
 * JSON: a row is a line. CSV (RFC 4180): a row ends at a \n outside quotes. A quote opens a quoted part only
 * at the start of a field, or right after a closing quote (that is how "" is an escaped quote); anywhere else
 * it is an ordinary character. \r\n is kept as it is.
 *
 * A BLANK LINE IS NOT A ROW, in both formats: a line that is only \n or \r\n, where a row would start. ADX
 * stores no row for it, so neither do we count one. Scanning counts blank lines apart; a writer that finds
 * some takes them out with rows_drop_blank() (rare, slower), so that in what we write rows = lines for any
 * reader.
 *
 * A writer's loop: read into one big buffer; scan only what is new; deflate straight from the buffer.
 *
 *     rows_init(&s, SEGMENT_CSV, row_max);
 *     for (;;) {
 *         n = read(fd, buf + fill, cap - fill)
 *         status = rows_scan(&s, buf + fill, n, &found);   // at most what one block should still take at a
 * time if (found.end > 0)  { end = fill + found.end; rows += found.rows; blank += found.blank; } fill += n;
 *         if (status == ROWS_TOO_LONG) the row that starts at buf + end is over row_max: refuse it
 *         when buf[0, end) is worth a block (size, or the flush interval):
 *             if (blank > 0) bytes = rows_drop_blank(format, buf, end);
 *             deflate buf[0, bytes); memmove the open row buf[end, fill) to the front (or go on behind it):
 *             the scanner has seen it already and remembers, by value, all it needs.
 *     }
 *     end of input: rows_end(&s): ROWS_OK, ROWS_OPEN (append \n), ROWS_OPEN_QUOTE (refuse: s.row_bytes before
 * the end starts a row whose quote is never closed).
 *
 * Pure; no allocation; one thread at a time for one struct. */
#ifndef SPILLWAY_SEGMENT_ROWS_H
#define SPILLWAY_SEGMENT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"
#include "common/segment/format.h"

enum {
    ROWS_ROW_MIN = 64, /* the smallest row_max that rows_init() takes */
};

enum rows_status {
    ROWS_OK = 0,
    ROWS_TOO_LONG,   /* rows_scan: a row is over row_max */
    ROWS_OPEN,       /* rows_end: the last row has no \n */
    ROWS_OPEN_QUOTE, /* rows_end: the last row ends inside quotes */
};

struct rows_scanner {
    enum segment_format format;
    size_t row_max;   /* longest row in bytes, its \n included */
    size_t row_bytes; /* bytes of the open row so far; 0: at the start of a row */
    /* private */
    bool in_quotes;
    bool may_open; /* a quote now would open (or reopen) quotes */
    char last;     /* the last byte seen */
};

struct rows_found {
    size_t end; /* bytes of this call's data up to and with its last row end (blank lines too); 0: none ends
                   in it */
    size_t scanned; /* bytes of this call's data that were scanned: all, but for ROWS_TOO_LONG */
    uint64_t rows;  /* rows that ended in data[0, end), blank lines not counted */
    uint64_t blank; /* blank lines that ended there */
};

/* row_max from ROWS_ROW_MIN to SIZE_MAX / 2 (no limit in practice). */
void rows_init(struct rows_scanner *s, enum segment_format format, size_t row_max);

/* Scan the next bytes of the input. ROWS_OK or ROWS_TOO_LONG; *found is filled in both cases, and with
 * ROWS_TOO_LONG covers what is before the long row, which starts s->row_bytes before data[scanned]. After
 * ROWS_TOO_LONG the scanner is in the middle of that row: either give up, or rows_skip() the rest of it. */
NODISCARD enum rows_status rows_scan(struct rows_scanner *s, const char *data, size_t bytes,
                                     struct rows_found *found);

/* Pass over the rest of the open row, however long. Returns how many bytes of data belong to it. s->row_bytes
 * goes on counting while it lasts, and is 0 when it has ended. */
size_t rows_skip(struct rows_scanner *s, const char *data, size_t bytes);

/* What is open at the end of the input: ROWS_OK (nothing), ROWS_OPEN or ROWS_OPEN_QUOTE; s->row_bytes long.
 */
enum rows_status rows_end(const struct rows_scanner *s);

/* Take the blank lines out of whole rows (data starts where a row starts), in place. Returns the bytes left.
 */
size_t rows_drop_blank(enum segment_format format, char *data, size_t bytes);

/* Count a whole block: true if it ends at a row's end (or is empty). *rows without blank lines. */
NODISCARD bool rows_count(enum segment_format format, const char *data, size_t bytes, uint64_t *rows);

#endif
