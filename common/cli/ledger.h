/* state/removed.jsonl: what `spillway rm` has removed, one JSON object a line, durable before the removal. It
 * is a redo log: a line means that its file is to go, and an rm that was killed is finished by the next rm or
 * requeue (ledger_open), so that each line is a removal that has happened and each removal has exactly one
 * line.
 *
 *     {"v":1,"time":…,"db":FOLDER,"table":…,"file":…,"from":QUEUE,"bytes":…,"rows":…,"raw_bytes":…,"reason":…,
 *      "salvaged":bool,"uid":…,"inode":…,"mtime_ns":…,"why_inode":…}
 *
 * rows is null where the file could not be read. With "salvaged" the rows went on in another segment: they
 * are not lost. Only under the operator's lock (operator.h). One thread. */
#ifndef SPILLWAY_CLI_LEDGER_H
#define SPILLWAY_CLI_LEDGER_H

#include <sys/types.h>

#include "common/base/journal.h"
#include "common/cli/why.h"
#include "common/spool/spool.h"

enum { LEDGER_BATCH = 1024 }; /* removals that are made durable together: all that can be unfinished */

struct ledger {
    const struct spool *spool;
    struct journal journal;
};

/* One that is not open yet: ledger_close() is harmless. */
#define LEDGER_CLOSED ((struct ledger){.journal.fd = -1})

/* A file in quarantine that is to go, known by what no other file has. */
struct removal {
    char folder[SPOOL_NAME_BYTES], file[SPOOL_NAME_BYTES];
    ino_t inode;
    int64_t mtime_ns;
    struct why why;
};

/* Open it (it is made with the first line), take off a torn last line, and finish what is unfinished. */
NODISCARD int ledger_open(struct ledger *ledger, const struct spool *spool, struct err *err);
void ledger_close(struct ledger *ledger);

/* Append the lines and make them durable. On failure none of them is there. */
NODISCARD int ledger_append(struct ledger *ledger, const struct buf *lines);

/* Unlink the file, then its .why, if they are still those. 0, -ENOENT: it is not there any more, or another.
 */
NODISCARD int removal_finish(int dir, const struct removal *removal);

#endif
