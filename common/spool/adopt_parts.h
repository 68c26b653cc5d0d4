/* What adopt.c and adopt_salvage.c share; private to them. */
#ifndef SPILLWAY_SPOOL_ADOPT_PARTS_H
#define SPILLWAY_SPOOL_ADOPT_PARTS_H

#include <jansson.h>

#include "common/segment/scan.h"
#include "common/spool/adopt.h"
#include "common/spool/place.h"

struct adoption {
    struct spool *spool;
    const struct adopt_options *options;
    struct adopt_result *result;
    struct spool_place active, sealed; /* of the database in hand */
    int dir;                           /* its folder in active/ */
};

/* One file of active/, open and locked by us. */
struct orphan {
    const char *file;
    int fd;
    struct scan_summary found;
};

/* It stays where it is, for the next start: counted and logged. Returns 0. */
int adopt_leave(const struct adoption *a, const char *file, int rc, const char *operation);

/* Remove a file that holds nothing that anyone counts on. Returns 0. */
int adopt_remove(const struct adoption *a, const char *file, const char *reason);

/* A copy that was not finished (salvage.h) is rubbish as long as the original is here; it must not outlive
 * it. */
NODISCARD int adopt_drop_copy(const struct adoption *a, const char *file);

/* A landing segment: what is behind its last commit marker goes, the rest to upload/. */
NODISCARD int adopt_landing(const struct adoption *a, struct orphan *orphan);

/* Put it into quarantine; `why` is taken. What fails is left. Returns 0. */
int adopt_quarantine(const struct adoption *a, const char *file, json_t *take_why);

/* What was found in a file, for a .why. The caller's. */
json_t *adopt_describe(const struct scan_summary *found, const char *reason);

/* Count and log a segment that went to sealed/. Returns 0. */
int adopt_note_sealed(const struct adoption *a, const struct orphan *orphan);

/* A file that is damaged elsewhere than at its end: its valid members to sealed/, the original to
 * quarantine/. */
NODISCARD int adopt_salvage(const struct adoption *a, const struct orphan *orphan);

/* The last step of a salvage: the complete copy, whose original is in quarantine, goes to sealed/. */
NODISCARD int adopt_move_copy(const struct adoption *a, const char *file, const struct scan_summary *found);

#endif
