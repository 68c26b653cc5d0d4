#include "tests/adxsim/ticket.h"

#include <sys/random.h>

#include "tests/adxsim/base64.h"

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void make_token(char token[static TICKET_SIZE])
{
    unsigned char random[60];
    struct buf text;

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        abort();
    buf_init(&text, TICKET_SIZE);
    base64_encode(random, sizeof random, &text);
    (void)snprintf(token, TICKET_SIZE, "%s", buf_text(&text));
    buf_fini(&text);
}

int ticket_issue(struct store *store, const char *audience, const char *principal, long long lifetime_s,
                 char token[static TICKET_SIZE])
{
    long long now = now_ms();

    make_token(token);
    store_lock(store);
    int rc = store_run(
        store, "INSERT INTO sim_ticket(token, audience, principal, issued, expires) VALUES(?, ?, ?, ?, ?)",
        "tttii", token, audience, principal, (int64_t)now, (int64_t)(now + lifetime_s * 1000));
    store_unlock(store);
    return rc;
}

enum ticket_state ticket_check(struct store *store, const char *token, const char *audience, char *principal,
                               size_t size)
{
    enum ticket_state state = TICKET_UNKNOWN;

    store_lock(store);
    sqlite3_stmt *stmt =
        store_query(store, "SELECT audience, principal, expires FROM sim_ticket WHERE token = ?", "t", token);
    if (stmt && sqlite3_step(stmt) == SQLITE_ROW) {
        if (strcmp(store_text(stmt, 0), audience) != 0)
            state = TICKET_WRONG_AUDIENCE;
        else
            state = sqlite3_column_int64(stmt, 2) <= now_ms() ? TICKET_EXPIRED : TICKET_GOOD;
        if (state == TICKET_GOOD && principal)
            (void)snprintf(principal, size, "%s", store_text(stmt, 1));
    }
    sqlite3_finalize(stmt);
    store_unlock(store);
    return state;
}

static json_int_t number(struct store *store, const char *sql, int64_t argument)
{
    sqlite3_stmt *stmt = store_query(store, sql, "i", argument);
    json_int_t n = stmt && sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;

    sqlite3_finalize(stmt);
    return n;
}

json_t *ticket_report(struct store *store)
{
    json_t *by_audience = json_object();

    store_lock(store);
    sqlite3_stmt *stmt =
        store_query(store, "SELECT audience, count(*) FROM sim_ticket GROUP BY audience", "");
    while (stmt && sqlite3_step(stmt) == SQLITE_ROW)
        json_object_set_new(by_audience, store_text(stmt, 0), json_integer(sqlite3_column_int64(stmt, 1)));
    sqlite3_finalize(stmt);
    json_t *report = json_pack(
        "{s:I, s:I, s:I, s:o}", "issued", number(store, "SELECT count(*) FROM sim_ticket WHERE ? = 0", 0),
        "last_minute", number(store, "SELECT count(*) FROM sim_ticket WHERE issued > ?", now_ms() - 60000),
        "max_per_minute",
        number(
            store,
            "SELECT max(n) FROM (SELECT count(*) n FROM sim_ticket WHERE ? = 0 GROUP BY audience, issued / 60000)",
            0),
        "by_audience", by_audience);
    store_unlock(store);
    return report;
}
