/* Rows on their way into a table: text in, typed values in SQLite. The caller holds the store's lock and has
 * a transaction open; nothing here commits. */
#ifndef ADXSIM_ROWS_H
#define ADXSIM_ROWS_H

#include "tests/adxsim/error.h"
#include "tests/adxsim/mapping.h"
#include "tests/adxsim/store.h"

struct rows {
    const struct table *table;
    const struct mapping *mapping;
    sqlite3_stmt *insert;
    struct buf scratch;
    bool skip_first; /* CSV: the first record is a heading */
    int64_t count;   /* written so far */
};

/* 0 or -EIO. rows_fini in either case. */
NODISCARD int rows_init(struct rows *rows, struct store *store, const struct table *table,
                        const struct mapping *mapping, int64_t ingestion_id);
void rows_fini(struct rows *rows);
/* One column of the row at hand; text NULL is null. Columns that are not set are null. The text must live
 * until rows_end_row. */
void rows_set(struct rows *rows, size_t column, const char *text, size_t len);
/* As rows_set, for text that dies earlier. */
void rows_set_copy(struct rows *rows, size_t column, const char *text, size_t len);
NODISCARD int rows_end_row(struct rows *rows);

/* Read all records of a body. 0, -EPROTO with *error set, or -EIO. */
NODISCARD int rows_read_csv(struct rows *rows, const char *data, size_t len, struct sim_error *error);
/* One object to a line. */
NODISCARD int rows_read_json_lines(struct rows *rows, const char *data, size_t len, struct sim_error *error);
/* Objects, and arrays of objects, one after the other, with blanks (and commas) between. */
NODISCARD int rows_read_multijson(struct rows *rows, const char *data, size_t len, struct sim_error *error);

#endif
