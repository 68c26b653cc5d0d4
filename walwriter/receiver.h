/* The receiver daemon: what the skeleton of a daemon calls (common/control/daemon.h). Main thread. */
#ifndef SPILLWAY_RECEIVER_H
#define SPILLWAY_RECEIVER_H

#include "common/control/daemon.h"

int receiver_check(const struct conf *conf, struct err *err);
int receiver_init(struct daemon *daemon, void **state, struct err *err);
int64_t receiver_step(void *state);
void receiver_stop(void *state);
void receiver_reload(void *state);
void receiver_status(void *state, json_t *out);
void receiver_metrics(void *state, struct metrics *out);
json_t *receiver_on_seal(void *state, const struct ctl_peer *peer, const json_t *request);
void receiver_fini(void *state);

#endif
