/* Takes segments back from upload/ that cannot be uploaded from here and have somewhere to go (failover.md
 * §5): one rename to sealed/, from where the router sends them. What was received rests in upload/ first.
 * uploader may claim the same files meanwhile: whoever renames first has it. Main thread. */
#ifndef SPILLWAY_PEERD_RECLAIM_H
#define SPILLWAY_PEERD_RECLAIM_H

#include "common/spool/spool.h"
#include "peerd/failover/failover.h"

enum { RECLAIM_FILES_MAX = 2000 }; /* looked at in one go */

/* Does what there is of the database have to leave this instance? */
bool reclaim_is_due(const struct failover *failover);

/* Where `file` of the open directory upload/<db> goes: what reclaim_run() asks of each. */
struct failover_route reclaim_route(const struct view *view, const struct failover *failover, const char *db,
                                    int dir, const char *file);

/* Look at upload/<db> (`folder`, and `db` as people write it). Returns how many were taken back, or a
 * negative errno. */
NODISCARD int64_t reclaim_run(const struct spool *spool, const struct view *view,
                              const struct failover *failover, const char *folder, const char *db);

#endif
