/* Many writers at once: what would be one wait for the disk each is one for all of them.
 *
 * Up to GROUP_FILES_MAX files are written back together and then synced one by one; more of them by one
 * syncfs(2) (measured: 8 files 0.9 ms against 1.3 ms, 64 files 6 ms against 2 ms, 1,000 files 83 ms against
 * 16 ms). syncfs reports any failed write-back of the file system since the spool was opened (Linux 5.8);
 * when it does, each file is asked for itself, and those that failed are written anew (writer.h).
 *
 * One thread at a time for the writers of a call. */
#ifndef SPILLWAY_SPOOL_WRITER_GROUP_H
#define SPILLWAY_SPOOL_WRITER_GROUP_H

#include "common/spool/writer.h"

enum { GROUP_FILES_MAX = 16 };

/* Make all of them durable, as writer_sync() does. Afterwards writer_is_durable() tells of each whether it
 * is; those for which it is not are to be abandoned. Returns how many those are. */
size_t writers_sync(struct writer *const *writers, size_t count);

/* One of many that are to be sealed. */
struct sealing {
    struct writer *writer;
    json_t *why; /* as for writer_seal() */
    int rc;      /* out: 0, or why not, as from writer_seal(): abandon it */
};

/* Seal all of them. Returns how many could not be. */
size_t writers_seal(struct sealing *list, size_t count, bool durable);

#endif
