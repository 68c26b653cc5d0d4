/* What tests ask: /_sim/... Nothing here is Kusto's. Answers are JSON, errors {"error": "why"}. */
#include <errno.h>

#include "tests/adxsim/api.h"
#include "tests/adxsim/duplicates.h"
#include "tests/adxsim/export.h"
#include "tests/adxsim/fault.h"
#include "tests/adxsim/inbox.h"
#include "tests/adxsim/journal.h"
#include "tests/adxsim/reply.h"
#include "tests/adxsim/settings.h"
#include "tests/adxsim/ticket.h"

typedef void handler(const struct sim *sim, struct request *request, struct reply *reply);

static void refuse(struct reply *reply, int status, const char *why)
{
    reply_take_json(reply, status, json_pack("{s:s}", "error", why));
}

static void health(const struct sim *sim, struct request *request, struct reply *reply)
{
    (void)request;
    reply_take_json(reply, 200,
                    json_pack("{s:s, s:s, s:b}", "program", "adxsim", "version", SPILLWAY_VERSION, "emulator",
                              (int)sim->emulator));
}

/* Arguments db (the default one if absent) and table; false when the request was refused. */
static bool find_table(const struct sim *sim, const struct request *request, struct reply *reply,
                       struct table *table)
{
    char *database = http_argument(request, "db"), *name = http_argument(request, "table");
    int rc = -EINVAL;

    *table = (struct table){0};
    if (name) {
        store_lock(sim->store);
        rc = store_find_table(sim->store, database ? database : SIM_DEFAULT_DATABASE, name, table);
        store_unlock(sim->store);
    }
    free(database);
    free(name);
    if (rc < 0)
        refuse(reply,
               rc == -ENOENT   ? 404
               : rc == -EINVAL ? 400
                               : 500,
               rc == -ENOENT   ? "no such table"
               : rc == -EINVAL ? "the argument table is missing"
                               : "the store failed");
    return rc == 0;
}

static json_int_t count_rows(struct store *store, int64_t table_id)
{
    char sql[64];

    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM rows_%lld", (long long)table_id);
    sqlite3_stmt *stmt = store_query(store, sql, "");
    json_int_t rows = stmt && sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    sqlite3_finalize(stmt);
    return rows;
}

static void rows(const struct sim *sim, struct request *request, struct reply *reply)
{
    struct table table;

    if (find_table(sim, request, reply, &table)) {
        store_lock(sim->store);
        json_int_t n = count_rows(sim->store, table.id);
        store_unlock(sim->store);
        reply_take_json(reply, 200,
                        json_pack("{s:s, s:s, s:I}", "db", table.database, "table", table.name, "rows", n));
    }
    table_fini(&table);
}

static ssize_t read_export(void *context, char *data, size_t max)
{
    return export_read(context, data, max);
}

static void close_export(void *context)
{
    export_close(context);
}

static void csv(const struct sim *sim, struct request *request, struct reply *reply)
{
    struct export_stream *export;
    struct table table;

    if (find_table(sim, request, reply, &table)) {
        if (export_open(sim->store, &table, &export) < 0) {
            refuse(reply, 500, "the store failed");
        } else {
            reply->status = 200;
            reply->content_type = "text/csv; charset=utf-8";
            reply->read = read_export;
            reply->close = close_export;
            reply->context = export;
        }
    }
    table_fini(&table);
}

static json_t *describe(struct store *store, const struct table *table)
{
    json_t *columns = json_array();

    for (size_t i = 0; i < table->ncolumns; i++)
        json_array_append_new(columns, json_pack("{s:s, s:s}", "name", table->columns[i].name, "type",
                                                 type_name(table->columns[i].type)));
    return json_pack("{s:s, s:s, s:I, s:o}", "db", table->database, "table", table->name, "rows",
                     count_rows(store, table->id), "columns", columns);
}

static void tables(const struct sim *sim, struct request *request, struct reply *reply)
{
    json_t *list = json_array();

    (void)request;
    store_lock(sim->store);
    sqlite3_stmt *stmt = store_query(sim->store, "SELECT db, name FROM sim_table ORDER BY db, name", "");
    while (stmt && sqlite3_step(stmt) == SQLITE_ROW) {
        struct table table;
        if (store_find_table(sim->store, store_text(stmt, 0), store_text(stmt, 1), &table) == 0)
            json_array_append_new(list, describe(sim->store, &table));
        table_fini(&table);
    }
    sqlite3_finalize(stmt);
    store_unlock(sim->store);
    reply_take_json(reply, 200, json_pack("{s:o}", "tables", list));
}

static json_t *ingestion(sqlite3_stmt *stmt)
{
    json_t *tags = json_loads(store_text(stmt, 6), 0, NULL);

    return json_pack(
        "{s:I, s:s, s:s, s:s, s:I, s:I, s:o, s:s, s:o, s:s}", "id", (json_int_t)sqlite3_column_int64(stmt, 0),
        "time", store_text(stmt, 1), "db", store_text(stmt, 2), "table", store_text(stmt, 3), "rows",
        (json_int_t)sqlite3_column_int64(stmt, 4), "bytes", (json_int_t)sqlite3_column_int64(stmt, 5), "tags",
        tags ? tags : json_array(), "kind", store_text(stmt, 7), "request_id",
        result_string(store_text(stmt, 8), strlen(store_text(stmt, 8))), "extent_id", store_text(stmt, 9));
}

