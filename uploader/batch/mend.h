/* A damaged segment in a batch that is not frozen yet: its valid members go on as a new segment with the same
 * name, the original goes to quarantine (segment.md). Steps, each of which can be the last one before a
 * crash:
 *
 *     1. ".<name>.new" is written with the valid members, and synced (common/spool/salvage.h)
 *     2. the original moves to quarantine, its .why first
 *     3. ".<name>.new" is renamed to <name>
 */
#ifndef UPLOADER_MEND_H
#define UPLOADER_MEND_H

#include <jansson.h>

#include "common/spool/origin.h"
#include "common/spool/place.h"

/* `origin`: what to write in front where the file does not start with a valid head member. `why` gets
 * "reason", "rows_salvaged" and byte counts added. `*rows`: rows in the new segment; 0: there is none, the
 * original alone is in quarantine. */
NODISCARD int mend_segment(struct spool *spool, const struct spool_place *place, int dir, const char *file,
                           const struct segment_origin *origin, json_t *why, uint64_t *rows);

/* At start, for each name in the directory that begins with a dot: finish or undo. */
NODISCARD int mend_repair(int dir, const char *name);

#endif
