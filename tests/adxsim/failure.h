/* What `.show ingestion failures` tells of. */
#ifndef ADXSIM_FAILURE_H
#define ADXSIM_FAILURE_H

#include "tests/adxsim/error.h"
#include "tests/adxsim/store.h"

struct failure {
    const char *operation_id;
    const char *database;
    const char *table;
    const char *source_path; /* of the blob, without its SAS; "" for other kinds */
    const char *properties;  /* JSON, or "" */
    const char *kind;        /* inline, streaming, queued */
    const struct sim_error *error;
};

/* With the store's lock held. */
void failure_remember(struct store *store, const struct failure *failure);

#endif
