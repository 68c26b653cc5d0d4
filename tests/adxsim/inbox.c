#include "tests/adxsim/inbox.h"

#include "tests/adxsim/ident.h"
#include "tests/adxsim/result.h"

void inbox_received(struct store *store, const char *account, const struct queue_message *posted,
                    const struct message *message)
{
    char *text = message->json ? json_dumps(message->json, JSON_COMPACT) : NULL, now[IDENT_TIME_SIZE];

    ident_now(now);
    store_lock(store);
    if (store_run(
            store,
            "INSERT INTO sim_message(time, account, message_id, source_id, message, state, code, details,"
            " deliveries, batch, raw_size, rows) VALUES(?1, ?2, ?3, ?4, ?5, 'received', '', '', ?6, 0, -1, 0)"
            " ON CONFLICT(message_id) DO UPDATE SET deliveries = deliveries + 1",
            "ttttti", now, account, posted->id, message->id, text, (int64_t)1) < 0)
        fprintf(stderr, "warning message-not-stored id=%s\n", posted->id);
    store_unlock(store);
    free(text);
}

void inbox_ended(struct store *store, const char *message_id, const struct inbox_result *result)
{
    store_lock(store);
    if (store_run(store,
                  "UPDATE sim_message SET state = ?, code = ?, details = ?, batch = ?, raw_size = ?, rows = ?"
                  " WHERE message_id = ?",
                  "tttiiit", result->state, result->code, result->details, result->batch, result->raw_size,
                  result->rows, message_id) < 0)
        fprintf(stderr, "warning message-not-stored id=%s\n", message_id);
    store_unlock(store);
}

int64_t inbox_batch(struct store *store, const char *database, const char *table, const char *sealed_by,
                    int64_t blobs, int64_t bytes)
{
    char now[IDENT_TIME_SIZE];
    int64_t id = 0;

    ident_now(now);
    store_lock(store);
    if (store_run(store,
                  "INSERT INTO sim_batch(time, db, tbl, sealed_by, blobs, bytes) VALUES(?, ?, ?, ?, ?, ?)",
                  "ttttii", now, database, table, sealed_by, blobs, bytes) == 0)
        id = store_last_id(store);
    store_unlock(store);
    return id;
}

static json_t *text(sqlite3_stmt *stmt, int column)
{
    return result_string(store_text(stmt, column), strlen(store_text(stmt, column)));
}

static json_t *integer(sqlite3_stmt *stmt, int column)
{
    return json_integer(sqlite3_column_int64(stmt, column));
}

static json_t *describe(sqlite3_stmt *stmt)
{
    json_t *message = json_loads(store_text(stmt, 4), 0, NULL);

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "time", text(stmt, 0),
                     "account", text(stmt, 1), "message_id", text(stmt, 2), "source_id", text(stmt, 3),
                     "message", message ? message : json_null(), "state", text(stmt, 5), "code",
                     text(stmt, 6), "details", text(stmt, 7), "deliveries", integer(stmt, 8), "batch",
                     integer(stmt, 9), "raw_size", integer(stmt, 10), "rows", integer(stmt, 11));
}

json_t *inbox_messages(struct store *store)
{
    json_t *list = json_array(), *by_state = json_object();

    store_lock(store);
    sqlite3_stmt *stmt =
        store_query(store,
                    "SELECT time, account, message_id, source_id, message, state, code, details, deliveries,"
                    " batch, raw_size, rows FROM sim_message ORDER BY id",
                    "");
    while (stmt && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *state = store_text(stmt, 5);
        json_int_t n = json_integer_value(json_object_get(by_state, state));
        json_object_set_new(by_state, state, json_integer(n + 1));
        json_array_append_new(list, describe(stmt));
    }
    sqlite3_finalize(stmt);
    store_unlock(store);
    return json_pack("{s:I, s:o, s:o}", "total", (json_int_t)json_array_size(list), "by_state", by_state,
                     "messages", list);
}

json_t *inbox_batches(struct store *store)
{
    json_t *list = json_array();

    store_lock(store);
    sqlite3_stmt *stmt = store_query(
        store, "SELECT id, time, db, tbl, sealed_by, blobs, bytes FROM sim_batch ORDER BY id", "");
    while (stmt && sqlite3_step(stmt) == SQLITE_ROW)
        json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", integer(stmt, 0),
                                              "time", text(stmt, 1), "db", text(stmt, 2), "table",
                                              text(stmt, 3), "sealed_by", text(stmt, 4), "blobs",
                                              integer(stmt, 5), "bytes", integer(stmt, 6)));
    sqlite3_finalize(stmt);
    store_unlock(store);
    return json_pack("{s:o}", "batches", list);
}
