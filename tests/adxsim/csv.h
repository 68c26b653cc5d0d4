/* A strict reader of CSV (RFC 4180), over bytes in memory. Pure.
 *
 * Records end with LF or CRLF, the last one may lack it. A field is either bare (no quote, no CR in it) or
 * quoted (anything, "" stands for a quote, nothing between the closing quote and the comma). Empty lines are
 * not records.
 *
 *     struct csv csv;
 *     csv_init(&csv, data, len);
 *     while ((rc = csv_next(&csv)) == CSV_RECORD)
 *         use(csv.fields, csv.nfields);
 *     csv_fini(&csv);
 */
#ifndef ADXSIM_CSV_H
#define ADXSIM_CSV_H

#include <stddef.h>

#include "tests/adxsim/buf.h"

enum csv_result {
    CSV_RECORD,
    CSV_END,
    CSV_CLOSING_QUOTE_MISSING,
    CSV_STRAY_QUOTE, /* a quote within a bare field, or text after a closing quote */
    CSV_STRAY_CR,    /* a CR that no LF follows, outside quotes */
    CSV_TOO_MANY_FIELDS
};

enum { CSV_FIELDS_MAX = 4096 };

struct csv_field {
    const char *text; /* not terminated; valid until the next call */
    size_t len;
};

struct csv {
    const char *at;
    const char *end;
    size_t record; /* number of the record last returned, from 1 */
    struct csv_field *fields;
    size_t nfields;
    size_t capacity;
    char *scratch; /* unescaped fields of one record: no longer than the record itself */
    size_t scratch_len;
    size_t scratch_cap;
};

/* The data must outlive the reader; nothing is copied but fields with "" in them. A UTF-8 byte order mark is
 * skipped. */
void csv_init(struct csv *csv, const char *data, size_t len);
void csv_fini(struct csv *csv);
/* After anything but CSV_RECORD, only csv_fini may follow. */
NODISCARD enum csv_result csv_next(struct csv *csv);
const char *csv_result_text(enum csv_result result);

/* Append one field as strict CSV: quoted only when it must be. */
void csv_write_field(struct buf *out, const char *text, size_t len);

#endif
