/* What a request asks for: the target of an HTTP request line, understood. Pure; thread-safe.
 *
 *     /ingest/<db>/<table>?format=csv|json[&schema=Col:type,...][&partial=0|1]
 *     /healthz   /readyz   /metrics
 *
 * Names and values are percent-encoded; in the query a + is a space. Parameters that are not known are
 * refused: a mistyped one would otherwise be passed over in silence. */
#ifndef SPILLWAY_ROUTE_H
#define SPILLWAY_ROUTE_H

#include <stdbool.h>

#include "common/base/err.h"
#include "common/segment/format.h"

enum route_kind {
    ROUTE_NONE, /* there is nothing of that name: 404 */
    ROUTE_BAD,  /* an /ingest that cannot be understood: 400, `why` says it */
    ROUTE_INGEST,
    ROUTE_HEALTHZ,
    ROUTE_READYZ,
    ROUTE_METRICS,
};

enum { ROUTE_WHY_BYTES = 200 };

struct route {
    enum route_kind kind;
    const char *db, *table; /* decoded; whether ADX would take them is not yet checked */
    const char *schema;     /* "" when there is none */
    enum segment_format format;
    bool is_partial;
    char why[ROUTE_WHY_BYTES];
    char *storage; /* private: what the texts point into */
};

/* Parse `target`, as it stands in the request line. 0 or -ENOMEM; route_fini() after 0. */
NODISCARD int route_init(struct route *route, const char *target);
void route_fini(struct route *route);

#endif
