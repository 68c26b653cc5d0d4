/* The segments that are open, of all tables: made when rows come, kept open within a limit (the least
 * recently used is parked, writer.h), synced together, and sealed when they are large or old enough: some
 * hundred at a time, so that thousands that fall due at once hold up nobody.
 *
 * Lists: `recent` (open files, least recently used first), `aging` (all that grow, oldest first), `dirty`
 * (those with bytes that are to be synced), `syncing` (those that the syncer is at), `closing` (those that
 * wait to be durable, so that they can be sealed), `ready` (those that can be). The table of one that is
 * closing may have a new one already.
 *
 * The committer's thread only. */
#ifndef SPILLWAY_SLOTS_H
#define SPILLWAY_SLOTS_H

#include "common/spool/writer_group.h"
#include "walwriter/faults.h"
#include "walwriter/hints.h"
#include "walwriter/receive_settings.h"
#include "walwriter/registry.h"
#include "walwriter/syncer.h"
#include "walwriter/totals.h"

struct slot {
    struct table *table;
    struct writer writer;
    struct faults faults; /* of refused rows */
    struct link recent, aging, dirty, syncing, closing;
    uint64_t goal_bytes; /* while syncing: so much will be durable */
    bool is_bad;         /* holds refused rows */
};

/* A segment was sealed. Called in the committer's thread. */
typedef void slots_sealed(void *arg, const char *db, const struct writer *writer);

struct slots {
    const struct receive_settings *settings;
    struct spool *spool;
    struct registry *registry;
    struct totals *totals;
    struct hints hints;
    struct link recent, aging, dirty, syncing, closing, ready, dead;
    struct syncer *syncer;              /* NULL with SYNC_NEVER; the committer's */
    uint64_t sync_ticket, moved_ticket; /* of what is syncing (0: nothing); of the last renames */
    size_t open_count, count;           /* count: those that are not sealed */
    size_t outside;                     /* files of others that count against the limit */
    struct mono dirty_since, retry_at;
    slots_sealed *sealed; /* or NULL */
    void *sealed_arg;
    bool is_hint_due; /* peerd and uploader are to be told at the next tick */
};

void slots_init(struct slots *slots, const struct receive_settings *settings, struct spool *spool,
                struct registry *registry, struct totals *totals);
/* What is left open is abandoned: it stays in active/. */
void slots_fini(struct slots *slots);

/* The lease of a database: one for all that is written for it. */
NODISCARD int slots_lease(struct slots *slots, struct database *database, struct lease **lease,
                          struct err *err);

/* Append one member to the table's open segment (of good or of refused rows), which is made, opened again or
 * exchanged for a new one as need be. On failure nothing of it is there: writer_is_full(rc), or -EMFILE:
 * later.
 * `*slot` is where it went. */
NODISCARD int slots_append(struct slots *slots, struct table *table, bool is_bad, const void *member,
                           size_t bytes, const struct writer_counts *counts, struct slot **slot,
                           struct err *err);

/* Take back what was appended since `mark`, in the same round. */
void slots_take_back(struct slots *slots, struct slot *slot, const struct writer_mark *mark);

/* Leases of databases that wait for nothing give back what they do not need. */
void slots_tend_leases(struct slots *slots);

/* Make durable what is dirty. Returns how many segments could not be: their slot->writer.has_failed. Then
 * slots_forget_failed() takes them out of their tables; their files stay in active/, to be adopted. */
size_t slots_sync(struct slots *slots);
void slots_forget_failed(struct slots *slots);

/* Free the slots that came to their end: pointers to them that slots_append() gave are void after this. */
void slots_bury(struct slots *slots);

/* Make room for one more file, by parking. */
void slots_make_open(struct slots *slots);

/* Have all sealed that there are; those of one database, if one is given; those that are older than
 * `older_ms`, if that is not 0. */
void slots_close_all(struct slots *slots, const struct database *database, int64_t older_ms);

/* A file was sealed, be it one of ours or of an upload: count it, log it, tell who waits for segments. */
void slots_note_sealed(struct slots *slots, const char *db, const struct writer *w);

/* Nothing is open any more, and all that was sealed is durably so, as far as that is wanted. */
bool slots_is_settled(struct slots *slots);

/* When slots_tick() has something to do. */
struct mono slots_due(const struct slots *slots);

/* Sync by interval, and seal some of what is due. */
void slots_tick(struct slots *slots);

/* The ids of all segments that are not sealed, in order: for adoption, to leave them alone. The caller's
 * (free()). */
NODISCARD int slots_ids(struct slots *slots, uint64_t **ids, size_t *count);

#endif
