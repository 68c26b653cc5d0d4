/* The committer: one thread that writes what all requests bring. What came while it was busy is its next
 * round:
 *
 *     take all jobs; group them by table; append each table's rows as few blocks, each of whole requests;
 *     with --sync always: make all of it durable in one step; then answer all of them.
 *
 * So a request's rows are in one block: whatever happens to the file, all of them are there, or none. (A body
 * larger than a stage has files of its own for the same reason, upload.h.) In between it seals, syncs, asks
 * for room, and adopts what other writers left: nobody else touches leases and segments.
 *
 * Calls from any thread, but for commit_new() and commit_free(). */
#ifndef SPILLWAY_COMMIT_H
#define SPILLWAY_COMMIT_H

#include "walwriter/job.h"
#include "walwriter/receive_settings.h"
#include "walwriter/slots.h"
#include "walwriter/totals.h"

struct commit;

/* A segment that was sealed, for whoever publishes that. */
struct sealed_notice {
    char db[128], file[SPOOL_NAME_BYTES];
    uint64_t rows, raw_bytes, bytes;
};

/* Starts the thread; adopts before that what an earlier daemon left. `wake` (any thread) is called when there
 * are notices, and when draining has ended. All arguments must outlive it. */
NODISCARD int commit_new(struct commit **commit, const struct receive_settings *settings, struct spool *spool,
                         struct registry *registry, struct totals *totals, void (*wake)(void *arg), void *arg,
                         struct err *err);

/* Stop after the round that is under way. Jobs that wait, and those that come later, are answered JOB_FAILED,
 * with nothing kept; segments that are not sealed stay in active/. */
void commit_stop(struct commit *commit);

/* After commit_stop(), when no job can come any more. */
void commit_free(struct commit *commit);

/* Jobs, linked by `next`. Each is the committer's until job->done(job) is called: in its thread, or, after
 * commit_stop(), at once. */
void commit_submit(struct commit *commit, struct job *jobs);

/* Seal all that there is, soon. */
void commit_seal(struct commit *commit);

/* Seal everything as soon as no job waits, and go on doing so; commit_is_drained(): nothing is left. */
void commit_drain(struct commit *commit);
bool commit_is_drained(struct commit *commit);

/* The next notice; false: there is none. `*missed`: so many were dropped before it. */
bool commit_next_sealed(struct commit *commit, struct sealed_notice *notice, uint64_t *missed);

/* Is diskguard there? (True, too, when nobody wants it.) */
bool commit_has_guard(struct commit *commit);

#endif
