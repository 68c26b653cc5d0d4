/* Asking a target how it is, without sending it anything: for ADX a small management query in the database,
 * for a directory a file without a name. Runs in a worker. */
#ifndef UPLOADER_PROBE_H
#define UPLOADER_PROBE_H

#include "uploader/upload.h"

/* Fills job->outcome: SUCCESS, or why not. Takes at most --probe-timeout for ADX. */
void probe_run(struct upload_job *job, struct worker *worker);

#endif
