/* A table of results, as a V1 answer shows it (adx.md 1.2), and the few KQL operators that may be piped after
 * it. */
#ifndef ADXSIM_RESULT_H
#define ADXSIM_RESULT_H

#include <jansson.h>

#include "tests/adxsim/coerce.h"
#include "tests/adxsim/csl.h"
#include "tests/adxsim/error.h"

struct result {
    json_t *columns; /* [{ColumnName, DataType, ColumnType}] */
    json_t *rows;    /* [[value]] */
};

void result_init(struct result *result);
void result_fini(struct result *result);
void result_add_column(struct result *result, const char *name, enum kusto_type type);
/* "TableName:string,Rows:long" */
void result_add_columns(struct result *result, const char *schema);
/* Takes the row (a JSON array, one value for each column). */
void result_take_row(struct result *result, json_t *row);
void result_write(const struct result *result, struct buf *out);
/* The frames of /v2/rest/query: header, properties, the table as primary result, completion. */
void result_write_v2(const struct result *result, struct buf *out);
/* A JSON string, whatever the bytes (what is not UTF-8 is replaced). */
json_t *result_string(const char *text, size_t len);

/* Zero or more of `| project A, B`, `| count`, `| take N`, `| limit N`, `| where Col == 'x' [and ..]` (also
 * !=), up to the end of the text. 0 or -EPROTO with *error set. */
NODISCARD int result_pipe(struct result *result, struct csl *csl, struct sim_error *error);

#endif
