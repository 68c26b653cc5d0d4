/* Landing segments: where what peers send is put. One is open for each table, schema, format and number of
 * hops; a large body has one of its own. Each transfer in it ends with a commit marker (marker.h); it goes to
 * upload/ when it is large or old enough, after the ids of its transfers are in the ledger.
 *
 * Its id has the time of the oldest rows in it, by the heads that came with them, so a segment's age counts
 * from where it was written however often it is sent; it is renamed before older rows are appended
 * (writer_redate).
 *
 * All of it belongs to one thread at a time (lander.h). */
#ifndef SPILLWAY_PEERD_LANDING_H
#define SPILLWAY_PEERD_LANDING_H

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/spool/sync_mode.h"
#include "common/spool/writer.h"
#include "peerd/receive/ledger.h"
#include "peerd/receive/received.h"

enum { LANDING_HOPS_MAX = 99 };

/* Whose rows: texts are the caller's. */
struct landing_key {
    struct received_database *database;
    const char *table;
    const char *schema; /* canonical text, or "" */
    uint64_t schema_hash;
    enum segment_format format;
    unsigned hops; /* that the rows have behind them, this one included */
};

struct landing_job;

struct landing_jobs {
    struct landing_job *first, *last;
};

struct landing {
    struct link link;          /* in open, ready or own */
    struct landing *next_hash; /* of those that are open */
    struct received_database *database;
    char *table, *schema;
    uint64_t schema_hash, hash;
    unsigned hops;
    char extra[64]; /* of its head */
    struct segment_origin origin;
    struct writer writer;
    struct buf lines; /* for the ledger */
    char *head;       /* the text of its head, for markers */
    size_t head_bytes;
    bool is_own, is_touched;
    struct landing_jobs jobs; /* of this round */
    struct landing *next_in_round;
};

struct landing_settings {
    const char *instance;
    uint64_t segment_bytes;
    int64_t segment_age_ms;
    size_t open_max;
    enum sync_mode sync;
    bool is_guarded;
};

struct landings {
    const struct landing_settings *settings;
    struct spool *spool;
    struct ledger *ledger;
    struct link open, ready, own; /* oldest first; to be sealed; of large bodies that are coming in */
    struct landing **table;
    size_t count;         /* files */
    struct mono retry_at; /* sealing failed: not before */
    bool is_recovery_due; /* a file was left in active/ */
    void (*sealed)(void *arg, const char *db, const struct writer *writer);
    void *arg;
    _Atomic uint64_t segments_sealed, segments_failed, files_open;
};

NODISCARD int landings_init(struct landings *landings, const struct landing_settings *settings,
                            struct spool *spool, struct ledger *ledger, struct err *err);

/* Files that are open stay in active/, for the next start. */
void landings_fini(struct landings *landings);

/* The lease of a database. */
NODISCARD int landings_lease(struct landings *landings, struct received_database *database,
                             struct lease **lease, struct err *err);

/* The open one for `key`; NULL: there is none. */
struct landing *landings_find(struct landings *landings, const struct landing_key *key);

/* The open one for `key`, made for rows since `since_ms` when there is none. writer_is_full(rc), -EMFILE,
 * -ENOMEM: later. */
NODISCARD int landings_get(struct landings *landings, const struct landing_key *key, uint64_t since_ms,
                           struct landing **landing, struct err *err);

/* One for a single body. */
NODISCARD int landings_new_own(struct landings *landings, const struct landing_key *key, uint64_t since_ms,
                               struct landing **landing, struct err *err);

/* It is complete: to be sealed with the next tick. */
void landings_finish(struct landings *landings, struct landing *landing);

/* Nothing in it was promised to anyone: remove it. */
void landings_discard(struct landings *landings, struct landing *landing);

/* Its file was moved elsewhere. */
void landings_let_go(struct landings *landings, struct landing *landing);

/* Write the commit marker of a transfer to `out`, behind what is there. -ENOMEM. */
NODISCARD int landing_put_marker(struct landing *landing, const struct marker *marker, struct buf *out);

/* Make those that were touched in this round durable (or all that are open). A landing whose disk failed has
 * writer.has_failed; landings_drop_failed() lets go of it, after its jobs were told. */
void landings_sync(struct landings *landings, bool all);
void landings_drop_failed(struct landings *landings);

/* Seal what is due: all of them with `everything`. */
void landings_tick(struct landings *landings, bool everything);

/* When it has something to do. */
struct mono landings_due(const struct landings *landings);

/* What a lease must keep so that what is open can be sealed. */
int64_t landings_keep(const struct landings *landings);

#endif
