/* Many writers at once: what would be one wait for the disk each is one for all of them.
 *
 * Two files are written back together and then synced one by one; more of them by one syncfs(2), which on a
 * file system of our own is faster from there on (ext4, 300 bytes appended to each, milliseconds for 2, 16,
 * 64, 1,000 files: one by one 0.2, 0.8, 3.6, 58; syncfs 0.1, 0.1, 0.3, 3.2). Where others keep the file
 * system busy it waits for their bytes, too: so both ways are timed, and the one that promises to be faster
 * is taken.
 *
 * syncfs reports any failed write-back of the file system since the spool was opened (Linux 5.8); when it
 * does, each file is asked for itself, and those that failed are written anew (writer.h).
 *
 * One thread at a time for the writers of a call. */
#ifndef SPILLWAY_SPOOL_WRITER_GROUP_H
#define SPILLWAY_SPOOL_WRITER_GROUP_H

#include "common/spool/writer.h"

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
