#include "tests/adxsim/csv.h"

void csv_init(struct csv *csv, const char *data, size_t len)
{
    *csv = (struct csv){.at = data, .end = data + len};
    if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
        csv->at += 3;
}

void csv_fini(struct csv *csv)
{
    free(csv->fields);
    free(csv->scratch);
    *csv = (struct csv){0};
}

const char *csv_result_text(enum csv_result result)
{
    switch (result) {
    case CSV_RECORD:
        return "a record";
    case CSV_END:
        return "the end";
    case CSV_CLOSING_QUOTE_MISSING:
        return "the closing quote is missing";
    case CSV_STRAY_QUOTE:
        return "a quote stands where RFC 4180 allows none";
    case CSV_STRAY_CR:
        return "a carriage return stands alone, outside quotes";
    case CSV_TOO_MANY_FIELDS:
        return "too many fields";
    }
    return "?";
}

static enum csv_result add_field(struct csv *csv, const char *text, size_t len)
{
    if (csv->nfields == CSV_FIELDS_MAX)
        return CSV_TOO_MANY_FIELDS;
    if (csv->nfields == csv->capacity) {
        size_t capacity = csv->capacity ? csv->capacity * 2 : 32;
        struct csv_field *fields = mem_alloc(capacity * sizeof *fields);
        if (csv->nfields)
            memcpy(fields, csv->fields, csv->nfields * sizeof *fields);
        free(csv->fields);
        csv->fields = fields;
        csv->capacity = capacity;
    }
    csv->fields[csv->nfields++] = (struct csv_field){text, len};
    return CSV_RECORD;
}

/* Room for the unescaped text of one field. Earlier fields of the record point into the block, so a block
 * that is too small is replaced only by one that takes the rest of the record, and they are moved along. */
static char *scratch_room(struct csv *csv, size_t len)
{
    if (csv->scratch_cap - csv->scratch_len < len) {
        size_t cap = (csv->scratch_len + len) * 2;
        char *scratch = mem_alloc(cap);
        if (csv->scratch_len)
            memcpy(scratch, csv->scratch, csv->scratch_len);
        for (size_t i = 0; i < csv->nfields; i++) {
            const char *text = csv->fields[i].text;
            if (csv->scratch && text >= csv->scratch && text < csv->scratch + csv->scratch_cap)
                csv->fields[i].text = scratch + (text - csv->scratch);
        }
        free(csv->scratch);
        csv->scratch = scratch;
        csv->scratch_cap = cap;
    }
    return csv->scratch + csv->scratch_len;
}

static enum csv_result add_unescaped(struct csv *csv, const char *text, size_t len)
{
    char *out = scratch_room(csv, len);
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        out[n++] = text[i];
        i += text[i] == '"' ? 1 : 0;
    }
    csv->scratch_len += n;
    return add_field(csv, out, n);
}

/* At the opening quote; leaves at what follows the closing one. */
static enum csv_result quoted_field(struct csv *csv)
{
    const char *start = csv->at + 1, *p = start;
    bool escaped = false;

    for (;;) {
        p = memchr(p, '"', (size_t)(csv->end - p));
        if (!p)
            return CSV_CLOSING_QUOTE_MISSING;
        if (p + 1 == csv->end || p[1] != '"')
            break;
        escaped = true;
        p += 2;
    }
    csv->at = p + 1;
    if (csv->at < csv->end && *csv->at != ',' && *csv->at != '\n' && *csv->at != '\r')
        return CSV_STRAY_QUOTE;
    return escaped ? add_unescaped(csv, start, (size_t)(p - start))
                   : add_field(csv, start, (size_t)(p - start));
}

static enum csv_result bare_field(struct csv *csv)
{
    const char *start = csv->at, *p = start;

    while (p < csv->end && *p != ',' && *p != '\n' && *p != '\r' && *p != '"')
        p++;
    csv->at = p;
    if (p < csv->end && *p == '"')
        return CSV_STRAY_QUOTE;
    return add_field(csv, start, (size_t)(p - start));
}

/* True at an end of line, which is then behind us. */
static bool end_line(struct csv *csv)
{
    if (csv->at < csv->end && *csv->at == '\n') {
        csv->at++;
        return true;
    }
    if (csv->end - csv->at >= 2 && csv->at[0] == '\r' && csv->at[1] == '\n') {
        csv->at += 2;
        return true;
    }
    return false;
}

enum csv_result csv_next(struct csv *csv)
{
    enum csv_result rc;

    csv->nfields = 0;
    csv->scratch_len = 0;
    while (end_line(csv))
        ;
    if (csv->at == csv->end)
        return CSV_END;
    csv->record++;
    for (;;) {
        rc = csv->at < csv->end && *csv->at == '"' ? quoted_field(csv) : bare_field(csv);
        if (rc != CSV_RECORD)
            return rc;
        if (csv->at == csv->end || end_line(csv))
            return CSV_RECORD;
        if (*csv->at == '\r')
            return CSV_STRAY_CR;
        csv->at++; /* the comma */
    }
}

void csv_write_field(struct buf *out, const char *text, size_t len)
{
    const char *end = text + len;
    bool quote = false;

    for (const char *p = text; p < end && !quote; p++)
        quote = *p == '"' || *p == ',' || *p == '\n' || *p == '\r';
    if (!quote) {
        if (buf_append(out, text, len) < 0)
            abort();
        return;
    }
    buf_putc(out, '"');
    for (const char *p = text; p < end; p++) {
        if (*p == '"')
            buf_putc(out, '"');
        buf_putc(out, *p);
    }
    buf_putc(out, '"');
}
