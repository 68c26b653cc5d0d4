/* Workers: threads that run jobs, because an upload blocks. What they share with the main thread is two lists
 * under one lock; a finished job wakes the main thread. Threads are started when they are first needed. */
#ifndef UPLOADER_POOL_H
#define UPLOADER_POOL_H

#include "uploader/upload.h"

struct pool;

/* At most `threads_max` (1 or more). `wake` is called from a worker after each job. NULL: out of memory. */
NODISCARD struct pool *pool_new(unsigned threads_max, void (*wake)(void *arg), void *arg);

/* Ends when the jobs in hand have ended; jobs not begun are dropped. */
void pool_free(struct pool *pool);

/* Hand over a job; it is the pool's until pool_take() gives it back. -EAGAIN: no thread can be started. */
NODISCARD int pool_submit(struct pool *pool, struct upload_job *job);

/* All that have ended since the last call, as a list; NULL: none. */
struct upload_job *pool_take(struct pool *pool);

#endif
