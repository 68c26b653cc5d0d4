/* A thread that syncs the spool's file system for others who must not wait: syncfs(2), one run at a time;
 * what is asked for during a run is done by the next. Thread-safe. */
#ifndef SPILLWAY_SYNCER_H
#define SPILLWAY_SYNCER_H

#include "common/spool/spool.h"

struct syncer;

/* `wake` is called from its thread after each run. */
NODISCARD int syncer_new(struct syncer **syncer, const struct spool *spool, void (*wake)(void *arg),
                         void *arg, struct err *err);

/* Waits for the run that is under way. NULL is allowed. */
void syncer_free(struct syncer *syncer);

/* Ask for a run that begins after now; the ticket is never 0. */
uint64_t syncer_ask(struct syncer *syncer);

enum syncer_state {
    SYNCER_WAITING,
    SYNCER_DONE,   /* all that was written before the ticket was given is on disk */
    SYNCER_FAILED, /* a write-back failed, of whatever file */
};
enum syncer_state syncer_state(struct syncer *syncer, uint64_t ticket);

#endif
