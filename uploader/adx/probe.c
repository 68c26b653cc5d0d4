#include "uploader/adx/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>

#include "common/base/file.h"
#include "uploader/token/token.h"

/* --- a directory ------------------------------------------------------------------------------------ */

/* Can a file be made in it and be written? Where the file system knows no files without a name, by one that
 * is removed at once. */
static int try_write(int dir)
{
    static const char name[] = ".spillway-probe";
    int fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0)
            unlinkat(dir, name, 0);
    }
    if (fd < 0)
        return -errno;
    int rc = file_write_all(fd, name, sizeof name);
    if (close(fd) != 0 && rc == 0)
        rc = -errno;
    return rc;
}

/* The folder of the database, or the nearest above it that is there: the rest is made by the first upload
 * (dir_send.c makes the directory itself, but nothing above it). */
static int open_nearest(const struct target *target)
{
    char path[TARGET_PLACE_BYTES];
    snprintf(path, sizeof path, "%s", target->place);
    int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 && errno == ENOENT)
        root = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    else if (root >= 0) {
        int fd = openat(root, target->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
            return root;
        int error = errno;
        close(root);
        errno = error;
        root = fd;
    }
    return root < 0 ? -errno : root;
}

static void probe_dir(const struct target *target, struct outcome *outcome)
{
    int dir = open_nearest(target);
    int rc = dir < 0 ? dir : try_write(dir);
    if (dir >= 0)
        close(dir);
    if (rc)
        outcome_set(outcome, VERDICT_DOWN, "dir", "%s: %s", target->place, strerror(-rc));
    else
        outcome_set(outcome, VERDICT_SUCCESS, "", "%s", "");
}

/* --- ADX -------------------------------------------------------------------------------------------- */

static int write_command(const char *db, const char *csl, struct buf *text)
{
    json_t *body = json_pack("{s:s, s:s}", "db", db, "csl", csl);
    char *dump = body ? json_dumps(body, JSON_COMPACT) : NULL;
    buf_clear(text);
    int rc = dump ? buf_puts(text, dump) : -ENOMEM;
    free(dump);
    json_decref(body);
    return rc;
}

static void run_command(const struct upload_job *job, struct worker *worker, const struct target *target,
                        const char *csl, struct outcome *outcome)
{
    const struct adx_options *options = &job->context->options;
    char url[HTTP_URL_BYTES];
    snprintf(url, sizeof url, "%s/v1/rest/mgmt", target->place);
    int rc = write_command(target->db, csl, &worker->text);
    if (rc) {
        outcome_set(outcome, VERDICT_RETRY, "local", "a command cannot be put together: %s", strerror(-rc));
        return;
    }
    struct http_request request = {.target = target,
                                   .what = "probe",
                                   .url = url,
                                   .text = &worker->text,
                                   .token = worker->token.len > 0 ? worker->token.data : NULL,
                                   .timeout_ms = options->probe_timeout_ms,
                                   .is_aborted = options->is_aborted};
    http_send(&worker->http, &request, outcome);
}

static void ask(const struct upload_job *job, struct worker *worker, const struct target *target,
                const char *csl, struct outcome *outcome)
{
    struct tokens *tokens = job->context->options.tokens;
    *outcome = (struct outcome){0};
    if (!tokens_take(tokens, target, &worker->token, outcome))
        return;
    run_command(job, worker, target, csl, outcome);
    if (outcome->status == 401 && tokens_replace(tokens, target, &worker->token))
        run_command(job, worker, target, csl, outcome);
}

bool probe_is_twofold(const struct upload_job *job)
{
    enum ingest_mode mode = job->context->options.mode;
    return job->target->kind == TARGET_ADX &&
           (mode == INGEST_QUEUED || (mode == INGEST_AUTO && adx_offered(job->endpoint) == INGEST_QUEUED));
}

static void probe_adx(struct upload_job *job, struct worker *worker)
{
    bool is_twofold = probe_is_twofold(job);
    struct outcome *engine = is_twofold ? &job->engine : &job->outcome;
    /* In the database, so that one that is gone is known from one that is away. */
    ask(job, worker, job->target, ".show tables | count", engine);
    job->has_engine = is_twofold;
    if (!is_twofold)
        return;
    ask(job, worker, &job->endpoint->dm, ".show version", &job->outcome);
    if (job->outcome.verdict == VERDICT_REFUSED) /* it spoke */
        job->outcome.verdict = VERDICT_SUCCESS;
    if (job->outcome.verdict == VERDICT_SUCCESS && engine->verdict == VERDICT_MISSING)
        job->outcome = *engine;
}

void probe_run(struct upload_job *job, struct worker *worker)
{
    worker_prepare(worker);
    job->outcome = job->engine = (struct outcome){0};
    if (job->target->kind == TARGET_DIR)
        probe_dir(job->target, &job->outcome);
    else
        probe_adx(job, worker);
}
