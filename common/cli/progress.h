/* Progress of long work, for a person at a terminal: a line on stderr that is drawn anew some times a second.
 * Silent when stderr is not a terminal. One thread. */
#ifndef SPILLWAY_CLI_PROGRESS_H
#define SPILLWAY_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"

struct progress {
    const char *what;
    int64_t total, done; /* bytes */
    struct mono started, next;
    bool is_shown;
};

void progress_begin(struct progress *progress, const char *what, int64_t total_bytes);
void progress_add(struct progress *progress, int64_t bytes);

/* Take the line away. */
void progress_end(struct progress *progress);

#endif
