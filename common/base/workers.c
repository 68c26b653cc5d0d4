#include "common/base/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct workers {
    pthread_mutex_t lock; /* guards all that follows but the constants */
    pthread_cond_t has_job;
    struct worker_job *jobs, **last_job;
    struct worker_job *results, **last_result;
    unsigned idle, started, running;
    bool is_ending;
    /* constant */
    unsigned threads_max;
    struct workers_hooks hooks;
    char *locals; /* of each thread its own */
    pthread_t threads[];
};

struct workers *workers_new(unsigned threads_max, const struct workers_hooks *hooks)
{
    struct workers *workers = calloc(1, sizeof *workers + threads_max * sizeof(pthread_t));
    if (!workers)
        return NULL;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->has_job, NULL);
    workers->last_job = &workers->jobs;
    workers->last_result = &workers->results;
    workers->threads_max = threads_max;
    workers->hooks = *hooks;
    workers->locals = calloc(threads_max, hooks->local_bytes);
    if (workers->locals)
        return workers;
    (void)workers_free(workers);
    return NULL;
}

static void append(struct worker_job ***last, struct worker_job *job)
{
    job->next = NULL;
    **last = job;
    *last = &job->next;
}

/* The next job, or NULL when it is over. Called and returns with the lock held. */
static struct worker_job *next_job(struct workers *workers)
{
    workers->idle++;
    while (!workers->jobs && !workers->is_ending)
        pthread_cond_wait(&workers->has_job, &workers->lock);
    workers->idle--;
    struct worker_job *job = workers->is_ending ? NULL : workers->jobs;
    if (job) {
        workers->jobs = job->next;
        if (!workers->jobs)
            workers->last_job = &workers->jobs;
    }
    return job;
}

static void *work(void *arg)
{
    struct workers *workers = arg;
    struct worker_job *job;
    pthread_mutex_lock(&workers->lock);
    void *local = workers->locals + workers->running++ * workers->hooks.local_bytes;
    while ((job = next_job(workers))) {
        pthread_mutex_unlock(&workers->lock);
        workers->hooks.run(job, local);
        pthread_mutex_lock(&workers->lock);
        append(&workers->last_result, job);
        workers->hooks.wake(workers->hooks.arg);
    }
    pthread_mutex_unlock(&workers->lock);
    workers->hooks.fini(local);
    return NULL;
}

static int start_thread(struct workers *workers)
{
    enum { STACK_BYTES = 1 << 20 };
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int rc = pthread_create(&workers->threads[workers->started], &attributes, work, workers);
    pthread_attr_destroy(&attributes);
    if (rc == 0)
        workers->started++;
    return -rc;
}

int workers_submit(struct workers *workers, struct worker_job *job)
{
    int rc = 0;
    unsigned waiting = 1;
    pthread_mutex_lock(&workers->lock);
    for (const struct worker_job *other = workers->jobs; other; other = other->next)
        waiting++;
    if (waiting > workers->idle && workers->started < workers->threads_max)
        rc = start_thread(workers);
    if (workers->started > 0) {
        append(&workers->last_job, job);
        pthread_cond_signal(&workers->has_job);
        rc = 0;
    }
    pthread_mutex_unlock(&workers->lock);
    return rc;
}

struct worker_job *workers_take(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    struct worker_job *list = workers->results;
    workers->results = NULL;
    workers->last_result = &workers->results;
    pthread_mutex_unlock(&workers->lock);
    return list;
}

struct worker_job *workers_free(struct workers *workers)
{
    if (!workers)
        return NULL;
    pthread_mutex_lock(&workers->lock);
    workers->is_ending = true;
    pthread_cond_broadcast(&workers->has_job);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->started; i++)
        pthread_join(workers->threads[i], NULL);
    *workers->last_result = workers->jobs;
    struct worker_job *left = workers->results;
    pthread_mutex_destroy(&workers->lock);
    pthread_cond_destroy(&workers->has_job);
    free(workers->locals);
    free(workers);
    return left;
}
