/* One queued ingestion, from its message to rows or to a failure: the checks of adx.md 10 F in their order.
 */
#ifndef ADXSIM_QUEUED_H
#define ADXSIM_QUEUED_H

#include "tests/adxsim/client.h"
#include "tests/adxsim/message.h"
#include "tests/adxsim/sim.h"

struct queued_outcome {
    bool skipped;     /* ingestIfNotExists found its tag */
    int64_t raw_size; /* -1: the blob was not read */
    int64_t rows;
};

/* 0, or -EPROTO with *error; !error->permanent: may pass, try again later. Takes the store's lock. */
NODISCARD int queued_ingest(const struct sim *sim, struct client *client, const struct message *message,
                            struct queued_outcome *outcome, struct sim_error *error);

#endif
