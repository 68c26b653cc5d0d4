#include "uploader/pool.h"

#include <errno.h>
#include <pthread.h>

#include "uploader/probe.h"

struct pool {
    pthread_mutex_t lock; /* guards all that follows but the constants */
    pthread_cond_t has_job;
    struct upload_job *jobs, **last_job;
    struct upload_job *results, **last_result;
    unsigned idle, started;
    bool is_ending;
    /* constant */
    unsigned threads_max;
    void (*wake)(void *arg);
    void *arg;
    pthread_t threads[];
};

struct pool *pool_new(unsigned threads_max, void (*wake)(void *arg), void *arg)
{
    struct pool *pool = calloc(1, sizeof *pool + threads_max * sizeof(pthread_t));
    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->has_job, NULL);
    pool->last_job = &pool->jobs;
    pool->last_result = &pool->results;
    pool->threads_max = threads_max;
    pool->wake = wake;
    pool->arg = arg;
    return pool;
}

static void append(struct upload_job ***last, struct upload_job *job)
{
    job->next = NULL;
    **last = job;
    *last = &job->next;
}

/* The next job, or NULL when the pool ends. Called and returns with the lock held. */
static struct upload_job *next_job(struct pool *pool)
{
    pool->idle++;
    while (!pool->jobs && !pool->is_ending)
        pthread_cond_wait(&pool->has_job, &pool->lock);
    pool->idle--;
    struct upload_job *job = pool->is_ending ? NULL : pool->jobs;
    if (job) {
        pool->jobs = job->next;
        if (!pool->jobs)
            pool->last_job = &pool->jobs;
    }
    return job;
}

static void *work(void *arg)
{
    struct pool *pool = arg;
    struct worker worker = {0};
    struct upload_job *job;
    pthread_mutex_lock(&pool->lock);
    while ((job = next_job(pool))) {
        pthread_mutex_unlock(&pool->lock);
        if (job->is_probe)
            probe_run(job, &worker);
        else
            upload_run(job, &worker);
        pthread_mutex_lock(&pool->lock);
        append(&pool->last_result, job);
        pool->wake(pool->arg);
    }
    pthread_mutex_unlock(&pool->lock);
    worker_fini(&worker);
    return NULL;
}

static int start_thread(struct pool *pool)
{
    enum { STACK_BYTES = 1 << 20 };
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int rc = pthread_create(&pool->threads[pool->started], &attributes, work, pool);
    pthread_attr_destroy(&attributes);
    if (rc == 0)
        pool->started++;
    return -rc;
}

int pool_submit(struct pool *pool, struct upload_job *job)
{
    int rc = 0;
    unsigned waiting = 1;
    pthread_mutex_lock(&pool->lock);
    for (const struct upload_job *other = pool->jobs; other; other = other->next)
        waiting++;
    if (waiting > pool->idle && pool->started < pool->threads_max)
        rc = start_thread(pool);
    if (pool->started > 0) {
        append(&pool->last_job, job);
        pthread_cond_signal(&pool->has_job);
        rc = 0;
    }
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

struct upload_job *pool_take(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct upload_job *list = pool->results;
    pool->results = NULL;
    pool->last_result = &pool->results;
    pthread_mutex_unlock(&pool->lock);
    return list;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->is_ending = true;
    pthread_cond_broadcast(&pool->has_job);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->started; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->has_job);
    free(pool);
}
