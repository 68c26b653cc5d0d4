/* One ingestion: a body of records into a table, all or nothing, with what is remembered of it. */
#ifndef ADXSIM_INGEST_H
#define ADXSIM_INGEST_H

#include "tests/adxsim/error.h"
#include "tests/adxsim/ident.h"
#include "tests/adxsim/store.h"

struct ingest {
    const char *kind;          /* "inline", "streaming" */
    const char *format;        /* csv, json, multijson: any case */
    const char *mapping_name;  /* or NULL */
    const char *tags;          /* a JSON array as text, or NULL */
    const char *if_not_exists; /* a JSON array as text, or NULL: skip when the table has any of these
                                  ingest-by tags */
    const char *request_id;    /* or NULL */
    const char *data;
    size_t len;
};

struct ingest_outcome {
    int64_t rows;
    bool skipped;
    char extent_id[IDENT_GUID_SIZE]; /* all zero when nothing was stored */
};

/* With the store's lock held. 0 or -EPROTO with *error set; then nothing was stored but a line of
 * `.show ingestion failures`. */
NODISCARD int ingest_run(struct store *store, const struct table *table, const struct ingest *ingest,
                         struct ingest_outcome *outcome, struct sim_error *error);

#endif
