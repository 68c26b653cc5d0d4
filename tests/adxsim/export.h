/* A table's rows on their way out. */
#ifndef ADXSIM_EXPORT_H
#define ADXSIM_EXPORT_H

#include <jansson.h>
#include <sys/types.h>

#include "tests/adxsim/store.h"

/* One column of a row as a V1 value. */
json_t *export_json(sqlite3_stmt *stmt, int column, enum kusto_type type);
/* One column of a row as CSV. null is nothing; bool is true or false; a real is the shortest text that reads
 * back. */
void export_csv(sqlite3_stmt *stmt, int column, enum kusto_type type, struct buf *out);
/* "SELECT c0,c1.. FROM rows_N ORDER BY id", which is the order of ingestion; with a LIMIT unless it is
 * negative. */
void export_sql(const struct table *table, int64_t limit, struct buf *out);

/* All rows as CSV, in pieces, from one snapshot, over a connection of its own. */
struct export_stream;
NODISCARD int export_open(struct store *store, const struct table *table, struct export_stream **out);
void export_close(struct export_stream *export);
/* Up to max bytes: how many, 0 at the end, or -EIO. */
ssize_t export_read(struct export_stream *export, char *data, size_t max);

#endif
