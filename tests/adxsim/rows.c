#include "tests/adxsim/rows.h"

#include <errno.h>

#include "tests/adxsim/csv.h"

enum { FIRST_COLUMN = 2, VALUE_MAX_BYTES = 512 << 20 };

int rows_init(struct rows *rows, struct store *store, const struct table *table,
              const struct mapping *mapping, int64_t ingestion_id)
{
    struct buf sql;

    *rows = (struct rows){.table = table, .mapping = mapping};
    buf_init(&rows->scratch, VALUE_MAX_BYTES);
    buf_init(&sql, 1 << 20);
    buf_printf(&sql, "INSERT INTO rows_%lld(ing", (long long)table->id);
    for (size_t i = 0; i < table->ncolumns; i++)
        buf_printf(&sql, ",c%zu", i);
    buf_puts(&sql, ") VALUES(?");
    for (size_t i = 0; i < table->ncolumns; i++)
        buf_puts(&sql, ",?");
    buf_puts(&sql, ")");
    rows->insert = store_query(store, sql.data, "i", ingestion_id);
    buf_fini(&sql);
    return rows->insert ? 0 : -EIO;
}

void rows_fini(struct rows *rows)
{
    sqlite3_finalize(rows->insert);
    buf_fini(&rows->scratch);
}

static void bind(struct rows *rows, size_t column, const char *text, size_t len, bool copy)
{
    struct value v;
    int at = (int)column + FIRST_COLUMN;

    coerce_text(rows->table->columns[column].type, text, text ? len : 0, &v, &rows->scratch);
    switch (v.kind) {
    case VALUE_NULL:
        sqlite3_bind_null(rows->insert, at);
        break;
    case VALUE_INTEGER:
        sqlite3_bind_int64(rows->insert, at, v.integer);
        break;
    case VALUE_REAL:
        sqlite3_bind_double(rows->insert, at, v.real);
        break;
    case VALUE_TEXT:
        copy |= v.text == v.fixed || v.text == rows->scratch.data;
        sqlite3_bind_text64(rows->insert, at, v.text, v.len, copy ? SQLITE_TRANSIENT : SQLITE_STATIC,
                            SQLITE_UTF8);
        break;
    }
}

void rows_set(struct rows *rows, size_t column, const char *text, size_t len)
{
    bind(rows, column, text, len, false);
}

void rows_set_copy(struct rows *rows, size_t column, const char *text, size_t len)
{
    bind(rows, column, text, len, true);
}

int rows_end_row(struct rows *rows)
{
    int rc = sqlite3_step(rows->insert);

    sqlite3_reset(rows->insert);
    rows->count++;
    return rc == SQLITE_DONE ? 0 : -EIO;
}

static int csv_row(struct rows *rows, const struct csv *csv)
{
    for (size_t i = 0; i < rows->mapping->nsources; i++) {
        const struct source *source = &rows->mapping->sources[i];
        const struct csv_field *field = source->kind == SOURCE_FIELD && source->ordinal < csv->nfields
                                            ? &csv->fields[source->ordinal]
                                            : NULL;
        if (source->kind == SOURCE_CONST)
            rows_set(rows, i, source->text, strlen(source->text));
        else
            rows_set(rows, i, field ? field->text : NULL, field ? field->len : 0);
    }
    return rows_end_row(rows);
}

int rows_read_csv(struct rows *rows, const char *data, size_t len, struct sim_error *error)
{
    struct csv csv;
    enum csv_result result;
    int rc = 0;

    csv_init(&csv, data, len);
    while ((result = csv_next(&csv)) == CSV_RECORD && rc == 0)
        rc = rows->skip_first && csv.record == 1 ? 0 : csv_row(rows, &csv);
    if (rc == 0 && result != CSV_END)
        rc = error_set(error, result == CSV_CLOSING_QUOTE_MISSING ? ERROR_CLOSING_QUOTE : ERROR_WRONG_FORMAT,
                       "CSV record %zu: %s", csv.record, csv_result_text(result));
    csv_fini(&csv);
    return rc;
}
