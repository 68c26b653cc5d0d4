/* What the stand-in remembers: databases, tables, columns, mappings, policies, ingestions, rows; one SQLite
 * file, DIR/adxsim.db, in WAL mode. It survives kill -9.
 *
 * One connection, one lock: a request takes the lock for as long as it works (store_lock .. store_unlock),
 * and every function below wants it held. Long reads open a connection of their own (store_open_reader) and
 * need no lock.
 *
 * Results: 0; -ENOENT: no such thing; -EEXIST; -EIO: SQLite failed (said on stderr). */
#ifndef ADXSIM_STORE_H
#define ADXSIM_STORE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/compiler.h"
#include "tests/adxsim/coerce.h"

struct store;

enum policy { POLICY_DEFAULT = -1, POLICY_OFF = 0, POLICY_ON = 1 };

struct column {
    char *name;
    enum kusto_type type;
};

struct table {
    int64_t id;
    char *database;
    char *name;
    char *folder;
    char *docstring;
    enum policy streaming;
    char *batching; /* JSON, or "" */
    struct column *columns;
    size_t ncolumns;
};

enum { TABLE_COLUMNS_MAX = 1900 }; /* SQLite's limit is 2000 */

/* 0; -EIO; -EWOULDBLOCK: another program has the directory; or the error of opening its lock. */
NODISCARD int store_open(const char *dir, struct store **store);
void store_close(struct store *store);
void store_lock(struct store *store);
void store_unlock(struct store *store);
/* A read-only connection for one long SELECT; closed by the caller with sqlite3_close. */
NODISCARD int store_open_reader(const struct store *store, sqlite3 **db);

/* SQL with values: types has one letter each, t = const char * (NULL allowed), i = int64_t.
 * store_run executes; store_query gives a statement to step and finalize, NULL when SQLite failed. */
NODISCARD int store_run(struct store *store, const char *sql, const char *types, ...);
NODISCARD sqlite3_stmt *store_query(struct store *store, const char *sql, const char *types, ...);
NODISCARD int store_begin(struct store *store);
NODISCARD int store_commit(struct store *store);
void store_rollback(struct store *store);
int64_t store_last_id(struct store *store);
/* One column of a row as C text, never NULL. */
const char *store_text(sqlite3_stmt *stmt, int column);

NODISCARD int store_create_database(struct store *store,
                                    const char *name); /* -EEXIST is not an error to most */
NODISCARD int store_drop_database(struct store *store, const char *name);
bool store_has_database(struct store *store, const char *name);

/* The table with its columns; the caller ends it with table_fini, also after a failure. */
NODISCARD int store_find_table(struct store *store, const char *database, const char *name,
                               struct table *table);
void table_fini(struct table *table);
/* -1 when there is no such column. */
int table_column(const struct table *table, const char *name);

NODISCARD int store_create_table(struct store *store, const char *database, const char *name, int64_t *id);
NODISCARD int store_add_column(struct store *store, int64_t table_id, size_t ordinal, const char *name,
                               enum kusto_type type);
NODISCARD int store_drop_table(struct store *store, int64_t table_id);

/* The JSON text of a mapping; the caller frees it. kind is "Csv" or "Json". */
NODISCARD int store_find_mapping(struct store *store, int64_t table_id, const char *kind, const char *name,
                                 char **json);

#endif
