#include "walwriter/intake.h"

#include <assert.h>
#include <errno.h>

#include "walwriter/json_rows.h"
#include "walwriter/lines.h"

size_t intake_block_max(const struct settings *settings)
{
    return (settings->block_bytes > settings->row_max_bytes ? settings->block_bytes
                                                            : settings->row_max_bytes) +
           INTAKE_READ_BYTES;
}

void intake_init(struct intake *in, const struct settings *settings, struct sink *sink,
                 struct refusals *refusals)
{
    *in = (struct intake){.settings = settings, .sink = sink, .refusals = refusals, .line = 1};
    rows_init(&in->scanner, settings->origin.format, settings->row_max_bytes);
    in->capacity = intake_block_max(settings);
    in->data = press_buffer(sink->press);
}

/* Move what there is to the front when less than a read fits behind it. */
static void compact(struct intake *in)
{
    if (in->capacity - in->fill >= INTAKE_READ_BYTES)
        return;
    memmove(in->data, in->data + in->begin, in->fill - in->begin);
    in->end -= in->begin;
    in->fill -= in->begin;
    in->scanned -= in->begin;
    in->begin = 0;
}

char *intake_room(struct intake *in, size_t *room)
{
    size_t used = in->fill - in->begin, block = in->settings->block_bytes;
    if (used == 0)
        in->begin = in->end = in->fill = in->scanned = 0;
    compact(in);
    size_t wish = used < block ? block - used : INTAKE_READ_BYTES;
    *room = in->capacity - in->fill < wish ? in->capacity - in->fill : wish;
    assert(*room > 0);
    return in->data + in->fill;
}

/* --- blocks ----------------------------------------------------------------------------------------- */

/* Take the lines that are no JSON object out of a block, in place; blank lines go with them. */
static int keep_good_json(struct intake *in, char *data, size_t *bytes, uint64_t *rows, struct err *err)
{
    size_t kept = 0, length;
    uint64_t line = in->line;
    *rows = 0;
    for (size_t at = 0; at < *bytes; at += length, line++) {
        char why[JSON_ROW_WHY_BYTES];
        char *row = data + at;
        const char *newline = memchr(row, '\n', *bytes - at);
        length = newline ? (size_t)(newline - row) + 1 : *bytes - at;
        if (length == 1 || (length == 2 && row[0] == '\r'))
            continue;
        if (!json_row_is_good(row, length, why)) {
            int rc = refusals_begin(in->refusals, line, why, err);
            if (rc == 0)
                rc = refusals_bytes(in->refusals, row, length, err);
            if (rc == 0)
                rc = refusals_end(in->refusals, err);
            if (rc) {
                *bytes = kept;
                return rc;
            }
            continue;
        }
        if (kept != at)
            memmove(data + kept, row, length);
        kept += length;
        ++*rows;
    }
    *bytes = kept;
    return 0;
}

/* The press takes the buffer; what is behind the block goes to the front of the next one. */
static int give_block(struct intake *in, const char *block, size_t bytes, uint64_t rows, struct err *err)
{
    const char *rest = in->data + in->end;
    size_t left = in->fill - in->end;
    int rc = sink_give(in->sink, block, bytes, rows, err);
    if (rc)
        return rc;
    in->data = press_buffer(in->sink->press);
    memcpy(in->data, rest, left);
    in->scanned -= in->end;
    in->begin = in->end = 0;
    in->fill = left;
    return 0;
}

/* data[begin, end) becomes a block. */
static int put_block(struct intake *in, struct err *err)
{
    char *data = in->data + in->begin;
    size_t bytes = in->end - in->begin;
    uint64_t rows = in->rows;
    if (bytes == 0)
        return 0;
    size_t lines = lines_count(data, bytes);
    int rc = 0;
    if (in->settings->origin.format == SEGMENT_JSON)
        rc = keep_good_json(in, data, &bytes, &rows, err);
    else if (in->blank > 0)
        bytes = rows_drop_blank(SEGMENT_CSV, data, bytes);
    /* With --strict a bad row ends it all, but the rows before it are taken. */
    struct err why;
    int put = bytes > 0 ? give_block(in, data, bytes, rows, rc ? &why : err) : 0;
    if (rc || put)
        return rc ? rc : put;
    in->line += lines;
    in->begin = in->end;
    in->rows = in->blank = 0;
    return 0;
}

int intake_flush(struct intake *in, struct err *err)
{
    int rc = put_block(in, err);
    if (rc == 0 && !in->is_skipping)
        rc = refusals_flush(in->refusals, err);
    return rc ? rc : sink_settle(in->sink, err);
}

struct mono intake_due(const struct intake *in)
{
    bool has_refused = in->refusals->fill > 0 && !in->is_skipping;
    if (in->end == in->begin && !has_refused)
        return (struct mono){INT64_MAX};
    return (struct mono){in->oldest.ns + in->settings->flush_interval_ms * 1000000};
}

