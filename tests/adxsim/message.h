/* A message of queued ingestion, as clients post it (adx.md 2.4), checked for form: what it says, not yet
 * whether that is true. Pure. */
#ifndef ADXSIM_MESSAGE_H
#define ADXSIM_MESSAGE_H

#include <jansson.h>

#include "tests/adxsim/error.h"

enum report_level { REPORT_FAILURES, REPORT_NOTHING, REPORT_ALL };
enum report_method { REPORT_TO_QUEUE, REPORT_TO_TABLE, REPORT_TO_BOTH, REPORT_TO_MONITORING };

struct message {
    json_t *json;   /* all of it; the texts below live in it */
    const char *id; /* a guid; NULL when even that is not to be had */
    const char *blob_path;
    const char *database;
    const char *table;
    long long raw_size; /* -1: not said */
    bool retain_blob;
    bool flush_immediately;
    enum report_level report_level;
    enum report_method report_method;
    const char *status_url; /* IngestionStatusInTable, or NULL */
    const char *status_partition;
    const char *status_row;
    /* AdditionalProperties; NULL when absent */
    const char *identity;
    const char *format;
    const char *mapping_name;
    const char *mapping_json;
    const char *mapping_type;
    const char *tags;
    const char *if_not_exists;
    bool skip_first;
};

/* From MessageText. 0, or -EPROTO with *error: BadRequest_CorruptedMessage when it is not base64 of a JSON
 * object with an Id, a BlobPath, a database and a table; BadRequest_MalformedIngestionProperty for a property
 * of the wrong type. message_fini in either case. */
NODISCARD int message_parse(const char *text, struct message *message, struct sim_error *error);
void message_fini(struct message *message);
/* BlobPath without its SAS: length of what comes before the question mark. */
int message_path_length(const struct message *message);

#endif
