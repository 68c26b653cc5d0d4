/* SIGTERM, SIGINT, SIGHUP as something to poll: nothing is interrupted in the middle. One thread, which
 * blocks the signals before any other exists. */
#ifndef SPILLWAY_STOP_H
#define SPILLWAY_STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/compiler.h"

struct stop {
    int fd; /* readable when a signal has come */
    bool is_asked;
};

NODISCARD int stop_init(struct stop *stop);
void stop_fini(struct stop *stop);

/* Wait until a signal comes, or `timeout_ms`. True when one has come, now or before. */
bool stop_wait(struct stop *stop, int timeout_ms);

#endif
