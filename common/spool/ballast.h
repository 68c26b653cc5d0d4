/* Ballast: a reserve for the way out. On a file system that others have filled to the last block or inode, a
 * program that drains the spool needs a little of both (a folder, a plan) before it can give anything back.
 * It holds some small files in state/, ballast.<program>.<n>; when such a step fails for want of room they
 * are removed, and the step is tried again at once:
 *
 *     while ((rc = step()) != 0 && ballast_helps(spool->ballast, rc))
 *         ;
 *
 * They are made anew when there is room. diskguard sees them as it sees all of state/: its reserve (at least
 * 64 KiB) has room for those of two programs. What is left of a process that died is the next one's.
 * Thread-safe. */
#ifndef SPILLWAY_BALLAST_H
#define SPILLWAY_BALLAST_H

#include <pthread.h>

#include "common/base/clock.h"
#include "common/spool/spool.h"

enum {
    BALLAST_FILES = 6, /* a database's folder, a group's, a plan and its temporary name, progress, a .why */
    BALLAST_FILE_BYTES = 4096,
};

struct ballast {
    struct spool *spool;
    const char *program;
    bool is_made;         /* false: what an earlier process left is used up, no more is made */
    pthread_mutex_t lock; /* guards the rest */
    unsigned held;        /* files */
    struct mono renew_at;
};

/* Attach it to the spool, and make what there is room for; a full disk is no error. `makes`: false for a
 * process that will end soon. `program` must outlive it. */
void ballast_init(struct ballast *ballast, struct spool *spool, const char *program, bool makes);

/* The files stay: the next process may start on a full disk. */
void ballast_fini(struct ballast *ballast);

/* Did a step fail with `rc` for want of room, and was some made for it? NULL is allowed: false. At most once
 * until the ballast is renewed. */
NODISCARD bool ballast_helps(struct ballast *ballast, int rc);

/* Make again what is missing, if that was some time ago and there is room. Call it often. */
void ballast_renew(struct ballast *ballast);

/* Is some of it missing? Then one step at a time: each takes of what little there is. */
bool ballast_is_spent(struct ballast *ballast);

/* How many files are held. */
unsigned ballast_held(struct ballast *ballast);

#endif
