#include "tests/adxsim/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/file.h>

struct store {
    sqlite3 *db;
    char *path;
    int lock_fd; /* held while we live: a second program on the same directory is refused */
    pthread_mutex_t lock;
};

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536;"
    "CREATE TABLE IF NOT EXISTS sim_database(name TEXT PRIMARY KEY);"
    "CREATE TABLE IF NOT EXISTS sim_table(id INTEGER PRIMARY KEY AUTOINCREMENT, db TEXT NOT NULL, name TEXT "
    "NOT NULL,"
    " folder TEXT NOT NULL DEFAULT '', docstring TEXT NOT NULL DEFAULT '', streaming INTEGER NOT NULL "
    "DEFAULT -1,"
    " batching TEXT NOT NULL DEFAULT '', UNIQUE(db, name));"
    "CREATE TABLE IF NOT EXISTS sim_column(table_id INTEGER, ordinal INTEGER, name TEXT, type INTEGER,"
    " PRIMARY KEY(table_id, ordinal));"
    "CREATE TABLE IF NOT EXISTS sim_mapping(table_id INTEGER, kind TEXT, name TEXT, mapping TEXT, updated "
    "TEXT,"
    " PRIMARY KEY(table_id, kind, name));"
    "CREATE TABLE IF NOT EXISTS sim_ingestion(id INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT, db TEXT, tbl "
    "TEXT,"
    " table_id INTEGER, rows INTEGER, bytes INTEGER, tags TEXT, kind TEXT, request_id TEXT, extent_id TEXT);"
    "CREATE INDEX IF NOT EXISTS sim_ingestion_table ON sim_ingestion(table_id);"
    "CREATE TABLE IF NOT EXISTS sim_failure(id INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT, operation_id "
    "TEXT,"
    " db TEXT, tbl TEXT, source_path TEXT, properties TEXT, kind TEXT, code TEXT, details TEXT, permanent INTEGER);"
    "CREATE TABLE IF NOT EXISTS sim_ticket(token TEXT PRIMARY KEY, audience TEXT, principal TEXT, issued INTEGER,"
    " expires INTEGER);"
    "CREATE TABLE IF NOT EXISTS sim_batch(id INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT, db TEXT, tbl TEXT,"
    " sealed_by TEXT, blobs INTEGER, bytes INTEGER);"
    "CREATE TABLE IF NOT EXISTS sim_message(id INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT, account TEXT,"
    " message_id TEXT UNIQUE, source_id TEXT, message TEXT, state TEXT, code TEXT, details TEXT, deliveries INTEGER,"
    " batch INTEGER, raw_size INTEGER, rows INTEGER);";

static int failed(struct store *store, const char *what)
{
    fprintf(stderr, "error sqlite file=%s sql=\"%.60s\" cause=\"%s\"\n", store->path, what,
            sqlite3_errmsg(store->db));
    return -EIO;
}

static int execute(struct store *store, const char *sql)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(store, sql);
}

static int lock_directory(const char *dir)
{
    char *path;

    if (asprintf(&path, "%s/adxsim.lock", dir) < 0)
        abort();
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), rc = fd;
    if (fd < 0) {
        rc = -errno;
    } else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        rc = -errno;
        close(fd);
    }
    free(path);
    return rc;
}

int store_open(const char *dir, struct store **out)
{
    int lock_fd = lock_directory(dir);

    if (lock_fd < 0)
        return lock_fd;
    struct store *store = mem_alloc(sizeof *store);
    store->lock_fd = lock_fd;
    pthread_mutex_init(&store->lock, NULL);
    if (asprintf(&store->path, "%s/adxsim.db", dir) < 0)
        abort();
    if (sqlite3_open_v2(store->path, &store->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        int rc = failed(store, "open");
        store_close(store);
        return rc;
    }
    sqlite3_busy_timeout(store->db, 10000);
    if (execute(store, schema) < 0) {
        store_close(store);
        return -EIO;
    }
    *out = store;
    return 0;
}

void store_close(struct store *store)
{
    sqlite3_close(store->db);
    close(store->lock_fd);
    pthread_mutex_destroy(&store->lock);
    free(store->path);
    free(store);
}

void store_lock(struct store *store)
{
    pthread_mutex_lock(&store->lock);
}

void store_unlock(struct store *store)
{
    pthread_mutex_unlock(&store->lock);
}

int store_open_reader(const struct store *store, sqlite3 **db)
{
    if (sqlite3_open_v2(store->path, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        sqlite3_close(*db);
        return -EIO;
    }
    sqlite3_busy_timeout(*db, 10000);
    return 0;
}

static sqlite3_stmt *prepare(struct store *store, const char *sql, const char *types, va_list args)
{
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        failed(store, sql);
        return NULL;
    }
    for (int i = 0; types[i]; i++) {
        if (types[i] == 'i')
            sqlite3_bind_int64(stmt, i + 1, va_arg(args, int64_t));
        else
            sqlite3_bind_text(stmt, i + 1, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
    }
    return stmt;
}

sqlite3_stmt *store_query(struct store *store, const char *sql, const char *types, ...)
{
    va_list args;

    va_start(args, types);
    sqlite3_stmt *stmt = prepare(store, sql, types, args);
    va_end(args);
    return stmt;
}

int store_run(struct store *store, const char *sql, const char *types, ...)
{
    va_list args;

    va_start(args, types);
    sqlite3_stmt *stmt = prepare(store, sql, types, args);
    va_end(args);
    if (!stmt)
        return -EIO;
    int rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    if (rc == SQLITE_CONSTRAINT)
        return -EEXIST;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : failed(store, sql);
}

int store_begin(struct store *store)
{
    return execute(store, "BEGIN IMMEDIATE");
}

int store_commit(struct store *store)
{
    return execute(store, "COMMIT");
}

void store_rollback(struct store *store)
{
    if (!sqlite3_get_autocommit(store->db))
        (void)execute(store, "ROLLBACK");
}

int64_t store_last_id(struct store *store)
{
    return sqlite3_last_insert_rowid(store->db);
}

const char *store_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    return text ? text : "";
}
