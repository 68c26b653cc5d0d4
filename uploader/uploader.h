/* The uploader's state: what the main thread knows. Workers see only the job that they were given (upload.h)
 * and what is behind the locks of workers.h, adx.h and totals.h.
 *
 *     step():  take results -> scan the queue when it is time -> start what is due -> say when to be called
 * again
 *
 * schedule.c decides what runs, results.c what a result means, health.c how each database is, opinion.c how
 * it was, recover.c what was there at start, status.c and control.c what people see and say. */
#ifndef UPLOADER_UPLOADER_H
#define UPLOADER_UPLOADER_H

#include "common/base/backoff.h"
#include "common/control/client.h"
#include "common/control/daemon.h"
#include "common/spool/ballast.h"
#include "common/spool/waiting_plan.h"
#include "uploader/breaker.h"
#include "uploader/upload.h"

enum {
    UPLOADER_ONCE_ATTEMPTS = 3, /* --once: so many failures in a row, and it is given up for this run */
    UPLOADER_WAITING_MAX =
        4096, /* batches of a database that wait to be tried again: beyond that none is begun */
    UPLOADER_UNKNOWN_MS = 60000,    /* how often a database without a target is spoken of */
    UPLOADER_MEASURE_BUDGET = 1024, /* segments measured in one step */
    UPLOADER_AGES_MS = 60000,       /* how often data over --max-age is spoken of */
    UPLOADER_CONFIRM_MS = 30000,    /* at the longest, between two looks at what ADX failed on */
    UPLOADER_FRESH_MS = 120000,     /* data is new for so long: see --drain-share */
    UPLOADER_SCAN_SHARE = 10,       /* scanning takes at most a tenth of the main thread */
};

/* A batch that was claimed: it is in flight, or waits to be tried (again). */
struct batch {
    struct spool_place place;
    uint64_t id, oldest_id; /* its own, and that of its oldest segment (0: not known) */
    struct database *database;
    char *table; /* with the next three: what it is a batch of */
    uint64_t schema_hash;
    bool has_schema;
    enum segment_format format;
    uint64_t segments, rows, raw_bytes; /* as known; 0 for one that was found */
    unsigned attempts;                  /* that failed */
    struct mono not_before;
    bool is_given_up;       /* --once */
    int64_t posted_ms;      /* wall; 0: it is not posted, or that is all that was wanted */
    bool is_trial;          /* in flight, begun while the breaker was not closed */
    bool is_in_doubt;       /* something of it may be in ADX, of which we have no word */
    struct progress *known; /* from one job to the next: see upload.h */
    struct batch *next;
};

/* One --database. */
struct database {
    struct target target;
    struct adx_endpoint endpoint;
    struct waiting queue;
    struct batch *batches; /* that wait, oldest first */
    size_t batch_count;
    struct posted {
        struct batch *first, *last; /* posted and not confirmed, the one to be asked about next first */
        size_t count;
        bool is_asking;    /* one of them is in flight */
        unsigned failures; /* questions in a row that were not answered */
    } posted;
    struct batch *flying; /* those that workers have, in no order */
    unsigned in_flight;   /* so many */

    struct breaker breaker;
    enum health health;      /* as was announced last */
    int64_t health_since_ms; /* wall */
    uint64_t transitions;    /* of that word */
    struct outcome reason;   /* the last that spoke against the database */
    bool is_probing;
    bool has_brought;  /* a batch was taken, and none was answered "no rights" since */
    bool may_try;      /* OPEN, and a probe was forbidden: perhaps a batch is not */
    unsigned trials;   /* in flight, of those that were begun while it was not CLOSED */
    unsigned failures; /* in a row, throttling included */
    struct outcome last_error;
    int64_t last_error_ms, last_success_ms; /* wall; 0: never */
    bool is_paused, is_given_up;
    unsigned new_credit;       /* percent of a batch that new data has coming while old data is drained */
    struct mono leaving_until; /* peerd moves what there is of it to another instance: nothing new is begun */
};

/* A folder in the queue for which there is no --database. */
struct unknown {
    char folder[SPOOL_NAME_BYTES];
    uint64_t segments;
};

