/* Queries, for people and assertions: T, T | count, T | take N, and the pipes of result.h. */
#include "tests/adxsim/mgmt.h"

#include <errno.h>

#include "tests/adxsim/export.h"

enum { QUERY_ROWS_MAX = 500000 }; /* Kusto truncates results there too */

/* What the first pipe lets SQLite do: count all, or stop early. */
struct plan {
    bool count;
    int64_t limit;
};

static struct plan make_plan(const struct csl *csl)
{
    struct plan plan = {false, QUERY_ROWS_MAX + 1};
    struct csl ahead;

    csl_init(&ahead, csl->at, (size_t)(csl->end - csl->at));
    if (csl_is_punct(csl, '|')) {
        plan.count = csl_is_word(&ahead, "count");
        if ((csl_accept_word(&ahead, "take") || csl_accept_word(&ahead, "limit")) && ahead.kind == CSL_NUMBER)
            plan.limit = strtoll(ahead.text.data, NULL, 10);
    }
    csl_fini(&ahead);
    if (plan.limit > QUERY_ROWS_MAX)
        plan.limit = QUERY_ROWS_MAX + 1;
    return plan;
}

static int count_rows(struct mgmt *query, const struct table *table)
{
    char sql[64];

    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM rows_%lld", (long long)table->id);
    sqlite3_stmt *stmt = store_query(query->store, sql, "");
    int rc = stmt && sqlite3_step(stmt) == SQLITE_ROW ? 0 : -EIO;
    if (rc == 0) {
        result_add_column(query->result, "Count", TYPE_LONG);
        result_take_row(query->result, json_pack("[I]", (json_int_t)sqlite3_column_int64(stmt, 0)));
    }
    sqlite3_finalize(stmt);
    csl_next(query->csl); /* | */
    csl_next(query->csl); /* count */
    return mgmt_io(query, rc);
}

static int load_rows(struct mgmt *query, const struct table *table, int64_t limit)
{
    struct buf sql;
    int rc;

    for (size_t i = 0; i < table->ncolumns; i++)
        result_add_column(query->result, table->columns[i].name, table->columns[i].type);
    buf_init(&sql, 1 << 20);
    export_sql(table, limit, &sql);
    sqlite3_stmt *stmt = store_query(query->store, sql.data, "");
    buf_fini(&sql);
    if (!stmt)
        return mgmt_io(query, -EIO);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        json_t *row = json_array();
        for (size_t i = 0; i < table->ncolumns; i++)
            json_array_append_new(row, export_json(stmt, (int)i, table->columns[i].type));
        result_take_row(query->result, row);
    }
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE)
        return mgmt_io(query, -EIO);
    if (json_array_size(query->result->rows) > QUERY_ROWS_MAX)
        return error_set(query->error, ERROR_BAD_REQUEST,
                         "Query result set has exceeded the internal record count limit of %d",
                         QUERY_ROWS_MAX);
    return 0;
}

static int run(struct mgmt *query)
{
    struct table table = {0};
    int rc = 0;

    if (!store_has_database(query->store, query->database))
        return mgmt_no_database(query->sim, query->database, query->error);
    rc = mgmt_take_table(query, &table);
    if (rc == 0) {
        struct plan plan = make_plan(query->csl);
        rc = plan.count ? count_rows(query, &table) : load_rows(query, &table, plan.limit);
    } else if (query->error->status == 400 && query->csl->kind != CSL_BAD) {
        query->error->code = "BadRequest_SemanticError";
        query->error->type = "Kusto.Data.Exceptions.SemanticException";
    }
    table_fini(&table);
    return rc;
}

int query_run(const struct sim *sim, const char *database, const char *text, size_t len,
              struct result *result, struct sim_error *error)
{
    struct csl csl;
    struct mgmt query = {.sim = sim,
                         .store = sim->store,
                         .database = database ? database : SIM_DEFAULT_DATABASE,
                         .csl = &csl,
                         .result = result,
                         .error = error};

    csl_init(&csl, text, len);
    store_lock(sim->store);
    int rc = run(&query);
    store_unlock(sim->store);
    if (rc == 0)
        rc = result_pipe(result, &csl, error);
    csl_fini(&csl);
    return rc;
}
