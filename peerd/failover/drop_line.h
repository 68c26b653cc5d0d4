/* One line of the ledger of what was given up (drops.h has its keys), and what it promises: once it is
 * durable, the segment that it names is dropped, or in the archive and nowhere else. So whoever finds a line
 * carries it out, as often as need be. Thread-safe, but for the files named. */
#ifndef SPILLWAY_PEERD_DROP_LINE_H
#define SPILLWAY_PEERD_DROP_LINE_H

#include <sys/stat.h>

#include "common/base/buf.h"
#include "common/spool/reader.h"
#include "peerd/failover/drops.h"
#include "peerd/ring/peer_state.h"

enum { DROP_TEMPORARY_BYTES = PEER_NAME_BYTES + 48 };

/* A segment that was seen: another file of its name is another segment. */
struct drop_identity {
    ino_t inode;
    int64_t mtime_ns;
};

struct drop_line {
    uint64_t seq;
    enum drop_fate fate;
    enum drop_reason reason;
    const struct spool_place *place;
    const char *file, *peer;
    struct scan_summary content;
    int64_t bytes; /* on disk */
    struct drop_identity identity;
    const char *archive;   /* its directory; NULL: it is dropped */
    const char *temporary; /* how its copy there is called until the line is durable */
};

/* A database as people write it; a folder that is none, as it is. */
const char *drop_decoded(const char *folder, char db[static NAME_FILE_MAX_BYTES + 1]);

struct drop_identity drop_identity_of(const struct stat *st);

/* Remove the file if it is this one. -ENOENT: it is not there, or another. */
NODISCARD int drop_unlink(int dir, const char *file, const struct drop_identity *identity);

/* Append it, with its end. -ENOMEM, -ENOSPC. */
NODISCARD int drop_line_write(const struct drop_line *line, struct buf *out);

/* Carry out a line that was read: its copy in the archive gets its name, the segment goes. 0 also where that
 * was done before, or the line is none; a negative errno: it is still to be done. */
NODISCARD int drop_line_redo(const struct spool *spool, const json_t *line);

#endif
