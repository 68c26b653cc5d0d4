/* Rows in, sealed segments out: deflates blocks, appends them to the segment that is open, and seals it when
 * it is large or old enough, or when nothing more fits on the disk. Waits for room when that is what was
 * asked for. One thread; a sink with a press (press.h) has another that deflates: sink_give() then takes a
 * block and appends it later, in order, and what one call was given may be what a later one fails with. */
#ifndef SPILLWAY_SINK_H
#define SPILLWAY_SINK_H

#include "common/segment/codec.h"
#include "common/spool/writer.h"
#include "walwriter/hints.h"
#include "walwriter/press.h"
#include "walwriter/settings.h"
#include "walwriter/stop.h"

/* What all sinks of the process share; the caller's. */
struct tools {
    const struct settings *settings;
    struct spool *spool;
    struct lease *lease;
    struct codec *codec;
    struct stop *stop;
    struct hints *hints;
    struct sink
        *rows; /* the sink of good rows: sealed when anyone waits for room, so that it can be uploaded */
    uint8_t *member; /* one encoded block */
    size_t member_max_bytes, raw_max_bytes;
};

/* Allocate codec and block; the other members are set before. Blocks may be up to `raw_max_bytes` before
 * deflating. */
NODISCARD int tools_init(struct tools *tools, size_t raw_max_bytes);
void tools_fini(struct tools *tools);

struct sink {
    struct tools *tools;
    enum writer_fate fate;
    json_t *why; /* for WRITER_REFUSED: the caller's; it goes beside the segment when that is sealed */
    struct press *press; /* NULL, or the caller's: for sink_give() */
    bool is_broken;      /* a block that was given could not be appended: those after it are not, either */
    struct writer writer;
    struct mono dirty_since; /* while the writer has unsynced bytes */
    struct writer_counts total;
    uint64_t segments; /* sealed */
};

void sink_init(struct sink *sink, struct tools *tools, enum writer_fate fate);

/* Take a block: whole rows, at most raw_max_bytes of them. 0: in the segment's file.
 * Without room (writer_is_full(rc)): what was taken before is sealed, so that it can be uploaded and make
 * room; then it waits, or returns the error when so configured. -EINTR: a signal came while waiting. After
 * any error nothing of this block was taken. */
NODISCARD int sink_put(struct sink *sink, const void *raw, size_t bytes, uint64_t rows, struct err *err);

/* The same through the press: rows at `raw`, somewhere in press_buffer(sink->press), are deflated while this
 * returns and become part of the file in a later call of this, sink_tick(), sink_settle() or sink_seal(),
 * whose errors are then also those of sink_put(). After such an error none of the rows behind those of
 * total.rows will ever be taken. */
NODISCARD int sink_give(struct sink *sink, const void *raw, size_t bytes, uint64_t rows, struct err *err);

/* All that was given is in the file; with --sync always all that was given or put is durable when this
 * returns 0 (for when the input pauses; while it flows, sink_tick() does it). */
NODISCARD int sink_settle(struct sink *sink, struct err *err);

/* When sink_tick() has something to do. */
struct mono sink_due(const struct sink *sink);

/* Append what the press has done; sync and seal what is due. */
NODISCARD int sink_tick(struct sink *sink, struct err *err);

/* Append all that was given and seal what is open, if anything is. A file that cannot be sealed stays in
 * active/, to be adopted. */
NODISCARD int sink_seal(struct sink *sink, struct err *err);

#endif
