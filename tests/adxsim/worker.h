/* Queued ingestion, as the data-management service does it: a thread that takes messages from the input
 * queues, gathers them into batches, and has each ingested and reported (adx.md 10 F). A message is deleted
 * only after that: who dies in between finds it again. */
#ifndef ADXSIM_WORKER_H
#define ADXSIM_WORKER_H

#include "common/base/compiler.h"
#include "tests/adxsim/sim.h"

struct worker;

/* sim->storage is prepared and outlives it. */
struct worker *worker_start(const struct sim *sim);
/* Once sim->stop_fd is readable. What it held goes back to the queues at once. */
void worker_stop(struct worker *worker);

#endif
