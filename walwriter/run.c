#include "walwriter/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/spool/adopt.h"
#include "walwriter/intake.h"

enum { PIPE_BYTES = 1 << 20 };

struct run {
    const struct settings *settings;
    int input;
    struct spool spool;
    struct tools tools;
    struct stop stop;
    struct hints hints;
    struct sink rows;
    struct refusals refusals;
    struct intake intake;
    struct adopt_result adopted;
};

/* --- start ------------------------------------------------------------------------------------------ */

static int adopt(struct run *run, struct err *err)
{
    const struct adopt_options options = {.durable = run->settings->sync != SYNC_NEVER,
                                          .guarded = run->settings->is_guarded};
    int rc = adopt_orphans(&run->spool, &options, &run->adopted, err);
    if (rc == 0 && run->adopted.sealed > 0)
        hints_give(&run->hints);
    return rc;
}

static int start(struct run *run, struct err *err)
{
    const struct settings *settings = run->settings;
    struct tools *tools = &run->tools;
    *tools = (struct tools){.settings = settings,
                            .spool = &run->spool,
                            .stop = &run->stop,
                            .hints = &run->hints,
                            .rows = &run->rows};
    sink_init(&run->rows, tools, WRITER_ROWS);
    hints_init(&run->hints, &run->spool);
    int rc = lease_open(&tools->lease, &run->spool, settings->origin.db, settings->is_guarded, err);
    if (rc)
        return rc;
    rc = tools_init(tools, intake_block_max(settings));
    if (rc == 0)
        rc = refusals_init(&run->refusals, tools);
    if (rc == 0)
        rc = press_new(&run->rows.press, settings->block_bytes, intake_block_max(settings),
                       settings->compression);
    if (rc)
        return err_errno(err, rc, "buffers");
    intake_init(&run->intake, settings, &run->rows, &run->refusals);
    if (!settings->is_guarded)
        log_warn("no-guard",
                 log_s("meaning", "diskguard is not asked: the spool's disk limit is not enforced"));
    return adopt(run, err);
}

static void release(struct run *run)
{
    press_free(run->rows.press);
    refusals_fini(&run->refusals);
    tools_fini(&run->tools);
    lease_close(run->tools.lease);
    hints_fini(&run->hints);
    stop_fini(&run->stop);
    spool_close(&run->spool);
}

/* --- the loop --------------------------------------------------------------------------------------- */

/* 1: some was read; 0: end of input; negative errno. */
static int read_some(struct run *run, struct err *err)
{
    size_t room;
    char *at = intake_room(&run->intake, &room);
    ssize_t n = read(run->input, at, room);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 1;
    if (n < 0)
        return err_errno(err, -EIO, "%s: cannot be read: %s", run->settings->input_name, strerror(errno));
    if (n == 0)
        return 0;
    int rc = intake_take(&run->intake, (size_t)n, err);
    return rc ? rc : 1;
}

/* What sealing the open segments may need of the lease. */
static int64_t to_keep(const struct run *run)
{
    int64_t rows = writer_is_open(&run->rows.writer) ? WRITER_SEAL_BYTES : 0;
    int64_t refused = writer_is_open(&run->refusals.sink.writer) ? WRITER_SEAL_BYTES + WRITER_WHY_BYTES : 0;
    return rows + refused;
}

static int tick(struct run *run, struct err *err)
{
    lease_tick(run->tools.lease, to_keep(run));
    int rc = mono_is_past(intake_due(&run->intake)) ? intake_flush(&run->intake, err) : 0;
    if (rc == 0)
        rc = sink_tick(&run->rows, err);
    return rc ? rc : refusals_tick(&run->refusals, err);
}

static int wait_ms(const struct run *run)
{
    struct mono due = mono_earlier(intake_due(&run->intake), sink_due(&run->rows));
    due = mono_earlier(due, lease_due(run->tools.lease, to_keep(run)));
    int64_t left = mono_left_ms(mono_earlier(due, refusals_due(&run->refusals)));
    return left > INT32_MAX ? -1 : (int)left;
}

static int read_all(struct run *run, struct err *err)
{
    enum { INPUT, SIGNAL, SOURCES };
    struct pollfd sources[SOURCES] = {
        [INPUT] = {.fd = run->input, .events = POLLIN}, [SIGNAL] = {.fd = run->stop.fd, .events = POLLIN}};
    for (;;) {
        int ready = poll(sources, SOURCES, press_is_idle(run->rows.press) ? wait_ms(run) : 0);
        if (ready < 0 && errno != EINTR)
            return err_errno(err, -errno, "poll");
        if (ready == 0) /* the input pauses: what is under way becomes part of the file now */
            press_wait(run->rows.press, true);
        if (sources[SIGNAL].revents) {
            run->stop.is_asked = true;
            return 0;
        }
        int rc = sources[INPUT].revents ? read_some(run, err) : 1;
        if (rc <= 0)
            return rc;
        rc = tick(run, err);
        if (rc)
            return rc;
    }
}

/* --- the end ---------------------------------------------------------------------------------------- */

/* After a signal the whole rows that were read are taken, and the start of a row is left, as if it had not
 * been read. */
