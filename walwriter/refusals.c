#include "walwriter/refusals.h"

#include <errno.h>
#include <inttypes.h>

#include "common/base/log.h"

int refusals_init(struct refusals *r, struct tools *tools)
{
    *r = (struct refusals){.tools = tools, .piece_max = tools->settings->block_bytes};
    sink_init(&r->sink, tools, WRITER_REFUSED);
    r->piece = malloc(r->piece_max);
    return r->piece ? 0 : -ENOMEM;
}

void refusals_fini(struct refusals *r)
{
    free(r->piece);
    json_decref(r->sink.why);
    *r = (struct refusals){.sink.writer.fd = -1};
}

/* A new .why for a new segment. */
static int start_list(struct refusals *r)
{
    json_decref(r->sink.why);
    r->list = json_array();
    r->count = 0;
    r->sink.why = json_pack("{s:s, s:s, s:o}", "reason", "rows that walwriter could not take", "input",
                            r->tools->settings->input_name, "rows", r->list);
    return r->sink.why ? 0 : -ENOMEM;
}

static int note_row(struct refusals *r, uint64_t line, const char *reason)
{
    int rc = r->sink.why ? 0 : start_list(r);
    if (rc)
        return rc;
    r->count++;
    if (json_array_size(r->list) < REFUSALS_LISTED_MAX &&
        json_array_append_new(r->list, json_pack("{s:I, s:s}", "line", (json_int_t)line, "reason", reason)) !=
            0)
        return -ENOMEM;
    return json_object_set_new(r->sink.why, "count", json_integer((json_int_t)r->count)) == 0 ? 0 : -ENOMEM;
}

int refusals_begin(struct refusals *r, uint64_t line, const char *reason, struct err *err)
{
    const char *input = r->tools->settings->input_name;
    if (r->tools->settings->is_strict)
        return err_set(err, -EBADMSG, "%s:%" PRIu64 ": %s", input, line, reason);
    int rc = note_row(r, line, reason);
    if (rc)
        return err_errno(err, rc, "%s:%" PRIu64 ": a bad row cannot be noted", input, line);
    log_warn("bad-row", log_s("input", input), log_u("line", line), log_s("reason", reason),
             log_s("action", "to quarantine"));
    r->is_in_row = true;
    r->last = '\0';
    return 0;
}

static int put_piece(struct refusals *r, struct err *err)
{
    if (r->fill == 0)
        return 0;
    int rc = sink_put(&r->sink, r->piece, r->fill, r->piece_rows, err);
    if (rc == 0) {
        r->fill = 0;
        r->piece_rows = 0;
    }
    return rc;
}

int refusals_bytes(struct refusals *r, const char *data, size_t bytes, struct err *err)
{
    if (bytes > 0)
        r->last = data[bytes - 1];
    r->bytes += bytes;
    while (bytes > 0) {
        size_t n = r->piece_max - r->fill < bytes ? r->piece_max - r->fill : bytes;
        memcpy(r->piece + r->fill, data, n);
        r->fill += n;
        data += n;
        bytes -= n;
        int rc = r->fill == r->piece_max ? put_piece(r, err) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

static int seal(struct refusals *r, struct err *err)
{
    int rc = sink_seal(&r->sink, err);
    json_decref(r->sink.why);
    r->sink.why = NULL;
    return rc;
}

/* The row counts in the block that holds its last byte: a segment without rows is never sealed, one with an
 * open row neither. */
int refusals_end(struct refusals *r, struct err *err)
{
    int rc = r->last == '\n' ? 0 : refusals_bytes(r, "\n", 1, err);
    if (rc)
        return rc;
    r->is_in_row = false;
    r->rows++;
    r->piece_rows++;
    if (r->sink.writer.fd < 0 || r->sink.writer.size_bytes < r->tools->settings->segment_bytes)
        return 0;
    rc = put_piece(r, err);
    return rc ? rc : seal(r, err);
}

int refusals_flush(struct refusals *r, struct err *err)
{
    int rc = put_piece(r, err);
    return rc ? rc : sink_settle(&r->sink, err);
}

struct mono refusals_due(const struct refusals *r)
{
    return sink_due(&r->sink);
}

int refusals_tick(struct refusals *r, struct err *err)
{
    if (r->is_in_row || !mono_is_past(sink_due(&r->sink)))
        return 0;
    int rc = refusals_flush(r, err);
    uint64_t segments = r->sink.segments;
    if (rc == 0)
        rc = sink_tick(&r->sink, err);
    if (r->sink.segments != segments) {
        json_decref(r->sink.why);
        r->sink.why = NULL;
    }
    return rc;
}

int refusals_close(struct refusals *r, struct err *err)
{
    int rc = r->is_in_row ? refusals_end(r, err) : 0;
    if (rc == 0)
        rc = put_piece(r, err);
    if (rc == 0)
        return seal(r, err);
    struct err ignored;
    (void)seal(r, &ignored);
    return rc;
}
