/* The spool: one directory tree on one file system (house.md §3). A segment is one file, it is in exactly one
 * queue, and its state is the directory it is in; a change of state is one rename. This is the only module
 * that knows the names of the tree, and the only one that builds, checks and renames them.
 *
 *     spool.json  run/  state/  active/ sealed/ upload/ incoming/ quarantine/<db>/FILE  batch/
 * transfer/<db>/<id>/FILE
 *
 * Calling sequence: spool_open() once; then anything from any thread (all of it is *at() calls on constant
 * descriptors); spool_close(). Folders are created when something is put into them. Names of databases are
 * given as folder names, that is encoded (common/segment/name.h). */
#ifndef SPILLWAY_SPOOL_H
#define SPILLWAY_SPOOL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

enum spool_queue {
    QUEUE_ACTIVE,     /* being appended to; its writer holds flock on it */
    QUEUE_SEALED,     /* complete, not yet routed */
    QUEUE_UPLOAD,     /* ours to upload */
    QUEUE_BATCH,      /* claimed for one upload: the directory is the batch */
    QUEUE_TRANSFER,   /* claimed for one send to a peer */
    QUEUE_INCOMING,   /* being received */
    QUEUE_QUARANTINE, /* damaged or refused; beside each a .why */
    QUEUE_COUNT,
};

const char *spool_queue_name(enum spool_queue queue);

/* `*queue` from its name; -EINVAL. */
NODISCARD int spool_queue_parse(const char *name, enum spool_queue *queue);

/* Do the files of this queue lie in one more level of directories, each named by an id? */
bool spool_queue_is_grouped(enum spool_queue queue);

enum { SPOOL_FORMAT = 1, SPOOL_NAME_BYTES = NAME_MAX + 1 };

struct ballast;

/* The content of state/ids. */
struct spool_ids {
    _Atomic uint64_t last;  /* that was given */
    _Atomic uint64_t dated; /* how many spool_next_id_at() gave; less after a power cut */
};

struct spool {
    int fd;                  /* the directory itself */
    int run, state;          /* of the folders so called; -1 in a spool opened for reading that lacks them */
    int queues[QUEUE_COUNT]; /* likewise */
    char path[PATH_MAX];     /* absolute */
    bool is_guarded;         /* copies made in it want room from diskguard; set false for --no-guard */
    struct spool_ids *ids;   /* shared by all processes of the spool; NULL when opened for reading */
    struct ballast *ballast; /* room for steps that drain it, in programs that have some; else NULL */
    unsigned host;           /* 0..1023, from the instance's name: part of each id */
};

/* Open to work in it. An empty directory is made into a spool. `instance` names this instance.
 * -ENOENT missing, -EACCES / -EROFS not writable, -EINVAL something else's directory, -EPROTO of another
 * format: each with a text that says what to do. spool_exit_code() says how to end. */
NODISCARD int spool_open(struct spool *spool, const char *path, const char *instance, struct err *err);

/* Open to look at it: creates nothing, works on a read-only file system. */
NODISCARD int spool_open_readonly(struct spool *spool, const char *path, struct err *err);

void spool_close(struct spool *spool);

/* What a program exits with when spool_open() or spool_lock() failed with `rc`: EXIT_USAGE where a human must
 * change something, EXIT_TROUBLE where the next start may succeed (descriptors, memory, disk errors). */
int spool_exit_code(int rc);

/* A fresh id, larger than every id that any process of this spool got before, also when the wall clock goes
 * back and across restarts (common/segment/flake.h). Lock-free; for spools opened to work in. */
uint64_t spool_next_id(struct spool *spool);

/* A fresh id of the time `unix_ms`, or of now when that has not come yet: for rows that were taken elsewhere,
 * whose age counts from then (flake_at()). Likewise; but after a power cut one may be given again that was
 * given before it, so who names a file by it looks first whether there is one. */
uint64_t spool_next_id_at(struct spool *spool, uint64_t unix_ms);

/* One program of a kind works on a spool: takes `run/<program>.lock` for as long as the process lives.
 * -EBUSY: another has it; the text names its pid. */
NODISCARD int spool_lock(struct spool *spool, const char *program, struct err *err);

/* The address of a program's socket, as nng wants it: `run/<program>.<kind>`, kind "ctl" or "evt". */
enum { SPOOL_URL_BYTES = 128 };
void spool_socket_url(const struct spool *spool, const char *program, const char *kind,
                      char url[static SPOOL_URL_BYTES]);

#endif
