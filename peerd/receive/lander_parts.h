/* What lander.c and lander_round.c share; private to them. */
#ifndef SPILLWAY_PEERD_LANDER_PARTS_H
#define SPILLWAY_PEERD_LANDER_PARTS_H

#include <pthread.h>

#include "common/control/client.h"
#include "peerd/receive/lander.h"

struct lander {
    pthread_mutex_t working; /* guards what follows, up to is_ready; taken before `lock` */
    const struct landing_settings *settings;
    struct spool *spool;
    struct ledger *ledger;
    struct received *received;
    const struct lander_hooks *hooks;
    struct landings landings;
    struct ctl_client *guard, *uploader;
    struct buf block; /* what a round appends to one segment */
    struct mono sync_at, house_at, recover_at;
    struct mono due; /* when there is something to do */
    bool has_hint;
    _Atomic bool is_ready, has_guard;
    _Atomic uint64_t rounds, recovered;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    struct landing_jobs jobs;  /* for the lander's thread */
    struct landing_jobs small; /* for whoever works next */
    bool has_news, is_stopping, is_draining, is_drained;
};

/* Carry out the jobs and answer them. */
void round_run(struct lander *lander, struct landing_job *jobs);

/* Carry out those commits of small bodies for which nothing has to be waited for, and answer them; `rest`:
 * the others. True: a segment is to be sealed now. */
NODISCARD bool round_help(struct lander *lander, struct landing_job *jobs, struct landing_jobs *rest);

void round_refuse(struct landing_job *job, enum land_result result, const char *why);

#endif
