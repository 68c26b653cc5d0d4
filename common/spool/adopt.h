/* Adoption: what writers that died have left in active/ becomes sealed segments, and nothing of it is lost.
 *
 * For each file of active/ that nobody has locked (INTERNALS.md has the crash table):
 *     whole, or with a torn tail   the tail is cut off; to sealed/
 *     damaged elsewhere            its valid members go to sealed/ under the same name, the original to
 *                                  quarantine/
 *     no rows                      removed
 *     refused rows (.bad)          to quarantine/
 *     half a body (.part)          removed: it was never answered
 *     what peers sent (.land)      only with takes_landings: cut behind its last commit marker (marker.h); to
 *                                  upload/, or, damaged, one of the first kind; without any marker removed
 *     cannot be opened or read     left where it is, and logged: the next start tries again
 *
 * Any number of processes may adopt at the same time, beside any number of writers: the lock decides. A
 * process that is killed at any point leaves what the next adoption finishes. While a receiver daemon has the
 * lock of active/ (lock.h), only it adopts. */
#ifndef SPILLWAY_SPOOL_ADOPT_H
#define SPILLWAY_SPOOL_ADOPT_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/segment/marker.h"
#include "common/spool/spool.h"

struct adopt_result {
    uint64_t sealed;      /* segments, salvaged ones included */
    uint64_t rows;        /* in them */
    uint64_t torn_bytes;  /* cut off */
    uint64_t salvaged;    /* segments made of what was valid in a damaged file */
    uint64_t quarantined; /* files */
    uint64_t removed;     /* files without rows */
    uint64_t left;        /* files that could not be dealt with */
};

struct adopt_options {
    bool durable;        /* --sync is not never: what gets sealed is durable */
    bool guarded;        /* copies need room from diskguard */
    bool takes_landings; /* peerd's, after it has remembered what is in them (landings_read) */

    /* We have the lock of active/; is_own (NULL: none is) tells of a file there whether it is one of ours
     * that is only parked. */
    bool is_owner;
    bool (*is_own)(void *arg, const char *db_folder, const char *file);
    void *arg;
};

/* Adopt all there is. Files that cannot be dealt with are counted, not an error: negative errno only when
 * active/ itself cannot be listed. Waits for nothing but the disk (and, for a salvage, some hundred
 * milliseconds for diskguard). */
NODISCARD int adopt_orphans(struct spool *spool, const struct adopt_options *options,
                            struct adopt_result *result, struct err *err);

/* Visit the commit markers of all landing segments whose writers died. With `durable` only what is on disk is
 * seen. Ends at the first that cannot be read: nothing may be concluded then. */
NODISCARD int landings_read(const struct spool *spool, bool durable, marker_visit *visit, void *arg,
                            struct err *err);

#endif