struct uploader {
    struct daemon *daemon;
    struct ballast ballast;
    struct upload_context context;
    struct workers *workers;
    struct ctl_client *diskguard;
    struct database *databases;
    size_t database_count;
    struct resources **resources; /* one for each data-management endpoint */
    size_t resources_count;
    struct batch_limits limits;
    struct backoff backoff;
    struct breaker_options breaker;
    unsigned uploads, uploads_per_database, in_flight;
    unsigned drain_share; /* percent */
    size_t turn;          /* database that is looked at first */
    int64_t scan_interval_ms, confirm_after_ms, confirm_every_ms;
    int64_t max_age_ms;
    struct mono scan_due, unknown_due, ages_due;
    struct walk *walk;
    struct unknown *unknown;
    size_t unknown_count;
    uint64_t foreign_batches; /* in batch/, of databases without a target or of another version */
    bool is_once, is_stopping;
    bool must_scan_all; /* directories that look unchanged, too */
    bool is_unsure;     /* measuring has not ended: there may be more that is due */
};

/* schedule.c */
void schedule_scan(struct uploader *u);
void schedule_start(struct uploader *u);
bool schedule_has_work(const struct uploader *u,
                       const struct database *d); /* that may be tried in this run */
void schedule_put_back(struct database *d,
                       struct batch *batch); /* that was taken, into the list that it is from */
int64_t schedule_delay_ms(const struct uploader *u);
bool schedule_is_drained(const struct uploader *u); /* nothing left in the spool that was ours to send */

/* The most that can be in flight: `uploads` of the first database that became active, half of it of the next
 * …, and for each a probe, and a trial beside attempts that still hang. */
unsigned schedule_threads(unsigned uploads, size_t databases);

/* age.c */
struct ages {
    int64_t oldest_ms;      /* of the segment that was begun first; 0: there is none */
    const char *table;      /* its table; may be NULL */
    uint64_t late_segments; /* older than --max-age, in the queue and in batches */
};
void ages_measure(const struct uploader *u, const struct database *d, struct ages *ages);
void ages_report(struct uploader *u); /* a warning for each database that has some */

/* results.c */
void results_take(struct uploader *u);

/* health.c */
void health_init(struct uploader *u);
/* Something was heard of `d`, by an attempt that began then. */
void health_note(struct uploader *u, struct database *d, enum breaker_source source,
                 const struct outcome *outcome, struct mono begun);
void health_take_probe(struct uploader *u, struct upload_job *job);
/* Announce what time alone has changed, and start the probes that are due. */
void health_step(struct uploader *u);
struct mono health_due(const struct uploader *u, const struct database *d); /* the next such step */

/* opinion.c: what was thought of databases when the last uploader ended; after health_init(). And what is
 * now, for the next one: whenever one goes away or is back. */
void opinion_load(struct uploader *u);
void opinion_store(const struct uploader *u);

/* recover.c: at start, before any worker. */
NODISCARD int recover_batches(struct uploader *u, struct err *err);

/* batches.c: the list of those that wait */
struct batch *batches_new(struct database *d, const struct spool_place *place);
void batches_free(struct batch *batch);
void batches_insert(struct database *d, struct batch *batch); /* by id */
struct batch *batches_take(struct database *d);               /* the oldest that may be tried now, or NULL */
void batches_post(struct database *d, struct batch *batch);   /* put it behind all that are posted */
struct batch *batches_take_posted(struct database *d);        /* one to be asked about now, or NULL */
void batches_fly(struct batch *batch);                        /* a worker gets it: it is in no other list */
void batches_land(struct batch *batch);                       /* and gives it back */
bool batches_has(const struct database *d, const struct waiting_group *group);
bool batches_set_key(struct batch *batch, const char *table, bool has_schema, uint64_t schema_hash,
                     enum segment_format format);

struct database *uploader_find(struct uploader *u, const char *folder);

/* status.c */
void uploader_status(void *state, json_t *out);
void uploader_metrics(void *state, struct metrics *out);

/* control.c */
json_t *uploader_pause(void *state, const struct ctl_peer *peer, const json_t *request);
json_t *uploader_resume(void *state, const struct ctl_peer *peer, const json_t *request);
json_t *uploader_probe(void *state, const struct ctl_peer *peer, const json_t *request);

/* leaving.c: databases whose data leaves this instance (failover.md §5) */
json_t *uploader_release(void *state, const struct ctl_peer *peer, const json_t *request);
bool leaving_is(const struct database *d);
void leaving_step(struct uploader *u); /* dissolve what waits of them, and can be */

/* uploader.c: the hooks of the skeleton */
extern const struct daemon_module uploader_module;

#endif
