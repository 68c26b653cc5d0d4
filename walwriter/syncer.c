#include "walwriter/syncer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "common/base/log.h"

struct syncer {
    int fd; /* of its own: a failed write-back is reported once to each open file */
    void (*wake)(void *arg);
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    bool is_stopping;
    uint64_t asked, began, done;        /* runs: the last that is wanted, was begun, has ended */
    uint64_t failed_after, failed_upto; /* runs of the last failure */
};

/* With the lock; without it while it waits for the disk. */
static void run_once(struct syncer *syncer)
{
    uint64_t before = syncer->done;
    syncer->began = syncer->asked;
    pthread_mutex_unlock(&syncer->lock);
    int rc = syncfs(syncer->fd) == 0 ? 0 : -errno;
    if (rc)
        log_warn("sync-failed", log_s("what", "syncfs"), log_s("cause", strerror(-rc)),
                 log_s("action", "asking each file"));
    pthread_mutex_lock(&syncer->lock);
    if (rc) {
        syncer->failed_after = before;
        syncer->failed_upto = syncer->began;
    }
    syncer->done = syncer->began;
}

static void *work(void *arg)
{
    struct syncer *syncer = arg;
    pthread_mutex_lock(&syncer->lock);
    while (!syncer->is_stopping) {
        if (syncer->asked == syncer->done) {
            pthread_cond_wait(&syncer->changed, &syncer->lock);
            continue;
        }
        run_once(syncer);
        pthread_mutex_unlock(&syncer->lock);
        syncer->wake(syncer->arg);
        pthread_mutex_lock(&syncer->lock);
    }
    pthread_mutex_unlock(&syncer->lock);
    return NULL;
}

int syncer_new(struct syncer **out, const struct spool *spool, void (*wake)(void *arg), void *arg,
               struct err *err)
{
    struct syncer *syncer = calloc(1, sizeof *syncer);
    if (!syncer)
        return err_set(err, -ENOMEM, "out of memory");
    *syncer = (struct syncer){.wake = wake,
                              .arg = arg,
                              .lock = PTHREAD_MUTEX_INITIALIZER,
                              .changed = PTHREAD_COND_INITIALIZER,
                              .fd = openat(spool->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    int rc = syncer->fd < 0 ? -errno : -pthread_create(&syncer->thread, NULL, work, syncer);
    if (rc) {
        if (syncer->fd >= 0)
            close(syncer->fd);
        free(syncer);
        return err_errno(err, rc, "the thread that syncs");
    }
    *out = syncer;
    return 0;
}

void syncer_free(struct syncer *syncer)
{
    if (!syncer)
        return;
    pthread_mutex_lock(&syncer->lock);
    syncer->is_stopping = true;
    pthread_cond_signal(&syncer->changed);
    pthread_mutex_unlock(&syncer->lock);
    pthread_join(syncer->thread, NULL);
    close(syncer->fd);
    free(syncer);
}

uint64_t syncer_ask(struct syncer *syncer)
{
    pthread_mutex_lock(&syncer->lock);
    uint64_t ticket = syncer->began + 1;
    syncer->asked = ticket;
    pthread_cond_signal(&syncer->changed);
    pthread_mutex_unlock(&syncer->lock);
    return ticket;
}

enum syncer_state syncer_state(struct syncer *syncer, uint64_t ticket)
{
    pthread_mutex_lock(&syncer->lock);
    bool has_failed = ticket > syncer->failed_after && ticket <= syncer->failed_upto;
    enum syncer_state state = ticket > syncer->done ? SYNCER_WAITING
                              : has_failed          ? SYNCER_FAILED
                                                    : SYNCER_DONE;
    pthread_mutex_unlock(&syncer->lock);
    return state;
}
