/* What becomes known of a queued ingestion: messages in the report queues, and the entity in the status table
 * (adx.md 2.6). Best effort, as in ADX: a report that cannot be placed is said on stderr. */
#ifndef ADXSIM_REPORT_H
#define ADXSIM_REPORT_H

#include "tests/adxsim/message.h"
#include "tests/adxsim/storage.h"

enum report_outcome { OUTCOME_SUCCEEDED, OUTCOME_SKIPPED, OUTCOME_FAILED };

struct report {
    const struct message *message;
    const char *operation_id;
    enum report_outcome outcome;
    const struct sim_error *error; /* of a failure */
};

void report_send(const struct storage *storage, struct client *client, const struct report *report);

#endif
