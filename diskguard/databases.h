/* What the spool holds, by database and place. Pure bookkeeping; one thread.
 *
 * Index 0 is what belongs to no database: state/, run/, foreign files, the directories above those of
 * databases. An index stays valid for good: databases are not forgotten. */
#ifndef SPILLWAY_DISKGUARD_DATABASES_H
#define SPILLWAY_DISKGUARD_DATABASES_H

#include <stddef.h>
#include <stdint.h>

#include "common/spool/spool.h"

/* Where a file lies: a queue (the numbers of enum spool_queue), or one of these. */
enum area { AREA_STATE = QUEUE_COUNT, AREA_RUN, AREA_OTHER, AREA_COUNT };

/* The queue's name, or "state", "run", "other". */
const char *area_name(enum area area);

enum { DATABASES_MAX = 65536 };

/* What is limited. */
struct amount {
    int64_t bytes, files;
};

/* Of one of these: what was promised, and what was written by the word of writers and not yet shown by scans
 * (account.c): since the running scan started; before it; before the one before it, which did not see all of
 * it. */
struct ledger {
    int64_t outstanding;
    int64_t young, old, missed;
};

struct database {
    char folder[SPOOL_NAME_BYTES]; /* encoded, as the folder is called; "" for index 0 */

    /* What scans have seen, allocated bytes; kept by files.c. */
    int64_t bytes[AREA_COUNT];
    int64_t segments[AREA_COUNT]; /* segment files: *.gz, and *.gz.bad, which will be one */
    unsigned folders;             /* bit i: its folder in queue i exists */

    /* What the running (else the last) scan came upon: growth of files, and segments that were not there. */
    int64_t growth[AREA_COUNT];
    int64_t new_segments;

    struct ledger bytes_due, files_due;
    bool is_in_failover;

    int64_t rate;         /* bytes a second that it grows by, smoothed (forecast.c) */
    int64_t sampled_used; /* at the last sample */
};

struct databases {
    struct database *list;
    size_t count, capacity;
    size_t found_last;
};

/* -ENOMEM. */
NODISCARD int databases_init(struct databases *databases);
void databases_fini(struct databases *databases);

/* The index of a database by its folder's name, making the record. -ENOMEM; -ENOSPC beyond DATABASES_MAX.
 * Pointers to records are void after this. */
NODISCARD int databases_index(struct databases *databases, const char *folder, size_t *index);

/* All that counts for this database: seen, settled and outstanding. */
int64_t database_charge(const struct database *database);

/* Seen by scans, all places together. */
int64_t database_seen(const struct database *database);

int64_t ledger_settled(const struct ledger *ledger);

#endif
