/* What the files of queued ingestion have of each other. */
#ifndef UPLOADER_QUEUED_PARTS_H
#define UPLOADER_QUEUED_PARTS_H

#include "uploader/adx/adx_parts.h"

/* A blob called `name` that was POSTED. SUCCESS: no failure has come up for long enough; REFUSED: ADX failed
 * on it for good, in its own words; RETRY: it is SENDING again, under a new name; PENDING: ask again later.
 */
void queued_confirm(const struct sending *s, const char *name, struct sent *sent, struct outcome *outcome);

#endif