/* --- rows ------------------------------------------------------------------------------------------- */

/* Pass the bytes of a row that is too long on to refusals. */
static int skip_row(struct intake *in, struct err *err)
{
    char *data = in->data + in->scanned;
    size_t there = in->fill - in->scanned;
    size_t taken = rows_skip(&in->scanner, data, there);
    int rc = refusals_bytes(in->refusals, data, taken, err);
    in->line += lines_count(data, taken);
    in->scanned += taken;
    in->begin = in->end = in->scanned;
    if (rc == 0 && (taken < there || in->scanner.row_bytes == 0)) {
        in->is_skipping = false;
        rc = refusals_end(in->refusals, err);
    }
    return rc;
}

/* The row that starts at data[end] and goes on behind data[scanned) is longer than allowed. */
static int refuse_long_row(struct intake *in, struct err *err)
{
    char why[80];
    int rc = put_block(in, err);
    if (rc)
        return rc;
    snprintf(why, sizeof why, "longer than max-row-bytes (%zu)%s", in->settings->row_max_bytes,
             in->scanner.in_quotes ? ", inside quotes" : "");
    const char *row = in->data + in->end;
    size_t bytes = in->scanned - in->end;
    rc = refusals_begin(in->refusals, in->line, why, err);
    if (rc == 0)
        rc = refusals_bytes(in->refusals, row, bytes, err);
    if (rc)
        return rc;
    in->line += lines_count(row, bytes);
    in->begin = in->end = in->scanned;
    in->is_skipping = true;
    if (in->oldest.ns == 0)
        in->oldest = mono_now();
    return 0;
}

/* How far to look for row ends, so that what is found makes a block of the right size: to the block's limit;
 * and when the open row alone goes beyond it, to the next \n, which may end that row and no other. */
static size_t window(const struct intake *in)
{
    size_t left = in->fill - in->scanned, used = in->scanned - in->begin;
    if (used < in->settings->block_bytes)
        return left < in->settings->block_bytes - used ? left : in->settings->block_bytes - used;
    const char *next = in->data + in->scanned, *newline = memchr(next, '\n', left);
    return newline ? (size_t)(newline - next) + 1 : left;
}

static int scan_window(struct intake *in, struct err *err)
{
    struct rows_found found;
    enum rows_status status = rows_scan(&in->scanner, in->data + in->scanned, window(in), &found);
    if (found.end > 0) {
        if (in->end == in->begin)
            in->oldest = mono_now();
        in->end = in->scanned + found.end;
        in->rows += found.rows;
        in->blank += found.blank;
    }
    in->scanned += found.scanned;
    if (status == ROWS_TOO_LONG)
        return refuse_long_row(in, err);
    bool is_full = in->scanned - in->begin >= in->settings->block_bytes;
    return is_full && in->end > in->begin ? put_block(in, err) : 0;
}

int intake_take(struct intake *in, size_t bytes, struct err *err)
{
    int rc = 0;
    in->fill += bytes;
    assert(in->fill <= in->capacity);
    while (rc == 0 && in->scanned < in->fill)
        rc = in->is_skipping ? skip_row(in, err) : scan_window(in, err);
    return rc;
}

/* --- the end ---------------------------------------------------------------------------------------- */

size_t intake_left(const struct intake *in)
{
    return in->is_skipping ? 0 : in->fill - in->end;
}

static int refuse_open_quote(struct intake *in, struct err *err)
{
    int rc = refusals_begin(in->refusals, in->line, "a quote in it is never closed", err);
    if (rc == 0)
        rc = refusals_bytes(in->refusals, in->data + in->end, in->fill - in->end, err);
    if (rc == 0)
        rc = refusals_end(in->refusals, err);
    in->begin = in->end = in->fill;
    return rc;
}

int intake_finish(struct intake *in, struct err *err)
{
    enum rows_status status = in->is_skipping ? ROWS_OK : rows_end(&in->scanner);
    int rc = 0;
    if (status == ROWS_OPEN) {
        /* It may not fit with the rows before it. */
        if (in->fill + 1 - in->begin > in->settings->block_bytes)
            rc = put_block(in, err);
        compact(in);
        in->data[in->fill++] = '\n';
        bool is_blank = in->fill - in->end == 1 || (in->fill - in->end == 2 && in->data[in->end] == '\r');
        in->rows += !is_blank;
        in->blank += is_blank;
        in->end = in->fill;
    }
    in->scanned = in->fill;
    if (rc == 0)
        rc = put_block(in, err);
    if (rc == 0 && status == ROWS_OPEN_QUOTE)
        rc = refuse_open_quote(in, err);
    in->is_skipping = false;
    return rc ? rc : intake_flush(in, err);
}
