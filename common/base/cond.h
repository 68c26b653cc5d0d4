/* Condition variables that wait by the monotonic clock. Thread-safe, as those are. */
#ifndef SPILLWAY_BASE_COND_H
#define SPILLWAY_BASE_COND_H

#include <pthread.h>
#include <stdbool.h>

#include "common/base/clock.h"

void cond_init(pthread_cond_t *cond);

/* With the lock held: until it is signalled, or for no reason, or until `until`. False: that has come. */
bool cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, struct mono until);

#endif
