/* Segments given up by a drop policy (failover.md §5), each recorded before it goes: state/drops.jsonl, the
 * redo log of common/base/journal.h. A line is durable before its segment is unlinked; a start finishes what
 * a line says and was not done. So every line is a loss (or a segment in the archive) that has happened, and
 * each has exactly one line.
 *
 *     {"v":1,"seq":N,"time":…,"fate":"dropped|archived","reason":…,"db":D,"table":T,"file":F,"rows":N,
 *      "raw_bytes":N,"bytes":N,"damaged_bytes":N,"peer":…,"queue":…,"folder":…,"group":…,"inode":N,
 *      "mtime_ns":N,"archive":DIR,"temporary":FILE}
 *
 * rows are those of the valid blocks; bytes: on disk. Beyond rotate_bytes the file becomes drops.jsonl.1 and
 * the new one begins with the sums so far, a line {"v":1,"carried":true,"db":…,"fate":…,"reason":…,
 * "segments":N,"rows":N,"raw_bytes":N,"bytes":N} for each: totals are exact for ever, details go with time.
 *
 * With fate "archived" the segment is in archive-dir: copied, or linked where that is the same file system,
 * under a temporary name, made durable and compared first; then the line (the commit); then it gets its name,
 * DIR/<db>/FILE, and leaves the spool. Where the name is taken by another file, "N,FILE". `spillway requeue
 * --from-archive DIR` brings it back.
 *
 * The files belong to the caller: nobody else moves them meanwhile. Any thread; one lock inside, not held
 * while contents are read or copied. */
#ifndef SPILLWAY_PEERD_DROPS_H
#define SPILLWAY_PEERD_DROPS_H

#include <jansson.h>

#include "common/spool/place.h"

enum { DROPS_BATCH = 128, DROPS_ROTATE_BYTES = 8 << 20 };

enum drop_fate { DROP_DROPPED, DROP_ARCHIVED, DROP_FATES };

enum drop_reason {
    DROP_FULL,        /* the sacrificial instance had no room left for databases in failover */
    DROP_UNREACHABLE, /* it could not be reached, and the pressure on our own disk was high */
    DROP_PRESSURE,    /* held by policy until the pressure on our own disk was high */
    DROP_REASONS,
};

/* "dropped", "archived"; "sacrificial-full", "sacrificial-unreachable", "own-pressure". */
const char *drop_fate_word(enum drop_fate fate);
const char *drop_reason_word(enum drop_reason reason);

struct drops_settings {
    const char *instance;    /* our name, part of temporary names: an archive may be shared */
    const char *archive_dir; /* NULL: nothing is archived */
    int64_t rotate_bytes;
};

struct drops;

struct drops_sum {
    uint64_t segments, rows, raw_bytes, bytes;
};

/* Read the totals and finish what was begun: before anything else moves segments of sealed/ and transfer/.
 * Texts of `settings` must live as long. */
NODISCARD int drops_open(struct drops **drops, const struct spool *spool,
                         const struct drops_settings *settings, struct err *err);
void drops_close(struct drops *drops); /* NULL is fine */

/* Give up `count` (at most DROPS_BATCH) segments of one place. What is not there any more is passed over.
 * `peer`: the sacrificial instance; "": none. `*sum`: what was given up, also on failure: then the rest is
 * where it was. */
NODISCARD int drops_give_up(struct drops *drops, const struct spool_place *place, char *const *files,
                            size_t count, enum drop_fate fate, enum drop_reason reason, const char *peer,
                            struct drops_sum *sum, struct err *err);

/* Called for each database, fate and reason of which there was any, by name. */
typedef void drops_each(void *arg, const char *db, enum drop_fate fate, enum drop_reason reason,
                        const struct drops_sum *sum);
void drops_totals(struct drops *drops, drops_each *each, void *arg);

/* The same from the files, for those who only look (a spool that was opened for reading). -ENOENT: nothing
 * was ever given up. */
NODISCARD int drops_read_totals(const struct spool *spool, drops_each *each, void *arg);

#endif
