/* Threads that run jobs which block. What they share with the main thread is two lists under one lock; a
 * finished job wakes the main thread. Threads are started when they are first needed.
 *
 * A job is a struct of the caller's that begins with a struct worker_job. */
#ifndef SPILLWAY_WORKERS_H
#define SPILLWAY_WORKERS_H

#include <stddef.h>

#include "common/base/compiler.h"

struct worker_job {
    struct worker_job *next; /* for whoever has it in a list */
};

struct workers_hooks {
    /* What a thread keeps from job to job (a connection, say): `bytes` of zeros, given to each run(). */
    size_t local_bytes;
    void (*run)(struct worker_job *job, void *local);
    void (*fini)(void *local);
    void (*wake)(void *arg); /* called from a worker after each job */
    void *arg;
};

struct workers;

/* At most `threads_max` (1 or more). `hooks` is copied. NULL: out of memory. */
NODISCARD struct workers *workers_new(unsigned threads_max, const struct workers_hooks *hooks);

/* Ends when the jobs in hand have ended; jobs not begun are given back by the return value, as those that
 * ended and were not taken. */
struct worker_job *workers_free(struct workers *workers);

/* Hand over a job; it is the workers' until workers_take() gives it back. -EAGAIN: no thread can be started.
 */
NODISCARD int workers_submit(struct workers *workers, struct worker_job *job);

/* All that have ended since the last call, as a list; NULL: none. */
struct worker_job *workers_take(struct workers *workers);

#endif
