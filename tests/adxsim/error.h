/* What went wrong with a request, and the one shape in which Kusto says so (adx.md 1.3). */
#ifndef ADXSIM_ERROR_H
#define ADXSIM_ERROR_H

#include <stdbool.h>

#include "common/base/compiler.h"
#include "tests/adxsim/buf.h"

enum error_kind {
    ERROR_BAD_REQUEST,
    ERROR_SYNTAX,
    ERROR_SEMANTIC,
    ERROR_DATABASE_NOT_FOUND,
    ERROR_DATABASE_NOT_EXIST, /* the same as the docs still have it */
    ERROR_TABLE_NOT_EXIST,
    ERROR_ENTITY_NOT_FOUND,
    ERROR_SCHEMA,
    ERROR_MAPPING,
    ERROR_MAPPING_NOT_FOUND,
    ERROR_FORMAT,
    ERROR_PROPERTY,
    ERROR_NO_DATA,
    ERROR_WRONG_FORMAT,
    ERROR_CLOSING_QUOTE,
    ERROR_STREAM_TOO_LARGE,
    ERROR_PAYLOAD_TOO_LARGE,
    ERROR_STREAMING_POLICY,
    ERROR_COMPRESSION,
    ERROR_FORBIDDEN,
    ERROR_STREAMING_OFF,
    /* Of queued ingestion; no HTTP answer shows them. */
    ERROR_CORRUPTED_MESSAGE,
    ERROR_IDENTITY_TOKEN,
    ERROR_DUPLICATE_MAPPING,
    ERROR_EMPTY_BLOB,
    ERROR_INVALID_BLOB,
    ERROR_FILE_TOO_LARGE,
    ERROR_BLOB_ALREADY_RECEIVED,
    ERROR_BLOB_NOT_FOUND,
    ERROR_BLOB_FORBIDDEN,
    ERROR_BLOB_BAD_REQUEST,
    ERROR_DOWNLOAD, /* not permanent */
    ERROR_RETRIES,
    ERROR_INTERNAL, /* the stand-in's own trouble (SQLite, disk): not permanent */
    ERROR_KINDS
};

struct sim_error {
    int status;       /* HTTP */
    const char *code; /* of static storage, or the owner's */
    const char *type; /* .NET exception type, likewise */
    bool permanent;
    char message[1024];
};

/* Fills *error and returns -EPROTO, so that a handler can end with `return error_set(...)`. */
PRINTF(3, 4) int error_set(struct sim_error *error, enum error_kind kind, const char *format, ...);

/* What a server answers with this status when nothing else is known: the code and type that go with it. */
void error_from_status(struct sim_error *error, int status);

/* The JSON body. request_id may be NULL. */
void error_write(const struct sim_error *error, const char *request_id, const char *activity_id,
                 struct buf *out);

#endif