static int take_rest(struct run *run, struct err *err)
{
    if (!run->stop.is_asked)
        return intake_finish(&run->intake, err);
    log_info("stopping", log_u("bytes_left", intake_left(&run->intake)),
             log_s("meaning", "bytes of an incomplete row, read and not taken"));
    return intake_flush(&run->intake, err);
}

/* Seal what there is, whatever has gone wrong before. The first error counts. */
static int finish(struct run *run, int rc, struct err *err)
{
    struct err later;
    int good = sink_seal(&run->rows, rc ? &later : err);
    rc = rc ? rc : good;
    int bad = refusals_close(&run->refusals, rc ? &later : err);
    return rc ? rc : bad;
}

static int exit_code_of(const struct run *run, int rc)
{
    if (rc == 0)
        return run->refusals.rows > 0 ? EXIT_DAMAGED : EXIT_DONE;
    if (rc == -EBADMSG)
        return EXIT_USAGE;
    return writer_is_full(rc) || rc == -EINTR ? EXIT_AGAIN : EXIT_TROUBLE;
}

static void report(const struct run *run, int code, const struct err *err)
{
    const struct writer_counts *total = &run->rows.total;
    if (run->refusals.rows > 0)
        log_warn("bad-rows", log_s("input", run->settings->input_name), log_u("rows", run->refusals.rows),
                 log_u("bytes", run->refusals.bytes),
                 log_s("where", "quarantine/, each segment with a .why"));
    if (code == EXIT_USAGE)
        log_error("bad-row", log_s("cause", err->text), log_u("rows_safe", total->rows),
                  log_s("meaning", "the rows before it are in the spool"));
    else if (code == EXIT_AGAIN)
        log_error("no-room", log_s("cause", err->text), log_u("rows_safe", total->rows),
                  log_s("meaning", "so many rows of the input are in the spool, the rest was not taken"));
    else if (code == EXIT_TROUBLE)
        log_error("failed", log_s("cause", err->text), log_u("rows_safe", total->rows));
    log_info("done", log_u("rows", total->rows), log_u("bytes", total->raw_bytes),
             log_u("blocks", total->blocks), log_u("segments", run->rows.segments), log_n("exit", code));
}

static int print_summary(const struct run *run)
{
    const struct writer_counts *total = &run->rows.total;
    printf("{\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"segments\":%" PRIu64
           ",\"bad_rows\":%" PRIu64 ",\"bad_bytes\":%" PRIu64 ",\"adopted\":%" PRIu64
           ",\"adopted_rows\":%" PRIu64 "}\n",
           total->rows, total->raw_bytes, total->blocks, run->rows.segments, run->refusals.rows,
           run->refusals.bytes, run->adopted.sealed, run->adopted.rows);
    return fflush(stdout) == 0 ? 0 : -errno;
}

static int stream(struct run *run, struct err *err)
{
    int rc = start(run, err);
    if (rc) {
        log_error("cannot-start", log_s("cause", err->text));
        return EXIT_TROUBLE;
    }
    /* A larger pipe, fewer wake-ups; where it is not allowed, or no pipe, nothing is lost. */
    (void)fcntl(run->input, F_SETPIPE_SZ, PIPE_BYTES);
    rc = read_all(run, err);
    if (rc == 0)
        rc = take_rest(run, err);
    rc = finish(run, rc, err);
    int code = exit_code_of(run, rc);
    report(run, code, err);
    if (run->settings->wants_json && (rc = print_summary(run)) != 0) {
        log_error("no-summary", log_s("cause", strerror(-rc)));
        code = code == EXIT_DONE ? EXIT_TROUBLE : code;
    }
    return code;
}

/* A descriptor that is closed, a directory, or open for writing only is a mistake in the command line. */
static int check_input(const struct run *run, struct err *err)
{
    struct stat st;
    const char *name = run->settings->input_name;
    int flags = fcntl(run->input, F_GETFL);
    if (flags < 0 || fstat(run->input, &st) != 0)
        return err_set(err, -EBADF, "%s: is closed: give rows on standard input", name);
    if ((flags & O_ACCMODE) == O_WRONLY || S_ISDIR(st.st_mode))
        return err_set(err, -EISDIR, "%s: cannot be read: give rows on standard input", name);
    return 0;
}

int run_stream(const struct settings *settings, int input)
{
    static struct run run; /* too large for some stacks */
    struct err err = {0};
    run = (struct run){.settings = settings, .input = input, .stop.fd = -1, .rows.writer.fd = -1};
    if (check_input(&run, &err) != 0) {
        log_error("cannot-start", log_s("cause", err.text));
        return EXIT_USAGE;
    }
    int rc = spool_open(&run.spool, settings->spool_path, settings->instance, &err);
    if (rc == 0 && (rc = stop_init(&run.stop)) != 0)
        err_errno(&err, rc, "signals cannot be set up");
    if (rc) {
        log_error("cannot-start", log_s("cause", err.text));
        return spool_exit_code(rc);
    }
    int code = stream(&run, &err);
    release(&run);
    return code;
}
