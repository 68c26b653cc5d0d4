#include "tests/adxsim/failure.h"

#include "tests/adxsim/ident.h"

void failure_remember(struct store *store, const struct failure *failure)
{
    char now[IDENT_TIME_SIZE];

    ident_now(now);
    if (store_run(
            store,
            "INSERT INTO sim_failure(time, operation_id, db, tbl, source_path, properties, kind, code, details,"
            " permanent) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            "ttttttttti", now, failure->operation_id, failure->database, failure->table, failure->source_path,
            failure->properties, failure->kind, failure->error->code, failure->error->message,
            (int64_t)failure->error->permanent) < 0)
        fprintf(stderr, "warning failure-not-stored table=%s\n", failure->table);
}
