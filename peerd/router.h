/* Where sealed segments go. Without peers there is one answer: our own upload/. One thread. */
#ifndef SPILLWAY_PEERD_ROUTER_H
#define SPILLWAY_PEERD_ROUTER_H

#include <stdint.h>

#include "common/spool/place.h"

/* What was routed since the start. */
struct router_counts {
    uint64_t segments, bytes;
    uint64_t failures; /* moves that failed and will be tried again */
};

/* Move every segment of sealed/ to where it belongs. What cannot be moved now is left, logged and counted; a
 * segment whose name is taken in upload/ goes to quarantine, for two files of one name cannot both be it.
 * Returns how many are left, or a negative errno when sealed/ cannot be read. */
NODISCARD int64_t router_run(const struct spool *spool, struct router_counts *counts);

#endif
