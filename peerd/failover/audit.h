/* The sum of invariant 5 (house.md §3), per database, from what is on disk alone; works whether the programs
 * run or not:
 *
 *     came + restored = uploaded + sent + dropped + archived + removed + in the spool + in quarantine
 *
 * came         arrivals.h: each segment when it left active/
 * restored     state/restored.jsonl: what came back from an archive
 * uploaded     state/uploader.json: each batch once
 * sent         state/peerd.json: each transfer that a peer has
 * dropped, archived   state/drops.jsonl
 * removed      state/removed.jsonl: what an operator removed
 * in the spool, in quarantine   the rows of the files that are there
 *
 * Rows in active/ have not come yet, received ones included: they are on neither side; but for a segment that
 * was noted already and whose writer died before the rename, which is counted where it lies. What cannot be
 * exact: rows in damaged blocks (they came, and are in no valid block any more; the damaged original in
 * quarantine whose valid rows went on counts none), and, after a power cut, counters that are not durable
 * (arrivals, uploaded, sent). One thread. */
#ifndef SPILLWAY_PEERD_AUDIT_H
#define SPILLWAY_PEERD_AUDIT_H

#include "common/base/err.h"
#include "common/spool/spool.h"

enum audit_column {
    AUDIT_CAME,
    AUDIT_RESTORED,
    AUDIT_UPLOADED, /* from here on: where they are */
    AUDIT_SENT,
    AUDIT_DROPPED,
    AUDIT_ARCHIVED,
    AUDIT_REMOVED,
    AUDIT_SPOOL,
    AUDIT_QUARANTINE,
    AUDIT_COLUMNS,
};

/* "came", "restored", ... */
const char *audit_column_word(enum audit_column column);

struct audit_database {
    char folder[SPOOL_NAME_BYTES];
    int64_t rows[AUDIT_COLUMNS];
    uint64_t unknown; /* files whose rows could not be told */
};

struct audit {
    struct audit_database *list; /* by folder */
    size_t count;
};

/* Draw up the sum as it is now. Files that move meanwhile may be missed or counted twice: where it does not
 * add up, draw it up again. audit_fini() whatever is returned. */
NODISCARD int audit_look(struct audit *audit, const struct spool *spool, struct err *err);
void audit_fini(struct audit *audit);

/* What is more on the right side than on the left: 0 when it adds up. */
int64_t audit_difference(const struct audit_database *database);

#endif
