/* The lander: a thread that puts what peers send where it belongs. What came while it was busy is its next
 * round:
 *
 *     take all jobs; append each table's transfers, each with its commit marker, in one write; with --sync
 *     always: make all of it durable in one step; remember the ids; then answer all of them.
 *
 * In between it seals, syncs and asks for room. A round for which nothing has to be waited for (small bodies,
 * their segments open, room there, no --sync always) is carried out by the thread that submits it, without
 * waking the lander's: with its own jobs and those that others submit meanwhile. Leases, landing segments and
 * the ledger's file are touched under one lock, by whoever is at work. Before the first job is taken the
 * lander recovers: reads the markers that dead processes left into the ledger and adopts their files.
 *
 * Calls from any thread, but for lander_new() and lander_free(). */
#ifndef SPILLWAY_PEERD_LANDER_H
#define SPILLWAY_PEERD_LANDER_H

#include "peerd/receive/landing.h"

enum land_kind {
    LAND_ROOM,    /* is there room for room_bytes? */
    LAND_PIECE,   /* a piece of a large body, into a file of its own: `own` */
    LAND_COMMIT,  /* the rest of it, or all of a small one: it is whole */
    LAND_ASIDE,   /* the same, but it is to go to quarantine: another has its id */
    LAND_DISCARD, /* the large body will not be whole */
};

enum land_result {
    LAND_DONE,
    LAND_FULL,   /* no room, or too many files: nothing is kept. Later */
    LAND_FAILED, /* trouble with the disk. Later */
};

enum { LAND_WHY_BYTES = 256 };

/* It is the lander's from lander_submit() until done() is called. */
struct landing_job {
    struct landing_job *next;
    enum land_kind kind;
    enum land_result result;
    bool is_spent; /* LAND_FULL: the disk budget is, not something that passes */
    char why[LAND_WHY_BYTES];
    void (*done)(struct landing_job *job);
    struct landing_key key;
    struct marker marker;
    const void *data; /* whole members, but for pieces, which may end in the middle of one */
    size_t bytes;
    struct writer_counts counts; /* of the members that end in data */
    uint64_t since_ms;           /* what has come is as old as that, in wall time */
    int64_t room_bytes;
    struct landing *own; /* the lander's */
};

static inline void landing_jobs_add(struct landing_jobs *jobs, struct landing_job *job)
{
    job->next = NULL;
    if (jobs->first)
        jobs->last->next = job;
    else
        jobs->first = job;
    jobs->last = job;
}

struct lander;

/* What it tells others; each from its own thread. */
struct lander_hooks {
    void (*wake)(void *arg); /* a segment was sealed, or draining has ended */
    void *arg;
};

/* Starts the thread. All arguments must outlive it. */
NODISCARD int lander_new(struct lander **lander, const struct landing_settings *settings, struct spool *spool,
                         struct ledger *ledger, struct received *received, const struct lander_hooks *hooks,
                         struct err *err);

/* Recovery alone, for a process that receives nothing: what an earlier one received is adopted, and which
 * transfers that was remembered. `*segments`: how many. */
NODISCARD int lander_recover(const struct landing_settings *settings, struct spool *spool,
                             struct ledger *ledger, uint64_t *segments, struct err *err);

/* Stop after the round that is under way. Jobs that wait, and those that come later, are answered
 * LAND_FAILED with nothing kept. */
void lander_stop(struct lander *lander);

/* After lander_stop(), when no job can come any more. NULL is allowed. */
void lander_free(struct lander *lander);

/* done() of some of them may be called before this returns. */
void lander_submit(struct lander *lander, const struct landing_jobs *jobs);

/* Seal everything as soon as no job waits, and go on doing so; lander_is_drained(): nothing is left. */
void lander_drain(struct lander *lander);
bool lander_is_drained(struct lander *lander);

/* Has it recovered? Before, nobody knows which transfers are here. */
bool lander_is_ready(struct lander *lander);

/* Is diskguard there? (True, too, when nobody wants it.) */
bool lander_has_guard(struct lander *lander);

struct lander_counts {
    uint64_t rounds, segments_sealed, segments_failed, files_open, segments_recovered;
};
struct lander_counts lander_counts(struct lander *lander);

#endif
