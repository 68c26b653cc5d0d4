/* Databases, tables, columns and mappings in the store. A table's rows are in its own SQLite table rows_<id>,
 * column n in c<n>, so that no name of a client ever gets into SQL. */
#include "tests/adxsim/store.h"

#include <errno.h>

int store_create_database(struct store *store, const char *name)
{
    return store_run(store, "INSERT INTO sim_database(name) VALUES(?)", "t", name);
}

static bool exists(struct store *store, const char *sql, const char *name)
{
    sqlite3_stmt *stmt = store_query(store, sql, "t", name);
    bool found = stmt && sqlite3_step(stmt) == SQLITE_ROW;

    sqlite3_finalize(stmt);
    return found;
}

bool store_has_database(struct store *store, const char *name)
{
    return exists(store, "SELECT 1 FROM sim_database WHERE name = ?", name);
}

/* Within the caller's transaction. */
static int remove_table(struct store *store, int64_t id)
{
    static const char *const sql[] = {"DELETE FROM sim_column WHERE table_id = ?",
                                      "DELETE FROM sim_mapping WHERE table_id = ?",
                                      "DELETE FROM sim_table WHERE id = ?"};
    char drop[64];
    int rc;

    (void)snprintf(drop, sizeof drop, "DROP TABLE IF EXISTS rows_%lld", (long long)id);
    rc = store_run(store, drop, "");
    for (size_t i = 0; i < ARRAY_LEN(sql) && rc == 0; i++)
        rc = store_run(store, sql[i], "i", id);
    return rc;
}

int store_drop_table(struct store *store, int64_t id)
{
    int rc = store_begin(store);

    if (rc == 0)
        rc = remove_table(store, id);
    if (rc == 0)
        rc = store_commit(store);
    store_rollback(store);
    return rc;
}

/* The id of any table of the database; -ENOENT when it has none left. */
static int any_table(struct store *store, const char *database, int64_t *id)
{
    sqlite3_stmt *stmt = store_query(store, "SELECT id FROM sim_table WHERE db = ? LIMIT 1", "t", database);
    int rc = -EIO;

    if (!stmt)
        return rc;
    switch (sqlite3_step(stmt)) {
    case SQLITE_ROW:
        *id = sqlite3_column_int64(stmt, 0);
        rc = 0;
        break;
    case SQLITE_DONE:
        rc = -ENOENT;
        break;
    default:
        break;
    }
    sqlite3_finalize(stmt);
    return rc;
}

int store_drop_database(struct store *store, const char *name)
{
    int64_t id;
    int rc;

    if (!store_has_database(store, name))
        return -ENOENT;
    rc = store_begin(store);
    while (rc == 0 && (rc = any_table(store, name, &id)) == 0)
        rc = remove_table(store, id);
    if (rc == -ENOENT)
        rc = store_run(store, "DELETE FROM sim_database WHERE name = ?", "t", name);
    if (rc == 0)
        rc = store_commit(store);
    store_rollback(store);
    return rc;
}

static int load_columns(struct store *store, struct table *table)
{
    sqlite3_stmt *stmt = store_query(
        store, "SELECT name, type FROM sim_column WHERE table_id = ? ORDER BY ordinal", "i", table->id);
    int rc;

    if (!stmt)
        return -EIO;
    table->columns = mem_alloc(TABLE_COLUMNS_MAX * sizeof *table->columns);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && table->ncolumns < TABLE_COLUMNS_MAX)
        table->columns[table->ncolumns++] =
            (struct column){mem_strdup(store_text(stmt, 0)), (enum kusto_type)sqlite3_column_int(stmt, 1)};
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : -EIO;
}

int store_find_table(struct store *store, const char *database, const char *name, struct table *table)
{
    sqlite3_stmt *stmt = store_query(
        store, "SELECT id, folder, docstring, streaming, batching FROM sim_table WHERE db = ? AND name = ?",
        "tt", database, name);
    int rc;

    *table = (struct table){0};
    if (!stmt)
        return -EIO;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        table->id = sqlite3_column_int64(stmt, 0);
        table->database = mem_strdup(database);
        table->name = mem_strdup(name);
        table->folder = mem_strdup(store_text(stmt, 1));
        table->docstring = mem_strdup(store_text(stmt, 2));
        table->streaming = (enum policy)sqlite3_column_int(stmt, 3);
        table->batching = mem_strdup(store_text(stmt, 4));
    }
    sqlite3_finalize(stmt);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? -ENOENT : -EIO;
    return load_columns(store, table);
}

void table_fini(struct table *table)
{
    for (size_t i = 0; i < table->ncolumns; i++)
        free(table->columns[i].name);
    free(table->columns);
    free(table->database);
    free(table->name);
    free(table->folder);
    free(table->docstring);
    free(table->batching);
    *table = (struct table){0};
}

int table_column(const struct table *table, const char *name)
{
    for (size_t i = 0; i < table->ncolumns; i++)
        if (strcmp(table->columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

int store_create_table(struct store *store, const char *database, const char *name, int64_t *id)
{
    char sql[96];
    int rc = store_run(store, "INSERT INTO sim_table(db, name) VALUES(?, ?)", "tt", database, name);

    if (rc < 0)
        return rc;
    *id = store_last_id(store);
    (void)snprintf(sql, sizeof sql, "CREATE TABLE rows_%lld(id INTEGER PRIMARY KEY, ing INTEGER)",
                   (long long)*id);
    return store_run(store, sql, "");
}

int store_add_column(struct store *store, int64_t table_id, size_t ordinal, const char *name,
                     enum kusto_type type)
{
    char sql[96];
    int rc = store_run(store, "INSERT INTO sim_column(table_id, ordinal, name, type) VALUES(?, ?, ?, ?)",
                       "iiti", table_id, (int64_t)ordinal, name, (int64_t)type);

    if (rc < 0)
        return rc;
    (void)snprintf(sql, sizeof sql, "ALTER TABLE rows_%lld ADD COLUMN c%zu", (long long)table_id, ordinal);
    return store_run(store, sql, "");
}

int store_find_mapping(struct store *store, int64_t table_id, const char *kind, const char *name, char **json)
{
    sqlite3_stmt *stmt =
        store_query(store, "SELECT mapping FROM sim_mapping WHERE table_id = ? AND kind = ? AND name = ?",
                    "itt", table_id, kind, name);
    int rc = -EIO;

    *json = NULL;
    if (!stmt)
        return rc;
    switch (sqlite3_step(stmt)) {
    case SQLITE_ROW:
        *json = mem_strdup(store_text(stmt, 0));
        rc = 0;
        break;
    case SQLITE_DONE:
        rc = -ENOENT;
        break;
    default:
        break;
    }
    sqlite3_finalize(stmt);
    return rc;
}
