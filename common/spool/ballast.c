#include "common/spool/ballast.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"

enum { NAME_BYTES = 64, RENEW_MS = 1000 };

static const char *name_of(const struct ballast *ballast, unsigned number, char name[static NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "ballast.%s.%u", ballast->program, number);
    return name;
}

/* An inode and a block: where a file system cannot promise the block, it is written. */
static int fill(int fd)
{
    static const char zeros[BALLAST_FILE_BYTES];
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    if (st.st_size == BALLAST_FILE_BYTES && st.st_blocks > 0)
        return 0;
    if (fallocate(fd, 0, 0, BALLAST_FILE_BYTES) == 0)
        return 0;
    if (errno != EOPNOTSUPP)
        return -errno;
    return ftruncate(fd, 0) == 0 ? file_write_all(fd, zeros, sizeof zeros) : -errno;
}

/* One that is not whole is not held: it would not help, and others may need its inode. */
static bool hold(const struct ballast *ballast, unsigned number)
{
    char name[NAME_BYTES];
    int state = ballast->spool->state;
    int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (ballast->is_made ? O_CREAT : 0);
    int fd = openat(state, name_of(ballast, number, name), flags, 0600);
    if (fd < 0)
        return false;
    int rc = fill(fd);
    close(fd);
    if (rc)
        unlinkat(state, name, 0);
    crash_point("ballast:after-make");
    return rc == 0;
}

static void make(struct ballast *ballast)
{
    while (ballast->held < BALLAST_FILES && hold(ballast, ballast->held))
        ballast->held++;
    ballast->renew_at = mono_after(RENEW_MS);
}

void ballast_init(struct ballast *ballast, struct spool *spool, const char *program, bool makes)
{
    *ballast = (struct ballast){.spool = spool, .program = program, .is_made = makes};
    pthread_mutex_init(&ballast->lock, NULL);
    make(ballast);
    spool->ballast = ballast;
}

void ballast_fini(struct ballast *ballast)
{
    if (!ballast->spool)
        return;
    ballast->spool->ballast = NULL;
    ballast->spool = NULL;
    pthread_mutex_destroy(&ballast->lock);
}

/* A journalling file system gives blocks back when the removal is durable. */
static void drop(struct ballast *ballast)
{
    char name[NAME_BYTES];
    for (unsigned i = 0; i < BALLAST_FILES; i++)
        (void)unlinkat(ballast->spool->state, name_of(ballast, i, name), 0);
    crash_point("ballast:after-drop");
    (void)!file_sync_dir(ballast->spool->state);
}

bool ballast_helps(struct ballast *ballast, int rc)
{
    if (!ballast || (rc != -ENOSPC && rc != -EDQUOT))
        return false;
    pthread_mutex_lock(&ballast->lock);
    unsigned held = ballast->held;
    if (held > 0)
        drop(ballast);
    ballast->held = 0;
    ballast->renew_at = mono_after(RENEW_MS);
    pthread_mutex_unlock(&ballast->lock);
    if (held > 0)
        log_warn("ballast-dropped", log_u("files", held), log_s("cause", strerror(-rc)),
                 log_s("meaning", "the file system is full: what was kept back for that is used now"),
                 log_s("action", "make room on it"));
    return held > 0;
}

void ballast_renew(struct ballast *ballast)
{
    if (!ballast->is_made)
        return;
    pthread_mutex_lock(&ballast->lock);
    if (ballast->held < BALLAST_FILES && mono_is_past(ballast->renew_at))
        make(ballast);
    pthread_mutex_unlock(&ballast->lock);
}

unsigned ballast_held(struct ballast *ballast)
{
    pthread_mutex_lock(&ballast->lock);
    unsigned held = ballast->held;
    pthread_mutex_unlock(&ballast->lock);
    return held;
}

bool ballast_is_spent(struct ballast *ballast)
{
    return ballast->is_made && ballast_held(ballast) < BALLAST_FILES;
}
