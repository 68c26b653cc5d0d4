/* The writer of one segment file, from its creation in active/ to its sealing by one rename.
 *
 *     writer_create(&w, &spool, lease, &origin, WRITER_ROWS, &err)    a file with its head, locked by flock
 *     writer_append(&w, members, bytes, &counts, &err)                all of them, or nothing
 *     writer_sync(&w, &err)                                           what was appended survives a power cut
 *     writer_seal(&w, durable, why, &err)  or  writer_discard(&w)  or  writer_abandon(&w)
 *
 * A process with more segments than it may have files open parks some of them (writer_park()). Many writers
 * are made durable or sealed at once by writer_group.h.
 *
 * What is on disk at any moment is the head, whole members, and at most one torn append after them: who
 * adopts the file after a crash (adopt.h) truncates that. The writer knows nothing of rows: it appends bytes
 * that are valid members.
 *
 * Budget: bytes are taken from `lease` before they are written, and what really grew (st_blocks) is reported
 * after it, directories included. WRITER_SEAL_BYTES more are held for the sealing: a holder that settles its
 * lease keeps as many for each open writer.
 *
 * One thread at a time for each writer. */
#ifndef SPILLWAY_SPOOL_WRITER_H
#define SPILLWAY_SPOOL_WRITER_H

#include <jansson.h>

#include "common/base/clock.h"
#include "common/control/lease.h"
#include "common/spool/origin.h"
#include "common/spool/spool.h"

/* What becomes of the file. While it is in active/ its name ends accordingly (WRITER_..._SUFFIX), so that who
 * adopts it does the right thing. */
enum writer_fate {
    WRITER_ROWS,    /* sealing moves it to sealed/ */
    WRITER_REFUSED, /* rows that were refused: sealing moves it to quarantine/, with a .why */
    WRITER_BODY,    /* all of it or nothing: sealing moves it to sealed/; until then it is rubbish, and an
                       adopter removes it */
    WRITER_BODY_REFUSED, /* likewise, to quarantine/ with a .why */
    WRITER_LANDING, /* what peers sent, each transfer ended by a commit marker: sealing moves it to upload/ */
};

enum {
    WRITER_SEAL_BYTES = 4 * 4096, /* what directories may grow by at creation and sealing */
    WRITER_WHY_BYTES = 256 << 10, /* the largest .why of refused rows; held too, for those */
};

#define WRITER_BAD_SUFFIX ".bad"
#define WRITER_PART_SUFFIX ".part"
#define WRITER_LANDING_SUFFIX ".land"

/* What the appended members hold. */
struct writer_counts {
    uint64_t rows, raw_bytes, blocks;
};

struct writer {
    struct spool *spool;
    struct lease *lease;
    enum writer_fate fate;
    int fd; /* -1: not open */
    uint64_t id;
    char db_folder[SPOOL_NAME_BYTES];
    char file[SPOOL_NAME_BYTES]; /* its name once it is sealed */
    uint64_t size_bytes;         /* end of the last whole member */
    uint64_t synced_bytes;       /* so much of it is durable */
    uint64_t started_bytes;      /* and so much is on its way */
    struct writer_counts counts;
    struct mono created;
    /* private */
    int64_t allocated_bytes;
    uint64_t expected_end; /* blocks up to here are the file's already; 0: no more than it has bytes */
    uint64_t inode;        /* of a parked file; 0: not parked */
    bool is_torn;          /* bytes after size_bytes could not be cut off */
    bool is_entry_synced;  /* the directory's entry is durable */
    bool has_failed;       /* a sync failed and the rewrite too: no more appends, no sealing */
};

static inline bool writer_is_refused(enum writer_fate fate)
{
    return fate == WRITER_REFUSED || fate == WRITER_BODY_REFUSED;
}

/* True for the errors that mean "no room now": -EDQUOT (budget or quota), -ENOTCONN (no diskguard), -ENOSPC.
 */
bool writer_is_full(int rc);

/* Create the file under a fresh id and write its head. On failure there is no file and nothing to close;
 * writer_is_full(rc) tells whether to wait. `spool` and `lease` must outlive the writer; `origin` need not.
 */
