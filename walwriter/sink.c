#include "walwriter/sink.h"

#include <assert.h>
#include <errno.h>

#include "common/base/log.h"

enum { WAIT_MIN_MS = 10, WAIT_MAX_MS = 1000 };

static const struct mono never = {INT64_MAX};

int tools_init(struct tools *tools, size_t raw_max_bytes)
{
    tools->raw_max_bytes = raw_max_bytes;
    tools->member_max_bytes = member_bound(raw_max_bytes);
    tools->codec = codec_new();
    tools->member = malloc(tools->member_max_bytes);
    return tools->codec && tools->member ? 0 : -ENOMEM;
}

void tools_fini(struct tools *tools)
{
    codec_free(tools->codec);
    free(tools->member);
    tools->codec = NULL;
    tools->member = NULL;
}

void sink_init(struct sink *sink, struct tools *tools, enum writer_fate fate)
{
    *sink = (struct sink){.tools = tools, .fate = fate, .writer.fd = -1};
}

/* --- sealing ---------------------------------------------------------------------------------------- */

static bool is_dirty(const struct sink *sink)
{
    return writer_is_open(&sink->writer) && sink->writer.synced_bytes < sink->writer.size_bytes;
}

static int seal_writer(struct sink *sink, struct err *err)
{
    struct writer *w = &sink->writer;
    int rc = writer_seal(w, sink->tools->settings->sync != SYNC_NEVER, sink->why, err);
    if (rc)
        return rc;
    sink->segments++;
    log_info(sink->fate == WRITER_ROWS ? "sealed" : "refused", log_s("db", sink->tools->settings->origin.db),
             log_s("file", w->file), log_u("rows", w->counts.rows), log_u("raw_bytes", w->counts.raw_bytes),
             log_u("blocks", w->counts.blocks), log_u("bytes", w->size_bytes));
    if (sink->fate == WRITER_ROWS)
        hints_give(sink->tools->hints);
    return 0;
}

static int seal_open(struct sink *sink, struct err *err)
{
    if (!writer_is_open(&sink->writer))
        return 0;
    if (sink->writer.counts.rows == 0) {
        writer_discard(&sink->writer);
        return 0;
    }
    int rc = seal_writer(sink, err);
    if (rc) {
        log_error("not-sealed", log_s("file", sink->writer.file), log_u("rows", sink->writer.counts.rows),
                  log_s("cause", err->text),
                  log_s("action", "it stays in active/; the next walwriter adopts it"));
        writer_abandon(&sink->writer);
    }
    return rc;
}

/* --- waiting for room ------------------------------------------------------------------------------- */

struct wait {
    int delay_ms; /* 0: has not waited */
    struct mono since;
};

/* Returns -EINTR when a signal ended it. What the reason is, is said once. */
static int wait_for_room(struct sink *sink, struct wait *wait, const struct err *reason)
{
    if (wait->delay_ms == 0) {
        wait->since = mono_now();
        log_warn("waiting-for-room", log_s("db", sink->tools->settings->origin.db),
                 log_s("reason", reason->text));
    }
    wait->delay_ms = wait->delay_ms == 0 ? WAIT_MIN_MS : wait->delay_ms * 2;
    if (wait->delay_ms > WAIT_MAX_MS)
        wait->delay_ms = WAIT_MAX_MS;
    return stop_wait(sink->tools->stop, wait->delay_ms) ? -EINTR : 0;
}

static void end_wait(const struct sink *sink, const struct wait *wait)
{
    if (wait->delay_ms)
        log_info("room-again", log_s("db", sink->tools->settings->origin.db),
                 log_n("waited_ms", mono_since_ms(wait->since)));
}

/* --- putting ---------------------------------------------------------------------------------------- */

/* Rotation is here: a segment is sealed before it would grow over its limit. */
static int try_append(struct sink *sink, const struct pressed *block, const struct writer_counts *counts,
                      struct err *err)
{
    struct tools *tools = sink->tools;
    struct writer *w = &sink->writer;
    int rc = 0;
    size_t bytes = block->member_bytes;
    if (writer_is_open(w) && sink->fate == WRITER_ROWS && w->counts.blocks > 0 &&
        w->size_bytes + bytes > tools->settings->segment_bytes)
        rc = seal_writer(sink, err);
    /* No file is made for a block that would then not fit. */
    if (rc == 0 && !writer_is_open(w))
        rc = lease_take_file(tools->lease, writer_cost(&tools->settings->origin, sink->fate, bytes), err);
    if (rc == 0 && !writer_is_open(w))
        rc = writer_create(w, tools->spool, tools->lease, &tools->settings->origin, sink->fate, err);
    bool was_dirty = is_dirty(sink) && w->counts.blocks > 0;
    if (rc == 0)
        rc = writer_append(w, block->member, bytes, counts, err);
    if (rc == 0 && !was_dirty)
        sink->dirty_since = mono_now();
    if (rc == 0 && tools->settings->sync != SYNC_NEVER)
        writer_start_sync(w);
    return rc;
}

/* What was taken goes to where it can be uploaded, and who waits holds nothing that another could use. */
static void make_room(struct sink *sink)
{
    struct err err;
    struct sink *rows = sink->tools->rows;
    if (writer_is_open(&rows->writer) && rows->writer.counts.rows > 0 && seal_writer(rows, &err) != 0)
        log_warn("not-sealed-yet", log_s("file", rows->writer.file), log_s("cause", err.text));
    if (writer_is_open(&sink->writer) && sink->writer.counts.blocks == 0)
        writer_discard(&sink->writer);
    lease_settle(sink->tools->lease, WRITER_SEAL_BYTES + WRITER_WHY_BYTES);
}

