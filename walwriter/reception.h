/* What all requests of the receiver share: set up and taken down by receiver.c, constant in between but for
 * what says of itself that it is thread-safe. */
#ifndef SPILLWAY_RECEPTION_H
#define SPILLWAY_RECEPTION_H

#include "common/control/metrics.h"
#include "common/http/server.h"
#include "walwriter/commit.h"

struct reception {
    struct receive_settings settings;
    struct memory memory;
    struct totals totals;
    struct http_server server;
    struct registry registry;
    struct commit *commit;
    _Atomic bool is_draining;
};

/* Why it is not ready: at most so many reasons, each a constant text. Returns how many. */
enum { REASONS_MAX = 3 };
size_t reception_reasons(struct reception *reception, const char *reasons[static REASONS_MAX]);

/* Everything it counts, for /metrics and the control socket. */
void reception_metrics(struct reception *reception, struct metrics *out);

#endif
