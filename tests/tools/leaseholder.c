/* A writer that knows nothing of segments: leaseholder SPOOL DB BYTES SEED [--fail|--idle|--lie BYTES] writes
 * BYTES in files of random sizes into active/DB/, renames each to sealed/DB/ when it is done, and asks
 * diskguard for each write first, as walwriter does. Refused, it waits and asks again; with --fail it exits
 * 75; with --idle it then does nothing but what an idle writer does, until SIGTERM; with --lie it writes so
 * many bytes more without a word of them. At the end
 * {"written":N,"files":N,"refused":N,"longest_ms":T} on stdout: longest_ms is the longest that it had to wait
 * for a lease. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/exit.h"
#include "common/base/file.h"
#include "common/control/lease.h"
#include "common/spool/place.h"

enum { WRITE_MAX = 64 << 10, WRITES_A_FILE = 12, PAUSE_NS = 20000000, ADOPTED_BYTES = 8192 };

struct job {
    struct spool spool;
    struct lease *lease;
    const char *db;
    uint64_t random;
    int64_t left, written, files, refused, longest_ms;
    bool is_failing;
};

static void die(const char *what, int rc)
{
    fprintf(stderr, "leaseholder: %s: %s\n", what, strerror(-rc));
    exit(EXIT_TROUBLE);
}

static uint64_t next_random(struct job *job)
{
    job->random ^= job->random << 13;
    job->random ^= job->random >> 7;
    job->random ^= job->random << 17;
    return job->random;
}

static int64_t allocated(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (int64_t)st.st_blocks * 512 : 0;
}

static void take(struct job *job, int64_t bytes, bool is_new_file)
{
    struct err err;
    struct mono start = mono_now();
    int rc;
    while ((rc = is_new_file ? lease_take_file(job->lease, bytes, &err)
                             : lease_take(job->lease, bytes, &err)) != 0) {
        if (rc == -EDQUOT && job->is_failing) {
            fprintf(stderr, "leaseholder: %s\n", err.text);
            exit(EXIT_AGAIN);
        }
        if (rc != -EDQUOT && rc != -ENOTCONN)
            die(err.text, rc);
        job->refused += rc == -EDQUOT;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    int64_t waited_ms = mono_since_ms(start);
    job->longest_ms = waited_ms > job->longest_ms ? waited_ms : job->longest_ms;
}

static void write_some(struct job *job, int fd)
{
    static char bytes[WRITE_MAX];
    size_t len = 1 + (size_t)(next_random(job) % WRITE_MAX);
    take(job, lease_cost((int64_t)len), false);
    int64_t before = allocated(fd);
    int rc = file_write_all(fd, bytes, len);
    lease_use(job->lease, allocated(fd) - before);
    if (rc)
        die("cannot write", rc);
    job->written += (int64_t)len;
    job->left -= (int64_t)len;
}

/* What is told of a directory that had to grow for a new name. */
static int open_counted(struct job *job, const struct spool_place *place)
{
    take(job, ADOPTED_BYTES, true);
    int dir = spool_place_open(&job->spool, place, true);
    if (dir < 0)
        die("cannot open a folder", dir);
    return dir;
}

static void write_file(struct job *job)
{
    char name[64];
    snprintf(name, sizeof name, "T,-,%016" PRIx64 ".csv.gz", spool_next_id(&job->spool));
    struct spool_place active = spool_place(QUEUE_ACTIVE, job->db),
                       sealed = spool_place(QUEUE_SEALED, job->db);
    int dir = open_counted(job, &active);
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    int cause = -errno;
    close(dir);
    if (fd < 0)
        die("cannot make a file", cause);
    lease_use_file(job->lease);
    uint64_t writes = 1 + next_random(job) % WRITES_A_FILE;
    while (writes-- && job->left > 0)
        write_some(job, fd);
    close(fd);
    int rc = spool_move(&job->spool, &active, name, &sealed, false);
    if (rc)
        die("cannot seal", rc);
    job->files++;
}

static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
    (void)number;
    is_over = 1;
}

static void idle(const struct job *job)
{
    signal(SIGTERM, on_signal);
    while (!is_over) {
        lease_tick(job->lease, 0);
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
}

static void lie(const struct job *job, int64_t bytes)
{
    static const char zeros[WRITE_MAX];
    struct spool_place sealed = spool_place(QUEUE_SEALED, job->db);
    int dir = spool_place_open(&job->spool, &sealed, true);
    int fd = dir < 0 ? -1 : openat(dir, "T,-,0000000000000001.csv.gz", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    for (; fd >= 0 && bytes > 0; bytes -= (int64_t)sizeof zeros)
        if (file_write_all(fd, zeros, sizeof zeros) != 0)
            die("cannot lie", -errno);
    close(fd);
    close(dir);
}

int main(int argc, char **argv)
{
    struct err err;
    struct job job = {.is_failing = argc > 5 && strcmp(argv[5], "--fail") == 0};
    if (argc < 5)
        return EXIT_USAGE;
    job.db = argv[2];
    job.left = strtoll(argv[3], NULL, 10);
    job.random = strtoull(argv[4], NULL, 10) * UINT64_C(0x9E3779B97F4A7C15) + 1;
    int rc = spool_open(&job.spool, argv[1], "leaseholder", &err);
    if (rc == 0)
        rc = lease_open(&job.lease, &job.spool, job.db, true, &err);
    if (rc)
        die(err.text, rc);
    while (job.left > 0)
        write_file(&job);
    if (argc > 6 && strcmp(argv[5], "--lie") == 0)
        lie(&job, strtoll(argv[6], NULL, 10));
    if (argc > 5 && strcmp(argv[5], "--idle") == 0)
        idle(&job);
    lease_close(job.lease);
    spool_close(&job.spool);
    printf("{\"written\":%lld,\"files\":%lld,\"refused\":%lld,\"longest_ms\":%lld}\n", (long long)job.written,
           (long long)job.files, (long long)job.refused, (long long)job.longest_ms);
    return EXIT_DONE;
}
