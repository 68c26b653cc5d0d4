/* What commit.c and round.c share; private to them. */
#ifndef SPILLWAY_COMMIT_PARTS_H
#define SPILLWAY_COMMIT_PARTS_H

#include "common/control/client.h"
#include "common/segment/codec.h"
#include "walwriter/commit.h"
#include "walwriter/upload.h"

enum {
    REFUSAL_MS = 1000, /* how long a database's requests are refused before diskguard is asked again */
    NOTICES_MAX = 1024,
};

struct commit {
    const struct receive_settings *settings;
    struct spool *spool;
    struct registry *registry;
    struct totals *totals;
    void (*wake)(void *arg);
    void *wake_arg;
    pthread_t thread;
    bool has_thread;
    int active_lock;

    /* Shared; under lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *first, *last;
    bool has_news; /* one of the following has changed */
    bool is_stopping, is_draining, wants_seal, is_drained;
    struct sealed_notice *notices; /* a ring */
    size_t notice_first, notice_count;
    uint64_t notices_missed;
    _Atomic bool has_guard;

    /* The thread's own. */
    struct slots slots;
    struct codec *codec;
    struct effort effort;
    struct mono spent_at; /* up to when the round's time is spent of it */
    char *block;          /* rows of several requests */
    uint8_t *member;      /* a block, deflated */
    size_t block_max, member_max;
    struct ctl_client *guard;
    struct mono housekeeping_at, adopt_at;
};

/* One round: everything that `jobs` wants, and their answers. */
void round_run(struct commit *commit, struct job *jobs);

/* Answer it as failed. */
void round_refuse(struct job *job, enum job_result result, const char *why);

/* Ask for room for each database that has none, and again where there was none. */
void round_probe(struct commit *commit);

#endif
