#include "walwriter/stage.h"

#include <assert.h>

#include "walwriter/lines.h"

enum { FIRST_BYTES = 16 << 10 };

/* --- buffers ---------------------------------------------------------------------------------------- */

static bool grow_to(struct stage *stage, struct stage_buffer *buffer, size_t capacity)
{
    if (capacity <= buffer->capacity)
        return true;
    int64_t more = (int64_t)(capacity - buffer->capacity);
    if (!memory_take(stage->memory, more))
        return false;
    char *data = realloc(buffer->data, capacity);
    if (!data) {
        memory_give(stage->memory, more);
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

static bool append(struct stage *stage, struct stage_buffer *buffer, const char *data, size_t bytes)
{
    size_t need = buffer->fill + bytes, doubled = 2 * buffer->capacity;
    if (need > buffer->capacity && !grow_to(stage, buffer, need > doubled ? need : doubled))
        return false;
    if (bytes > 0)
        memcpy(buffer->data + buffer->fill, data, bytes);
    buffer->fill += bytes;
    return true;
}

static void drop(struct stage *stage, struct stage_buffer *buffer)
{
    memory_give(stage->memory, (int64_t)buffer->capacity);
    free(buffer->data);
    *buffer = (struct stage_buffer){0};
}

enum stage_status stage_init(struct stage *stage, struct memory *memory, enum segment_format format,
                             size_t row_max_bytes, bool is_partial, uint64_t expected)
{
    *stage = (struct stage){.memory = memory,
                            .format = format,
                            .row_max_bytes = row_max_bytes,
                            .most_bytes = stage_block_max(row_max_bytes),
                            .is_partial = is_partial,
                            .line = 1,
                            .row = 1};
    rows_init(&stage->scanner, format, row_max_bytes);
    size_t first = expected == 0                  ? FIRST_BYTES
                   : expected < stage->most_bytes ? (size_t)expected + 1
                                                  : stage->most_bytes;
    return grow_to(stage, &stage->good, first) ? STAGE_OK : STAGE_NO_MEMORY;
}

void stage_fini(struct stage *stage)
{
    drop(stage, &stage->good);
    drop(stage, &stage->bad);
    faults_fini(&stage->faults);
}

/* One byte stays for the \n that a last row may lack. */
char *stage_room(struct stage *stage, size_t *room)
{
    struct stage_buffer *good = &stage->good;
    if (good->capacity - good->fill <= 1) {
        size_t doubled = 2 * good->capacity;
        (void)grow_to(stage, good, doubled < stage->most_bytes ? doubled : stage->most_bytes);
    }
    *room = good->capacity - good->fill - 1;
    return good->data + good->fill;
}

/* --- bad rows --------------------------------------------------------------------------------------- */

/* The row where we are is bad: without partial that is the end. */
static enum stage_status begin_fault(struct stage *stage, const char *why)
{
    stage->fault = (struct fault){.row = stage->row, .line = stage->line};
    snprintf(stage->fault.why, sizeof stage->fault.why, "%s", why);
    if (!stage->is_partial)
        return STAGE_BAD;
    if (stage->first.row == 0)
        stage->first = stage->fault;
    faults_add(&stage->faults, &stage->fault);
    return STAGE_OK;
}

static enum stage_status put_aside(struct stage *stage, const char *data, size_t bytes)
{
    return append(stage, &stage->bad, data, bytes) ? STAGE_OK : STAGE_NO_MEMORY;
}

static enum stage_status end_fault(struct stage *stage)
{
    stage->is_skipping = false;
    stage->bad_rows++;
    bool is_ended = stage->bad.fill > 0 && stage->bad.data[stage->bad.fill - 1] == '\n';
    return is_ended ? STAGE_OK : put_aside(stage, "\n", 1);
}

/* --- looking at rows -------------------------------------------------------------------------------- */

/* One line of JSON; `*is_good` tells whether it stays. */
static enum stage_status check_line(struct stage *stage, const char *line, size_t bytes, bool *is_good)
{
    char why[JSON_ROW_WHY_BYTES];
    bool is_blank = bytes == 1 || (bytes == 2 && line[0] == '\r');
    *is_good = !is_blank && json_row_is_good(line, bytes, why);
    enum stage_status status = STAGE_OK;
    if (!is_blank && !*is_good) {
        status = begin_fault(stage, why);
        if (status == STAGE_OK)
            status = put_aside(stage, line, bytes);
        if (status == STAGE_OK)
            status = end_fault(stage);
    }
    stage->line++;
    stage->row += !is_blank;
    return status;
}

/* Lines that are no objects, and blank ones, go; the others close up. Returns where they end. */
static enum stage_status check_json(struct stage *stage, size_t *kept)
{
    char *data = stage->good.data;
    size_t length;
    *kept = stage->checked;
    for (size_t at = stage->checked; at < stage->end; at += length) {
        const char *newline = memchr(data + at, '\n', stage->end - at);
        length = newline ? (size_t)(newline - (data + at)) + 1 : stage->end - at;
        bool is_good;
        enum stage_status status = check_line(stage, data + at, length, &is_good);
        if (status != STAGE_OK)
            return status;
        if (is_good && *kept != at)
            memmove(data + *kept, data + at, length);
        *kept += is_good ? length : 0;
        stage->rows += is_good;
    }
    return STAGE_OK;
}

static void check_csv(struct stage *stage, size_t *kept)
{
    char *data = stage->good.data + stage->checked;
    size_t bytes = stage->end - stage->checked;
    stage->line += lines_count(data, bytes);
    stage->row += stage->found;
    stage->rows += stage->found;
    *kept = stage->checked + (stage->blank > 0 ? rows_drop_blank(SEGMENT_CSV, data, bytes) : bytes);
}

enum stage_status stage_check(struct stage *stage)
{
    struct stage_buffer *good = &stage->good;
    size_t kept;
    if (stage->format == SEGMENT_CSV)
        check_csv(stage, &kept);
    else {
        enum stage_status status = check_json(stage, &kept);
        if (status != STAGE_OK)
            return status;
    }
    if (kept < stage->end)
        memmove(good->data + kept, good->data + stage->end, good->fill - stage->end);
    good->fill -= stage->end - kept;
    stage->checked = stage->end = kept;
    stage->found = stage->blank = 0;
    return STAGE_OK;
}

/* --- taking ----------------------------------------------------------------------------------------- */

/* Bytes of a row that is too long, at data[end, fill): those that belong to it are put aside. */
static enum stage_status skip(struct stage *stage)
{
    struct stage_buffer *good = &stage->good;
    char *data = good->data + stage->end;
    size_t there = good->fill - stage->end, taken = rows_skip(&stage->scanner, data, there);
    enum stage_status status = put_aside(stage, data, taken);
    if (status != STAGE_OK)
        return status;
    stage->line += lines_count(data, taken);
    memmove(data, data + taken, there - taken);
    good->fill -= taken;
    if (stage->scanner.row_bytes > 0)
        return stage->bad.fill >= STAGE_BYTES ? STAGE_FULL : STAGE_OK;
    return end_fault(stage);
}

/* data[end, end + bytes) leaves the good rows for the bad ones; all before it is checked. */
static enum stage_status take_out(struct stage *stage, size_t bytes)
{
    struct stage_buffer *good = &stage->good;
    char *data = good->data + stage->end;
    enum stage_status status = put_aside(stage, data, bytes);
    stage->line += lines_count(data, bytes);
    memmove(data, data + bytes, good->fill - stage->end - bytes);
    good->fill -= bytes;
    return status;
}

/* The first `bytes` from data[end] on are the start of a row that is too long. */
static enum stage_status begin_long_row(struct stage *stage, size_t bytes)
{
    char why[JSON_ROW_WHY_BYTES];
    snprintf(why, sizeof why, "longer than max-row-bytes (%zu)%s", stage->row_max_bytes,
             stage->scanner.in_quotes ? ", inside quotes" : "");
    enum stage_status status = stage_check(stage);
    if (status == STAGE_OK)
        status = begin_fault(stage, why);
    if (status != STAGE_OK)
        return status;
    stage->is_skipping = true;
    stage->row++;
    return take_out(stage, bytes);
}

static enum stage_status scan(struct stage *stage, size_t *from)
{
    struct rows_found found;
    struct stage_buffer *good = &stage->good;
    enum rows_status status = rows_scan(&stage->scanner, good->data + *from, good->fill - *from, &found);
    if (found.end > 0) {
        stage->end = *from + found.end;
        stage->found += found.rows;
        stage->blank += found.blank;
    }
    *from += found.scanned;
    if (status != ROWS_TOO_LONG)
        return STAGE_OK;
    enum stage_status rc = begin_long_row(stage, *from - stage->end);
    *from = stage->end;
    return rc;
}

enum stage_status stage_take(struct stage *stage, size_t bytes)
{
    size_t from = stage->good.fill;
    enum stage_status status = STAGE_OK;
    stage->good.fill += bytes;
    assert(stage->good.fill <= stage->good.capacity);
    while (status == STAGE_OK && from < stage->good.fill) {
        if (stage->is_skipping) {
            status = skip(stage);
            from = stage->end;
        } else {
            status = scan(stage, &from);
        }
    }
    bool is_full = stage->end >= STAGE_BYTES || stage->bad.fill >= STAGE_BYTES;
    return status == STAGE_OK && is_full ? STAGE_FULL : status;
}

/* --- the end of the body ---------------------------------------------------------------------------- */

static enum stage_status refuse_open_quote(struct stage *stage)
{
    enum stage_status status = stage_check(stage);
    if (status == STAGE_OK)
        status = begin_fault(stage, "a quote in it is never closed");
    if (status != STAGE_OK)
        return status;
    stage->row++;
    status = take_out(stage, stage->good.fill - stage->end);
    return status == STAGE_OK ? end_fault(stage) : status;
}

enum stage_status stage_finish(struct stage *stage)
{
    struct stage_buffer *good = &stage->good;
    if (stage->is_skipping)
        return end_fault(stage);
    enum rows_status status = rows_end(&stage->scanner);
    if (status == ROWS_OPEN_QUOTE)
        return refuse_open_quote(stage);
    if (status != ROWS_OPEN)
        return STAGE_OK;
    size_t bytes = good->fill - stage->end;
    bool is_blank = bytes == 1 && good->data[stage->end] == '\r';
    good->data[good->fill++] = '\n';
    stage->end = good->fill;
    stage->found += !is_blank;
    stage->blank += is_blank;
    return STAGE_OK;
}

void stage_next(struct stage *stage)
{
    struct stage_buffer *good = &stage->good;
    if (stage->checked > 0)
        memmove(good->data, good->data + stage->checked, good->fill - stage->checked);
    good->fill -= stage->checked;
    stage->end -= stage->checked;
    stage->checked = 0;
    stage->rows = stage->bad_rows = 0;
    stage->bad.fill = 0;
    faults_fini(&stage->faults);
}
