#include "uploader/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>

#include "common/base/file.h"
#include "uploader/token.h"

/* --- a directory
 * ------------------------------------------------------------------------------------------------ */

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

/* --- ADX
 * -------------------------------------------------------------------------------------------------------- */

/* In the database, so that one that is gone is known from one that is away. */
static int write_query(const struct target *target, struct buf *text)
{
    json_t *body = json_pack("{s:s, s:s}", "db", target->db, "csl", ".show tables | count");
    char *dump = body ? json_dumps(body, JSON_COMPACT) : NULL;
    int rc = dump ? buf_puts(text, dump) : -ENOMEM;
    free(dump);
    json_decref(body);
    return rc;
}

static void probe_adx(struct upload_job *job, struct worker *worker)
{
    const struct adx_options *options = &job->context->options;
    char url[HTTP_URL_BYTES];
    snprintf(url, sizeof url, "%s/v1/rest/mgmt", job->target->place);
    buf_clear(&worker->text);
    int rc = write_query(job->target, &worker->text);
    if (rc) {
        outcome_set(&job->outcome, VERDICT_RETRY, "local", "a command cannot be put together: %s",
                    strerror(-rc));
        return;
    }
    struct http_request request = {.target = job->target,
                                   .what = "probe",
                                   .url = url,
                                   .text = &worker->text,
                                   .token = worker->token.len > 0 ? worker->token.data : NULL,
                                   .timeout_ms = options->probe_timeout_ms,
                                   .is_aborted = options->is_aborted};
    http_send(&worker->http, &request, &job->outcome);
}

void probe_run(struct upload_job *job, struct worker *worker)
{
    worker_prepare(worker);
    job->outcome = (struct outcome){0};
    if (job->target->kind == TARGET_DIR)
        probe_dir(job->target, &job->outcome);
    else if (token_take(&job->context->options, &worker->token, &job->outcome))
        probe_adx(job, worker);
}
