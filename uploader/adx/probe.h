/* Asking a target how it is, without sending it anything: for ADX a small management query in the database,
 * for a directory a file without a name. Runs in a worker. */
#ifndef UPLOADER_PROBE_H
#define UPLOADER_PROBE_H

#include "uploader/upload.h"

/* Do uploads go elsewhere than to the engine (queued ingestion: data management), so that both are asked? */
bool probe_is_twofold(const struct upload_job *job);

/* Fills job->outcome with what uploads need to know: SUCCESS, or why not; and job->engine where the probe is
 * twofold. A database that its engine does not know is missing, whatever data management says. Takes at most
 * --probe-timeout for each question to ADX. */
void probe_run(struct upload_job *job, struct worker *worker);

#endif
