/* What came into this spool, in rows: the one side of the sum that `spillway audit` draws up (house.md §3,
 * invariant 5). Each segment is noted when it leaves active/ for another queue, just before that rename:
 *
 *     state/arrivals.log    lines "ID ROWS RAW_BYTES FOLDER", appended with one write each
 *     state/arrivals.json   the sums of older lines:
 * {"v":1,"databases":{FOLDER:{"segments","rows","raw_bytes"}}, "folded":{"inode":N,"mtime_ns":N}}
 *
 * A segment that is noted twice, because its writer died before the rename and another program adopted it,
 * counts once: ids are compared. (Only within one log, of some 4 MiB: a file that lay in active/ while so
 * many others were sealed is counted twice.) Notes are not made durable: kill -9 loses none, a power cut may
 * take the last ones back, and audit then says that more is there than came.
 *
 * Any process and thread: a lock on the log. */
#ifndef SPILLWAY_SPOOL_ARRIVALS_H
#define SPILLWAY_SPOOL_ARRIVALS_H

#include "common/spool/spool.h"

/* Note a segment. Failure is logged and is nobody's business but audit's. `file`: its name, for the id. */
void arrivals_note(const struct spool *spool, const char *db_folder, const char *file, uint64_t rows,
                   uint64_t raw_bytes);

struct arrivals_sum {
    char folder[SPOOL_NAME_BYTES];
    uint64_t segments, rows, raw_bytes;
};

struct arrivals {
    struct arrivals_sum *sums;
    size_t count;
    uint64_t *ids; /* in the log of now, ascending */
    size_t id_count;
};

/* Read all of it; works on a spool opened for reading. -ENOENT: nothing was ever noted. arrivals_fini()
 * whatever is returned. */
NODISCARD int arrivals_read(struct arrivals *arrivals, const struct spool *spool);
void arrivals_fini(struct arrivals *arrivals);

/* Was this id noted lately? */
bool arrivals_has(const struct arrivals *arrivals, uint64_t id);

#endif