NODISCARD int writer_create(struct writer *w, struct spool *spool, struct lease *lease,
                            const struct segment_origin *origin, enum writer_fate fate, struct err *err);

/* What a lease must hold so that a file can be created and `bytes` be appended to it. */
int64_t writer_cost(const struct segment_origin *origin, enum writer_fate fate, size_t bytes);

static inline bool writer_is_open(const struct writer *w)
{
    return w->fd >= 0;
}

/* The rows that come next are older than it is: it gets an id of their time, and the name of that. What was
 * appended before stays in it whatever happens. Only with WRITER_LANDING, and one that was created with an
 * origin.since_ms; a time that is not before the id's changes nothing. The new name is durable with the next
 * sync. writer_is_full(rc): try later. */
NODISCARD int writer_redate(struct writer *w, uint64_t unix_ms, struct err *err);

/* `bytes` are about to follow: take room for all of them now, in one piece. That costs less than block by
 * block, and who has no room hears of it before the first. What is appended then takes nothing from the lease
 * until they are used up. A file system that cannot do this does not matter. writer_is_full(rc): later. */
NODISCARD int writer_expect(struct writer *w, uint64_t bytes, struct err *err);

/* Append valid members: all of them, or, on failure, nothing: the file is cut back to its last good end.
 * writer_is_full(rc): try later. Anything else: seal what there is, or abandon it. */
NODISCARD int writer_append(struct writer *w, const void *members, size_t bytes,
                            const struct writer_counts *counts, struct err *err);

/* Take back what was appended since `mark` (a copy of size and counts taken before): the file ends there
 * again. Nothing of it may have been promised to anyone. */
struct writer_mark {
    uint64_t size_bytes;
    struct writer_counts counts;
};
static inline struct writer_mark writer_mark(const struct writer *w)
{
    return (struct writer_mark){w->size_bytes, w->counts};
}
void writer_rollback(struct writer *w, const struct writer_mark *mark);

/* Have the kernel start to write out what was appended, a megabyte or more at a time, and do not wait: a
 * later sync finds little left to do. Promises nothing. */
void writer_start_sync(struct writer *w);

/* Is all that was appended durable, and the file's name too? */
static inline bool writer_is_durable(const struct writer *w)
{
    return w->synced_bytes == w->size_bytes && w->is_entry_synced && !w->has_failed;
}

/* Make all of it durable, the file's name included. When the kernel cannot (a failed fsync says nothing of
 * what is on disk, and is never repeated on the same file), the whole content is checked, written anew to
 * another file that takes the place and name of this one by one rename, and synced there. Failure means that
 * this failed, too: abandon the writer. */
NODISCARD int writer_sync(struct writer *w, struct err *err);

/* Complete: durable if so wanted, moved to where its fate says, closed. `why` (borrowed, added to) for
 * refused rows, else NULL. The writer must hold rows. On failure it is still open and the file still in
 * active/ (or, -EEXIST aside, moved but perhaps not durably so): abandon it; the next start adopts what is in
 * active/. */
NODISCARD int writer_seal(struct writer *w, bool durable, json_t *why, struct err *err);

/* Close the file and remember it; its lock is gone, too. What was appended must be durable where durability
 * is promised at all (a write-back that fails while nobody has the file open is reported to nobody). -EBUSY:
 * it has a torn end or failed, and stays open. WRITER_BODY... and WRITER_LANDING are not parked: they are
 * known by their lock.
 */
NODISCARD int writer_park(struct writer *w);

/* Open it again, with its lock. -ESTALE: an adopter has taken it: all its rows are, or will be, in sealed/,
 * and the writer is not open nor parked any more: make a new one. Other errors (-EMFILE ...): still parked.
 */
NODISCARD int writer_unpark(struct writer *w);

static inline bool writer_is_parked(const struct writer *w)
{
    return w->inode != 0;
}

/* Remove the file: there are no rows in it that anyone counts on. */
void writer_discard(struct writer *w);

/* Close it where it is. Whoever adopts it finds all whole members. */
void writer_abandon(struct writer *w);

#endif
