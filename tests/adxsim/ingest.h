/* One ingestion: a body of records into a table, all or nothing, with what is remembered of it. */
#ifndef ADXSIM_INGEST_H
#define ADXSIM_INGEST_H

#include "tests/adxsim/error.h"
#include "tests/adxsim/ident.h"
#include "tests/adxsim/store.h"

struct ingest {
    const char *kind;          /* "inline", "streaming", "queued" */
    const char *format;        /* csv, json, multijson: any case */
    const char *mapping_name;  /* or NULL */
    const char *mapping_json;  /* a mapping itself, or NULL; not together with a name */
    const char *tags;          /* a JSON array as text, or NULL */
    const char *if_not_exists; /* a JSON array as text, or NULL: skip when the table has any of these
                                  ingest-by tags */
    const char *request_id;    /* or NULL */
    bool skip_first;           /* the first record of CSV is a heading */
    bool caller_remembers;     /* a failure is not put into `.show ingestion failures` here */
    const char *data;
    size_t len;
};

struct ingest_outcome {
    int64_t rows;
    bool skipped;
    char extent_id[IDENT_GUID_SIZE]; /* all zero when nothing was stored */
};

/* The kind of mapping that goes with a format, "Csv" or "Json"; NULL: the format is not known. */
const char *ingest_mapping_kind(const char *format);
/* With the store's lock held. 0 or -EPROTO with *error set; then nothing was stored but a line of
 * `.show ingestion failures`. */
NODISCARD int ingest_run(struct store *store, const struct table *table, const struct ingest *ingest,
                         struct ingest_outcome *outcome, struct sim_error *error);

#endif
