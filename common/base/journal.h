/* A redo log: JSON lines that are durable before what they say is done, so that each line is a thing that has
 * happened, whoever was killed meanwhile.
 *
 *     journal_open()      takes off a torn last line and has redo() finish the last lines, newest first
 *     journal_append()    the lines, durable: the commit; then the caller does what they say, and makes that
 *                         durable before the next journal_append()
 *     journal_rotate()    when it has grown: the file becomes NAME.1 (one is kept), a new one begins
 *
 * A line is at most JOURNAL_LINE_MAX bytes with its end, an append at most `batch` lines: no more can be
 * unfinished. One process and one thread at a time: the caller has a lock for it. */
#ifndef SPILLWAY_JOURNAL_H
#define SPILLWAY_JOURNAL_H

#include <jansson.h>
#include <stdint.h>

#include "common/base/buf.h"

enum { JOURNAL_LINE_MAX = 4096 };

struct journal {
    int dir;          /* the caller's */
    const char *name; /* a constant */
    unsigned batch;
    const char *crash_write, *crash_record; /* crash points: before and after the lines are durable */
    int fd;                                 /* -1: there is no file yet; it is made with the first line */
    int64_t bytes;
};

/* What a line says, done again: it may be done already, wholly or in part. Lines that cannot be understood
 * are not shown. */
typedef void journal_redo(void *arg, const json_t *line);

/* dir, name, batch and the crash points are set by the caller. 0 or a negative errno. */
NODISCARD int journal_open(struct journal *journal, journal_redo *redo, void *arg);
void journal_close(struct journal *journal);

/* Each of `lines` ends with a newline. On failure none of them is there. */
NODISCARD int journal_append(struct journal *journal, const struct buf *lines);

/* `first`: the lines that the new file begins with. A crash leaves the old file, or the new one and NAME.1.
 * Only when all that the lines say is done. */
NODISCARD int journal_rotate(struct journal *journal, const char *first, size_t bytes);

/* Show every line of a file, oldest first; also to those who only read. A torn last line is passed over.
 * -ENOENT: there is none. `each` as above. */
NODISCARD int journal_read(int dir, const char *name, journal_redo *each, void *arg);

#endif
