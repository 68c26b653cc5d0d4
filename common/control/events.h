/* The telling end of an event socket: `run/<program>.evt`, nng PUB over IPC. Who listens hears what happens
 * from then on; nobody listening is fine, and who listens too slowly misses some. One thread. */
#ifndef SPILLWAY_EVENTS_H
#define SPILLWAY_EVENTS_H

#include <jansson.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/control/listening.h"
#include "common/spool/spool.h"

/* Zeroed at first. Must stay where it is as long as the process lives: the socket is closed in the background
 * (closing.h). */
struct events {
    const char *program;
    nng_socket socket;
    struct listening listening;
    bool is_open;
};

/* Listen. `program` must live as long. The caller holds the program's lock. -EIO and `err`; events_close()
 * after either. */
NODISCARD int events_open(struct events *events, const struct spool *spool, const char *program,
                          struct err *err);

/* Tell {"v":1,"type":type,"time":…,"program":…, + what is in `fields`}. `fields` is taken (may be NULL). Of
 * events that are not open, or when memory is out, nobody hears. */
void events_publish(struct events *events, const char *type, json_t *take_fields);

/* They watch whether they can still be connected to, and mend that (listening.h): when that is due, and doing
 * it. */
struct mono events_due(const struct events *events);
void events_tick(struct events *events);

void events_close(struct events *events);

#endif
