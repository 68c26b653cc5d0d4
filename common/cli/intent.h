/* state/requeue.json: what a requeue is about to move out of quarantine, so that the reasons beside the moved
 * files go away also when it is killed. Nothing depends on it but some bytes of rubbish: it is not made
 * durable. Under the operator's lock. */
#ifndef SPILLWAY_CLI_INTENT_H
#define SPILLWAY_CLI_INTENT_H

#include <stddef.h>
#include <sys/types.h>

#include "common/cli/why.h"

struct intent_file {
    const char *file; /* in quarantine/<folder>/ */
    struct why why;
};

/* Say which files of one database are about to move; replaces what was said before. 0 or a negative errno. */
NODISCARD int intent_write(const struct spool *spool, const char *folder, const struct intent_file *files,
                           size_t count);

/* All is done. */
void intent_clear(const struct spool *spool);

/* Finish what a killed requeue said: the reasons of files that have moved go. */
void intent_finish(const struct spool *spool);

#endif
