#include "common/base/cond.h"

#include <errno.h>

void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, struct mono until)
{
    const struct timespec at = {.tv_sec = (time_t)(until.ns / 1000000000),
                                .tv_nsec = (long)(until.ns % 1000000000)};
    return pthread_cond_timedwait(cond, lock, &at) != ETIMEDOUT;
}
