#include "tests/adxsim/export.h"

#include <errno.h>
#include <math.h>

#include "tests/adxsim/csv.h"
#include "tests/adxsim/result.h"

struct export_stream {
    sqlite3 *db;
    sqlite3_stmt *stmt;
    enum kusto_type *types;
    int ncolumns;
    struct buf piece; /* made, and sent up to `sent` */
    size_t sent;
    bool done;
};

static void shortest(double real, char text[32])
{
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, 32, "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            return;
    }
}

json_t *export_json(sqlite3_stmt *stmt, int column, enum kusto_type type)
{
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_NULL:
        return type == TYPE_STRING ? json_string("") : json_null();
    case SQLITE_INTEGER:
        return type == TYPE_BOOL ? json_boolean(sqlite3_column_int(stmt, column))
                                 : json_integer(sqlite3_column_int64(stmt, column));
    case SQLITE_FLOAT: {
        double real = sqlite3_column_double(stmt, column);
        return isinf(real) ? json_string(real < 0 ? "-Infinity" : "Infinity") : json_real(real);
    }
    default:
        return result_string((const char *)sqlite3_column_text(stmt, column),
                             (size_t)sqlite3_column_bytes(stmt, column));
    }
}

void export_csv(sqlite3_stmt *stmt, int column, enum kusto_type type, struct buf *out)
{
    char number[32];

    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_NULL:
        return;
    case SQLITE_INTEGER:
        if (type == TYPE_BOOL)
            buf_puts(out, sqlite3_column_int(stmt, column) ? "true" : "false");
        else
            buf_printf(out, "%lld", (long long)sqlite3_column_int64(stmt, column));
        return;
    case SQLITE_FLOAT:
        shortest(sqlite3_column_double(stmt, column), number);
        buf_puts(out, number);
        return;
    default:
        csv_write_field(out, (const char *)sqlite3_column_text(stmt, column),
                        (size_t)sqlite3_column_bytes(stmt, column));
        return;
    }
}

void export_sql(const struct table *table, int64_t limit, struct buf *out)
{
    buf_puts(out, "SELECT ");
    for (size_t i = 0; i < table->ncolumns; i++)
        buf_printf(out, "%sc%zu", i ? "," : "", i);
    buf_printf(out, " FROM rows_%lld ORDER BY id LIMIT %lld", (long long)table->id, (long long)limit);
}

int export_open(struct store *store, const struct table *table, struct export_stream **out)
{
    struct export_stream *export = mem_alloc(sizeof *export);
    struct buf sql;
    int rc = store_open_reader(store, &export->db);

    buf_init(&export->piece, SIZE_MAX / 4);
    if (rc < 0) {
        free(export);
        return rc;
    }
    buf_init(&sql, 1 << 20);
    export_sql(table, -1, &sql);
    rc = sqlite3_prepare_v2(export->db, sql.data, -1, &export->stmt, NULL) == SQLITE_OK ? 0 : -EIO;
    buf_fini(&sql);
    export->ncolumns = (int)table->ncolumns;
    export->types = mem_alloc(table->ncolumns * sizeof *export->types);
    for (size_t i = 0; i < table->ncolumns; i++)
        export->types[i] = table->columns[i].type;
    if (rc < 0)
        export_close(export);
    else
        *out = export;
    return rc;
}

void export_close(struct export_stream *export)
{
    sqlite3_finalize(export->stmt);
    sqlite3_close(export->db);
    buf_fini(&export->piece);
    free(export->types);
    free(export);
}

static int more(struct export_stream *export, size_t wanted)
{
    while (!export->done && export->piece.len < wanted) {
        int rc = sqlite3_step(export->stmt);
        if (rc == SQLITE_DONE) {
            export->done = true;
            break;
        }
        if (rc != SQLITE_ROW)
            return -EIO;
        for (int i = 0; i < export->ncolumns; i++) {
            if (i)
                buf_putc(&export->piece, ',');
            export_csv(export->stmt, i, export->types[i], &export->piece);
        }
        buf_putc(&export->piece, '\n');
    }
    return 0;
}

ssize_t export_read(struct export_stream *export, char *data, size_t max)
{
    if (export->sent == export->piece.len) {
        buf_clear(&export->piece);
        export->sent = 0;
        if (more(export, max) < 0)
            return -EIO;
    }
    size_t n = export->piece.len - export->sent;
    if (n > max)
        n = max;
    if (n)
        memcpy(data, export->piece.data + export->sent, n);
    export->sent += n;
    return (ssize_t)n;
}
