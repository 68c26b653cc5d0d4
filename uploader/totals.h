/* What was uploaded since this spool exists, per database, across restarts: state/uploader.json, a tally
 * (tally.h). A batch counts once: its id is the key. */
#ifndef UPLOADER_TOTALS_H
#define UPLOADER_TOTALS_H

#include "common/spool/tally.h"

struct totals_delta {
    uint64_t batches, rows_uploaded, raw_bytes, bytes; /* bytes: as compressed in the spool */
    uint64_t rows_quarantined, quarantined;            /* quarantined: batches or segments put aside */
    uint64_t failures;                                 /* attempts that failed */
};

/* tally_free() it. */
NODISCARD int totals_new(struct tally **totals, const struct spool *spool, struct err *err);

/* `batch` may be NULL. */
void totals_add(struct tally *totals, const char *db, const char *batch, const struct totals_delta *delta);

/* The numbers of one database, as an object with the names of struct totals_delta. The caller owns it. */
json_t *totals_of(struct tally *totals, const char *db);

#endif
