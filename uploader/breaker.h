/* The circuit breaker of one database: what it is said to be, and when it may be asked again. Pure: time and
 * chance are arguments; the main thread alone has it.
 *
 *                 failures in a row, long enough             first success
 *     CLOSED ----------------------------------> OPEN --------------------------> HALF_OPEN
 *       ^                                         ^ ^                              |  |
 *       |  hold_ms have passed                    | +-------- a failure -----------+  | enough successes
 *       +------------------- RECOVERING <---------+------- a failure ------+          |
 *                                ^                                         |          |
 *                                +-----------------------------------------+----------+
 *
 * CLOSED      everything is uploaded; asked (probed) only when nothing was heard of it for a while
 * OPEN        nothing is uploaded; probed every probe_ms
 * HALF_OPEN   one batch at a time, or a probe where there is none
 * RECOVERING  everything is uploaded again, but it is still said to be away: one that flaps does not move
 * work about
 *
 * After any failure, and any 429, uploads begin anew with one at a time; with each that succeeds one more may
 * run beside it (breaker_room). So however many instances have kept its data, a database that is back is not
 * met by all that each of them can do at once, and one that asks for less gets less until it is content.
 *
 * What a verdict (outcome.h) means here:
 *
 *     success                         success
 *     down, unauthorised, missing     failure: it speaks of the database and not of one batch
 *     throttled                       it is there, and busy: never a failure, never a success
 *     anything else                   says nothing about the database
 *
 * A row of failures is ended by a success of the same kind: a management query that works does not make up
 * for uploads that fail. A failure of an attempt that began before a database came back says nothing any
 * more. */
#ifndef UPLOADER_BREAKER_H
#define UPLOADER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/control/health.h"
#include "uploader/adx/outcome.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_RECOVERING, BREAKER_STATES };

struct breaker_options {
    unsigned failures;      /* --breaker-failures: so many in a row … */
    int64_t time_ms;        /* --breaker-time: … over at least this */
    unsigned successes;     /* --breaker-successes */
    int64_t hold_ms;        /* --recovery-hold */
    int64_t probe_ms;       /* --probe-interval */
    int64_t idle_ms;        /* --idle-probe */
    struct backoff backoff; /* --retry-min, --retry-max */
    bool engine_counts;     /* --health engine */
};

enum breaker_source {
    BREAKER_BATCH,
    BREAKER_PROBE,
    BREAKER_IDLE_PROBE, /* a probe while there is nothing to upload: the best word that can be had */
};

struct breaker_event {
    enum breaker_source source;
    enum verdict verdict;
    int64_t retry_after_ms; /* 0: not said */
    struct mono begun;      /* the attempt */
};

struct breaker {
    enum breaker_state state;
    unsigned failures[2];   /* in a row, of BREAKER_BATCH and of probes */
    struct mono first[2];   /* when those rows began; valid while failures[] > 0 */
    unsigned throttles;     /* in a row */
    unsigned successes;     /* HALF_OPEN: so far */
    unsigned room;          /* uploads at the same time; BREAKER_ROOM_MAX: as many as there are */
    enum verdict reason;    /* of the last failure */
    bool is_degraded;       /* the engine is away */
    bool is_watched;        /* the caller's: its engine is asked too, so that uploads do not put probes off */
    struct mono reopened;   /* HALF_OPEN, RECOVERING: first success */
    struct mono hold;       /* RECOVERING: until then */
    struct mono not_before; /* batches wait until then */
    struct mono probe_due;
};

/* `random`: any 32 bits, here and below. The first probe comes within idle_ms, unless there is traffic. */
void breaker_init(struct breaker *breaker, const struct breaker_options *options, struct mono now,
                  uint32_t random);

/* The same for a database that was away when the last uploader ended, by `reason`: OPEN, asked at once. */
void breaker_recall(struct breaker *breaker, enum verdict reason, struct mono now);

/* Something was heard of the database, or was not. */
void breaker_note(struct breaker *breaker, const struct breaker_options *options,
                  const struct breaker_event *event, struct mono now, uint32_t random);

/* What the engine says, where uploads do not need it (queued ingestion). Only a word: see is_degraded. */
void breaker_note_engine(struct breaker *breaker, enum verdict verdict);

/* A batch is being sent: a probe would tell nothing new for a while. */
void breaker_note_begin(struct breaker *breaker, const struct breaker_options *options, struct mono now);

/* Time has passed. Call it before the next three. */
void breaker_tick(struct breaker *breaker, struct mono now);

enum health breaker_health(const struct breaker *breaker);

/* May batches be sent: none, one at a time, as many as there is room for? */
enum breaker_flow { FLOW_NONE, FLOW_ONE, FLOW_FULL };
enum breaker_flow breaker_flow(const struct breaker *breaker, struct mono now);

/* With FLOW_FULL: how many at the same time, from 1 to BREAKER_ROOM_MAX. */
enum { BREAKER_ROOM_MAX = 256 }; /* what --uploads may be */
unsigned breaker_room(const struct breaker *breaker);

/* When breaker_tick() has something to do. */
struct mono breaker_next(const struct breaker *breaker);

/* Ask at once, wait for nothing (an operator's wish). */
void breaker_hurry(struct breaker *breaker, struct mono now);

#endif