static void ingestions(const struct sim *sim, struct request *request, struct reply *reply)
{
    char *database = http_argument(request, "db"), *table = http_argument(request, "table");
    json_t *list = json_array();

    store_lock(sim->store);
    sqlite3_stmt *stmt =
        store_query(sim->store,
                    "SELECT id, time, db, tbl, rows, bytes, tags, kind, request_id, extent_id"
                    " FROM sim_ingestion WHERE (?1 IS NULL OR db = ?1) AND (?2 IS NULL OR tbl = ?2)"
                    " ORDER BY id",
                    "tt", database, table);
    while (stmt && sqlite3_step(stmt) == SQLITE_ROW)
        json_array_append_new(list, ingestion(stmt));
    sqlite3_finalize(stmt);
    store_unlock(sim->store);
    free(database);
    free(table);
    reply_take_json(reply, 200, json_pack("{s:o}", "ingestions", list));
}

static void requests(const struct sim *sim, struct request *request, struct reply *reply)
{
    (void)request;
    reply_take_json(reply, 200, journal_report(sim->journal));
}

static void forget_requests(const struct sim *sim, struct request *request, struct reply *reply)
{
    (void)request;
    journal_clear(sim->journal);
    reply_empty(reply, 204);
}

static void add_fault(const struct sim *sim, struct request *request, struct reply *reply)
{
    json_t *rule = json_loadb(buf_text(&request->body), request->body.len, 0, NULL);
    const char *reason;
    int id;

    if (faults_add(sim->faults, rule, &id, &reason) < 0)
        refuse(reply, 400, reason);
    else
        reply_take_json(reply, 201, json_pack("{s:i}", "id", id));
    json_decref(rule);
}

static void list_faults(const struct sim *sim, struct request *request, struct reply *reply)
{
    (void)request;
    reply_take_json(reply, 200, json_pack("{s:o}", "faults", faults_list(sim->faults)));
}

static void clear_faults(const struct sim *sim, struct request *request, struct reply *reply)
{
    char *id = http_argument(request, "id");

    faults_clear(sim->faults, id ? (int)strtol(id, NULL, 10) : 0);
    free(id);
    reply_empty(reply, 204);
}

/* POST: create (201, or 200 when it is there); DELETE: drop, with all in it. */
static void database(const struct sim *sim, struct request *request, struct reply *reply)
{
    bool create = strcmp(request->method, "POST") == 0;
    char *name = http_argument(request, "name");
    int rc = -EINVAL;

    if (name && *name) {
        store_lock(sim->store);
        rc = create ? store_create_database(sim->store, name) : store_drop_database(sim->store, name);
        store_unlock(sim->store);
    }
    free(name);
    if (rc == 0)
        reply_empty(reply, create ? 201 : 204);
    else if (rc == -EEXIST)
        reply_empty(reply, 200);
    else
        refuse(reply,
               rc == -ENOENT   ? 404
               : rc == -EINVAL ? 400
                               : 500,
               rc == -ENOENT   ? "no such database"
               : rc == -EINVAL ? "the argument name is missing"
                               : "the store failed");
}

/* Argument key: columns that should tell rows apart, with commas between; all when absent. */
static void duplicates(const struct sim *sim, struct request *request, struct reply *reply)
{
    char *key = http_argument(request, "key");
    struct table table;

    if (find_table(sim, request, reply, &table)) {
        json_t *report = duplicates_report(sim->store, &table, key);
        if (report)
            reply_take_json(reply, 200, report);
        else
            refuse(reply, 400, "the argument key names a column that is not there");
    }
    table_fini(&table);
    free(key);
}

static void messages(const struct sim *sim, struct request *request, struct reply *reply)
{
    (void)request;
    reply_take_json(reply, 200, inbox_messages(sim->store));
}

static void batches(const struct sim *sim, struct request *request, struct reply *reply)
{
    (void)request;
    reply_take_json(reply, 200, inbox_batches(sim->store));
}

static void tokens(const struct sim *sim, struct request *request, struct reply *reply)
{
    (void)request;
    reply_take_json(reply, 200, ticket_report(sim->store));
}

static void show_settings(const struct sim *sim, struct request *request, struct reply *reply)
{
    (void)request;
    reply_take_json(reply, 200, settings_json(sim->settings));
}

static void change_settings(const struct sim *sim, struct request *request, struct reply *reply)
{
    json_t *wanted = json_loadb(buf_text(&request->body), request->body.len, 0, NULL);

    if (settings_set_json(sim->settings, wanted) < 0)
        refuse(reply, 400, "not an object of known settings with numbers in their ranges");
    else
        show_settings(sim, request, reply);
    json_decref(wanted);
}

static const struct {
    const char *method;
    const char *path;
    handler *serve;
} pages[] = {
    {"GET", "/_sim/health", health},
    {"GET", "/_sim/rows", rows},
    {"GET", "/_sim/csv", csv},
    {"GET", "/_sim/tables", tables},
    {"GET", "/_sim/ingestions", ingestions},
    {"GET", "/_sim/requests", requests},
    {"DELETE", "/_sim/requests", forget_requests},
    {"POST", "/_sim/fault", add_fault},
    {"GET", "/_sim/fault", list_faults},
    {"DELETE", "/_sim/fault", clear_faults},
    {"GET", "/_sim/duplicates", duplicates},
    {"GET", "/_sim/messages", messages},
    {"GET", "/_sim/batches", batches},
    {"GET", "/_sim/tokens", tokens},
    {"GET", "/_sim/settings", show_settings},
    {"POST", "/_sim/settings", change_settings},
    {"POST", "/_sim/database", database},
    {"DELETE", "/_sim/database", database},
};

void api_admin(const struct sim *sim, struct request *request, struct reply *reply)
{
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        if (strcmp(pages[i].path, request->path) == 0 && strcmp(pages[i].method, request->method) == 0) {
            pages[i].serve(sim, request, reply);
            return;
        }
    }
    refuse(reply, 404, "no such page");
}