static int append(struct sink *sink, const struct pressed *block, const struct writer_counts *counts,
                  struct err *err)
{
    struct wait wait = {0};
    for (;;) {
        int rc = try_append(sink, block, counts, err);
        if (rc == 0)
            end_wait(sink, &wait);
        if (rc == 0 || !writer_is_full(rc))
            return rc;
        make_room(sink);
        if (sink->tools->settings->fails_when_full)
            return rc;
        if (wait_for_room(sink, &wait, err) != 0)
            return err_set(err, -EINTR, "stopped while waiting for room");
    }
}

static int take_member(struct sink *sink, const struct pressed *block, struct err *err)
{
    const struct writer_counts counts = {.rows = block->rows, .raw_bytes = block->raw_bytes, .blocks = 1};
    if (block->rc)
        return err_errno(err, block->rc, "a block cannot be deflated");
    int rc = append(sink, block, &counts, err);
    if (rc)
        return rc;
    sink->total.rows += counts.rows;
    sink->total.raw_bytes += counts.raw_bytes;
    sink->total.blocks += counts.blocks;
    return 0;
}

static struct member_block block_of(const struct sink *sink, const void *raw, size_t bytes, uint64_t rows)
{
    assert(bytes > 0 && bytes <= sink->tools->raw_max_bytes && rows <= UINT32_MAX);
    return (struct member_block){
        .raw = raw, .raw_bytes = bytes, .rows = (uint32_t)rows, .mtime = (uint32_t)(wall_now_ms() / 1000)};
}

int sink_put(struct sink *sink, const void *raw, size_t bytes, uint64_t rows, struct err *err)
{
    struct tools *tools = sink->tools;
    const struct member_block block = block_of(sink, raw, bytes, rows);
    struct pressed done = {.member = tools->member, .raw_bytes = bytes, .rows = block.rows};
    done.rc =
        member_encode_data(tools->codec, &block, tools->member, tools->member_max_bytes, &done.member_bytes);
    return take_member(sink, &done, err);
}

/* --- through the press ------------------------------------------------------------------------------ */

/* What the press has done. */
static int append_pressed(struct sink *sink, struct err *err)
{
    const struct pressed *done;
    while (sink->press && !sink->is_broken && (done = press_take(sink->press)) != NULL) {
        int rc = take_member(sink, done, err);
        press_drop(sink->press);
        sink->is_broken = rc != 0;
        if (rc)
            return rc;
    }
    return 0;
}

static int append_all(struct sink *sink, struct err *err)
{
    if (sink->press && !sink->is_broken)
        press_wait(sink->press, true);
    return append_pressed(sink, err);
}

int sink_give(struct sink *sink, const void *raw, size_t bytes, uint64_t rows, struct err *err)
{
    const struct member_block block = block_of(sink, raw, bytes, rows);
    assert(!sink->is_broken);
    if (press_is_full(sink->press))
        press_wait(sink->press, false);
    int rc = append_pressed(sink, err);
    if (rc)
        return rc;
    press_give(sink->press, &block);
    return 0;
}

int sink_settle(struct sink *sink, struct err *err)
{
    int rc = append_all(sink, err);
    if (rc)
        return rc;
    return sink->tools->settings->sync == SYNC_ALWAYS && is_dirty(sink) ? writer_sync(&sink->writer, err) : 0;
}

int sink_seal(struct sink *sink, struct err *err)
{
    struct err later;
    int rc = append_all(sink, err);
    int sealed = seal_open(sink, rc ? &later : err);
    return rc ? rc : sealed;
}

/* --- time ------------------------------------------------------------------------------------------- */

static struct mono later(struct mono start, int64_t ms)
{
    return (struct mono){ms > (INT64_MAX - start.ns) / 1000000 ? INT64_MAX : start.ns + ms * 1000000};
}

static struct mono sync_due(const struct sink *sink)
{
    enum sync_mode mode = sink->tools->settings->sync;
    if ((mode != SYNC_INTERVAL && mode != SYNC_ALWAYS) || !is_dirty(sink))
        return never;
    return later(sink->dirty_since, mode == SYNC_INTERVAL ? SYNC_INTERVAL_MS : SYNC_GROUP_MS);
}

static struct mono age_due(const struct sink *sink)
{
    return writer_is_open(&sink->writer) ? later(sink->writer.created, sink->tools->settings->segment_age_ms)
                                         : never;
}

struct mono sink_due(const struct sink *sink)
{
    return mono_earlier(sync_due(sink), age_due(sink));
}

int sink_tick(struct sink *sink, struct err *err)
{
    int pressed = append_pressed(sink, err);
    if (pressed)
        return pressed;
    if (mono_is_past(age_due(sink)) && sink->writer.counts.rows > 0) {
        int rc = seal_writer(sink, err);
        if (rc && !writer_is_full(rc))
            return rc;
        if (rc) { /* a directory could not grow: the same is tried again after as long a time */
            sink->writer.created = mono_now();
            log_warn("not-sealed-yet", log_s("file", sink->writer.file), log_s("cause", err->text));
        }
    }
    return mono_is_past(sync_due(sink)) ? writer_sync(&sink->writer, err) : 0;
}
