/* What a request at peerd's door asks for: the target of its request line, understood. Pure; thread-safe.
 *
 *     /transfer?db=D&table=T&schema=S&format=F&id=ID       S: the schema's hash as in file names, or -
 *     /peer/state   /healthz   /readyz   /metrics
 *
 * Parameters that are not known are passed over: a later version may have more. */
#ifndef SPILLWAY_PEERD_TRANSFER_TARGET_H
#define SPILLWAY_PEERD_TRANSFER_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/segment/format.h"
#include "common/segment/marker.h"

enum transfer_kind {
    TARGET_NONE, /* there is nothing of that name: 404 */
    TARGET_BAD,  /* a /transfer that cannot be understood: 400, `why` says it */
    TARGET_TRANSFER,
    TARGET_STATE,
    TARGET_HEALTHZ,
    TARGET_READYZ,
    TARGET_METRICS,
};

enum { TARGET_WHY_BYTES = 256 };

struct transfer_target {
    enum transfer_kind kind;
    const char *db, *table; /* valid ADX names whose files have names that are not too long */
    bool has_schema;
    uint64_t schema_hash;
    enum segment_format format;
    const char *id; /* valid (marker.h) */
    char why[TARGET_WHY_BYTES];
    char *storage; /* private: what the texts point into */
};

/* Parse `target`, as it stands in the request line. 0 or -ENOMEM; transfer_target_fini() after 0. */
NODISCARD int transfer_target_init(struct transfer_target *target, const char *text);
void transfer_target_fini(struct transfer_target *target);

#endif
