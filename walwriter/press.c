#include "walwriter/press.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

/* Many small blocks, so that the threads seldom wait for one another; few large ones: one that is filled, one
 * that is deflated, one between. */
enum { SLOTS_MIN = 3, SLOTS_MAX = 8, SLOTS_BYTES = 2 << 20 };

/* Two, and what the owner does beside them, keep two cores busy; the owner cannot feed many more. */
enum { THREADS_MAX = 2 };

struct slot {
    char *buffer;
    uint8_t *member;
    struct member_block block;
    struct pressed result;
    enum codec_effort effort;
    int64_t took_ns;
    bool is_done; /* under the lock */
};

struct worker {
    struct press *press;
    struct codec *codec;
    pthread_t thread;
};

/* Slot i % slot_count holds the i-th block: the threads' from `done` on to `given`, the owner's before and
 * after. */
struct press {
    struct slot slots[SLOTS_MAX];
    size_t slot_count, member_max_bytes;
    struct worker workers[THREADS_MAX];
    size_t worker_count;
    uint64_t dropped;     /* the owner's */
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t has_given, has_done;
    bool is_stopping;
    struct effort effort;
    uint64_t given, begun, done; /* blocks; all before `done` are done */
    uint64_t awaited;            /* what `done` must come to before has_done is told */
};

static struct slot *slot_of(struct press *press, uint64_t number)
{
    return &press->slots[number % press->slot_count];
}

/* --- the thread ------------------------------------------------------------------------------------- */

static void deflate_slot(struct worker *worker, struct slot *slot)
{
    const struct member_block *block = &slot->block;
    struct pressed result = {.member = slot->member, .raw_bytes = block->raw_bytes, .rows = block->rows};
    struct mono began = mono_now();
    codec_set_effort(worker->codec, slot->effort);
    result.rc = member_encode_data(worker->codec, block, slot->member, worker->press->member_max_bytes,
                                   &result.member_bytes);
    slot->took_ns = mono_now().ns - began.ns;
    slot->result = result;
}

/* With the lock. */
static void mark_done(struct press *press, struct slot *slot)
{
    slot->is_done = true;
    effort_spend(&press->effort, slot->took_ns);
    while (press->done < press->begun && slot_of(press, press->done)->is_done)
        press->done++;
    if (press->done >= press->awaited)
        pthread_cond_signal(&press->has_done);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct press *press = worker->press;
    pthread_mutex_lock(&press->lock);
    while (!press->is_stopping) {
        if (press->begun == press->given) {
            pthread_cond_wait(&press->has_given, &press->lock);
            continue;
        }
        struct slot *slot = slot_of(press, press->begun++);
        slot->effort = effort_choose(&press->effort, mono_now());
        pthread_mutex_unlock(&press->lock);
        deflate_slot(worker, slot);
        pthread_mutex_lock(&press->lock);
        mark_done(press, slot);
    }
    pthread_mutex_unlock(&press->lock);
    return NULL;
}

/* --- the owner -------------------------------------------------------------------------------------- */

static size_t cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}

static int start_worker(struct press *press)
{
    struct worker *worker = &press->workers[press->worker_count];
    sigset_t all, before;
    *worker = (struct worker){.press = press, .codec = codec_new()};
    if (!worker->codec)
        return -ENOMEM;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = pthread_create(&worker->thread, NULL, work, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        codec_free(worker->codec);
    else
        press->worker_count++;
    return -rc;
}

static size_t slots_for(size_t block_bytes)
{
    size_t count = SLOTS_BYTES / block_bytes;
    return count < SLOTS_MIN ? SLOTS_MIN : count > SLOTS_MAX ? SLOTS_MAX : count;
}

static int allocate(struct press *press, size_t raw_max_bytes)
{
    press->member_max_bytes = member_bound(raw_max_bytes);
    bool is_whole = true;
    for (size_t i = 0; i < press->slot_count; i++) {
        struct slot *slot = &press->slots[i];
        slot->buffer = malloc(raw_max_bytes);
        slot->member = malloc(press->member_max_bytes);
        is_whole = is_whole && slot->buffer && slot->member;
    }
    return is_whole ? 0 : -ENOMEM;
}

int press_new(struct press **out, size_t block_bytes, size_t raw_max_bytes, enum compression compression)
{
    struct press *press = calloc(1, sizeof *press);
    if (!press)
        return -ENOMEM;
    press->awaited = UINT64_MAX;
    effort_init(&press->effort, compression, mono_now());
    press->slot_count = slots_for(block_bytes);
    pthread_mutex_init(&press->lock, NULL);
    pthread_cond_init(&press->has_given, NULL);
    pthread_cond_init(&press->has_done, NULL);
    int rc = allocate(press, raw_max_bytes);
    for (size_t i = 0, wanted = cores(); rc == 0 && i < wanted && i < THREADS_MAX; i++)
        rc = start_worker(press);
    if (rc) {
        press_free(press);
        return rc;
    }
    *out = press;
    return 0;
}

void press_free(struct press *press)
{
    if (!press)
        return;
    pthread_mutex_lock(&press->lock);
    press->is_stopping = true;
    pthread_cond_broadcast(&press->has_given);
    pthread_mutex_unlock(&press->lock);
    for (size_t i = 0; i < press->worker_count; i++) {
        pthread_join(press->workers[i].thread, NULL);
        codec_free(press->workers[i].codec);
    }
    for (size_t i = 0; i < press->slot_count; i++) {
        free(press->slots[i].buffer);
        free(press->slots[i].member);
    }
    pthread_cond_destroy(&press->has_given);
    pthread_cond_destroy(&press->has_done);
    pthread_mutex_destroy(&press->lock);
    free(press);
}

char *press_buffer(struct press *press)
{
    return slot_of(press, press->given)->buffer; /* only the owner writes `given` */
}

bool press_is_idle(const struct press *press)
{
    return press->given == press->dropped;
}

bool press_is_full(const struct press *press)
{
    return press->given - press->dropped == press->slot_count - 1;
}

void press_give(struct press *press, const struct member_block *block)
{
    assert(!press_is_full(press) && block->raw);
    struct slot *slot = slot_of(press, press->given);
    slot->block = *block;
    slot->is_done = false;
    pthread_mutex_lock(&press->lock);
    press->given++;
    pthread_cond_signal(&press->has_given);
    pthread_mutex_unlock(&press->lock);
}

void press_wait(struct press *press, bool for_all)
{
    uint64_t under_way = press->given - press->dropped;
    if (under_way == 0)
        return;
    pthread_mutex_lock(&press->lock);
    press->awaited = press->dropped + (for_all || under_way == 1 ? under_way : under_way / 2);
    while (press->done < press->awaited)
        pthread_cond_wait(&press->has_done, &press->lock);
    press->awaited = UINT64_MAX;
    pthread_mutex_unlock(&press->lock);
}

const struct pressed *press_take(struct press *press)
{
    pthread_mutex_lock(&press->lock);
    bool is_done = press->done > press->dropped;
    pthread_mutex_unlock(&press->lock);
    return is_done ? &slot_of(press, press->dropped)->result : NULL;
}

void press_drop(struct press *press)
{
    press->dropped++;
}
