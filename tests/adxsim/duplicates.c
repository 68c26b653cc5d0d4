#include "tests/adxsim/duplicates.h"

#include <errno.h>

#include "tests/adxsim/export.h"

enum { SQL_MAX = 1 << 20 };

/* The key's columns, as indices: how many, or -ENOENT. columns has room for all of the table. */
static int parse_key(const struct table *table, const char *key, int *columns)
{
    int n = 0;

    if (!key || !*key) {
        for (; n < (int)table->ncolumns; n++)
            columns[n] = n;
        return n;
    }
    for (const char *at = key; *at && n < (int)table->ncolumns;) {
        size_t len = strcspn(at, ",");
        char *name = mem_strndup(at, len);
        columns[n] = table_column(table, name);
        free(name);
        if (columns[n++] < 0)
            return -ENOENT;
        at += len + (at[len] ? 1 : 0);
    }
    return n;
}

static json_int_t number(struct store *store, const char *sql)
{
    sqlite3_stmt *stmt = store_query(store, sql, "");
    json_int_t n = stmt && sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;

    sqlite3_finalize(stmt);
    return n;
}

static json_t *examples(struct store *store, const struct table *table, const int *columns, int n,
                        const char *sql)
{
    sqlite3_stmt *stmt = store_query(store, sql, "");
    json_t *list = json_array();

    while (stmt && sqlite3_step(stmt) == SQLITE_ROW) {
        json_t *key = json_array();
        for (int i = 0; i < n; i++)
            json_array_append_new(key, export_json(stmt, i, table->columns[columns[i]].type));
        json_array_append_new(
            list, json_pack("{s:o, s:I}", "key", key, "times", (json_int_t)sqlite3_column_int64(stmt, n)));
    }
    sqlite3_finalize(stmt);
    return list;
}

static json_t *report(struct store *store, const struct table *table, const int *columns, int n)
{
    struct buf names, sql;
    char count[96];

    buf_init(&names, SQL_MAX);
    buf_init(&sql, SQL_MAX);
    for (int i = 0; i < n; i++)
        buf_printf(&names, "%sc%d", i ? "," : "", columns[i]);
    (void)snprintf(count, sizeof count, "SELECT count(*) FROM rows_%lld", (long long)table->id);
    json_int_t rows = number(store, count);
    buf_printf(&sql, "SELECT count(*) FROM (SELECT 1 FROM rows_%lld GROUP BY %s)", (long long)table->id,
               buf_text(&names));
    json_int_t distinct = number(store, sql.data);
    buf_clear(&sql);
    buf_printf(&sql,
               "SELECT %s, count(*) n FROM rows_%lld GROUP BY %s HAVING n > 1 ORDER BY min(id) LIMIT 100",
               buf_text(&names), (long long)table->id, buf_text(&names));
    json_t *all = json_pack("{s:I, s:I, s:I, s:o}", "rows", rows, "distinct", distinct, "duplicates",
                            rows - distinct, "examples", examples(store, table, columns, n, sql.data));
    buf_fini(&names);
    buf_fini(&sql);
    return all;
}

json_t *duplicates_report(struct store *store, const struct table *table, const char *key)
{
    int *columns = mem_alloc(table->ncolumns * sizeof *columns);
    int n = parse_key(table, key, columns);
    json_t *result = NULL;

    if (n > 0) {
        store_lock(store);
        result = report(store, table, columns, n);
        store_unlock(store);
    }
    free(columns);
    return result;
}
