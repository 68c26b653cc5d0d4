/* What was uploaded since this spool exists, per database, across restarts: state/uploader.json. Each batch
 * counts once: its id is in the file from the moment it is counted until its directory is gone, so that a
 * batch which is found done at start is not counted again. Any thread: one lock inside. */
#ifndef UPLOADER_TOTALS_H
#define UPLOADER_TOTALS_H

#include <jansson.h>

#include "common/spool/spool.h"

struct totals;

struct totals_delta {
    uint64_t batches, rows_uploaded, raw_bytes, bytes; /* bytes: as compressed in the spool */
    uint64_t rows_quarantined, quarantined;            /* quarantined: batches or segments put aside */
    uint64_t failures;                                 /* attempts that failed */
};

/* Reads what is there; a file that cannot be understood counts as none (logged). NULL: out of memory. */
NODISCARD struct totals *totals_new(const struct spool *spool);
void totals_free(struct totals *totals);

/* Add, and write the file (atomically, not durably). `batch` (may be NULL) counts only once until
 * totals_forget(). */
void totals_add(struct totals *totals, const char *db, const char *batch, const struct totals_delta *delta);
void totals_forget(struct totals *totals, const char *batch);

/* At start, when no directory of a batch that was counted is left. */
void totals_forget_all(struct totals *totals);

/* The numbers of one database, as an object with the names of struct totals_delta. The caller owns it. */
json_t *totals_of(struct totals *totals, const char *db);
uint64_t totals_get(struct totals *totals, const char *db, const char *name);

#endif
