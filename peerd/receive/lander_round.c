#include <errno.h>
#include <fcntl.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/spool/arrivals.h"
#include "common/spool/place.h"
#include "peerd/receive/lander_parts.h"

enum { REFUSAL_MS = 1000, BLOCK_MOST = 4 << 20 };

/* --- refusing --------------------------------------------------------------------------------------- */

void round_refuse(struct landing_job *job, enum land_result result, const char *why)
{
    job->result = result;
    snprintf(job->why, sizeof job->why, "%.*s", (int)sizeof job->why - 1, why);
}

/* Without room those who come next are refused at the door for a while. */
static void fail(struct lander *lander, struct landing_job *job, int rc, const struct err *err)
{
    bool is_full = writer_is_full(rc), is_crowded = rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM;
    round_refuse(job, is_full || is_crowded ? LAND_FULL : LAND_FAILED, err->text);
    job->is_spent = is_full && rc != -ENOTCONN;
    if (is_full)
        received_set_full(lander->received, job->key.database, REFUSAL_MS, job->is_spent, err->text);
    if (rc == -ENOTCONN)
        lander->has_guard = false;
    if (!is_full && !is_crowded)
        log_error("not-landed", log_s("db", job->key.database->name), log_s("id", job->marker.id),
                  log_s("cause", err->text));
}

static void drop_own(struct lander *lander, struct landing_job *job)
{
    if (job->own)
        landings_discard(&lander->landings, job->own);
    job->own = NULL;
}

/* --- large bodies ----------------------------------------------------------------------------------- */

/* With room for all of it where its length is known. */
static int begin_own(struct lander *lander, struct landing_job *job, struct err *err)
{
    int rc = landings_new_own(&lander->landings, &job->key, job->since_ms, &job->own, err);
    return rc ? rc : writer_expect(&job->own->writer, (uint64_t)job->room_bytes, err);
}

static int append_piece(struct lander *lander, struct landing_job *job, struct err *err)
{
    int rc = job->own ? writer_redate(&job->own->writer, job->since_ms, err) : begin_own(lander, job, err);
    if (rc == 0 && job->bytes > 0)
        rc = writer_append(&job->own->writer, job->data, job->bytes, &job->counts, err);
    if (rc == 0 && lander->settings->sync != SYNC_NEVER)
        writer_start_sync(&job->own->writer);
    crash_point("receive:after-piece");
    return rc;
}

static int append_marker(struct lander *lander, struct landing_job *job, struct err *err)
{
    static const struct writer_counts none;
    buf_clear(&lander->block);
    int rc = ledger_reserve(lander->ledger, 1);
    if (rc == 0)
        rc = landing_put_marker(job->own, &job->marker, &lander->block);
    if (rc == 0)
        rc = ledger_line(&job->own->lines, job->marker.id, job->marker.digest);
    if (rc)
        return err_set(err, rc, "out of memory");
    return writer_append(&job->own->writer, lander->block.data, lander->block.len, &none, err);
}

/* Another transfer has its id: what came is put where a human can look at it. */
static int put_aside(struct lander *lander, struct landing *own, const struct marker *marker, struct err *err)
{
    char from[SPOOL_NAME_BYTES];
    struct writer *w = &own->writer;
    struct spool_place active = spool_place(QUEUE_ACTIVE, w->db_folder);
    struct spool_place quarantine = spool_place(QUEUE_QUARANTINE, w->db_folder);
    json_t *why = json_pack("{s:s, s:s, s:s, s:I}", "reason",
                            "a transfer of this id is here already, with other content", "transfer",
                            marker->id, "sender", marker->from, "rows", (json_int_t)w->counts.rows);
    snprintf(from, sizeof from, "%.*s%s", ORIGIN_FILE_MAX, w->file, WRITER_LANDING_SUFFIX);
    int at = spool_place_open(lander->spool, &active, false);
    int to = spool_place_open(lander->spool, &quarantine, true);
    int rc = at < 0 ? at : to < 0 ? to : !why ? -ENOMEM : writer_sync(w, err);
    if (rc == 0)
        rc = spool_write_why(lander->spool, w->db_folder, w->file, why);
    crash_point("aside:after-why");
    if (rc == 0)
        arrivals_note(w->spool, w->db_folder, w->file, w->counts.rows, w->counts.raw_bytes);
    if (rc == 0 && renameat2(at, from, to, w->file, RENAME_NOREPLACE) != 0) {
        rc = -errno;
        arrivals_note(w->spool, w->db_folder, w->file, 0, 0); /* the later note counts */
    }
    crash_point("aside:after-rename");
    if (rc == 0)
        rc = file_sync_dir(to);
    if (at >= 0)
        close(at);
    if (to >= 0)
        close(to);
    json_decref(why);
    return rc ? err_errno(err, rc, "segment %s: cannot be put aside", w->file) : 0;
}

static void set_aside(struct lander *lander, struct landing_job *job)
{
    struct err err;
    int rc = append_piece(lander, job, &err);
    if (rc == 0)
        rc = put_aside(lander, job->own, &job->marker, &err);
    if (rc) {
        fail(lander, job, rc, &err);
        drop_own(lander, job);
        return;
    }
    log_warn("transfer-aside", log_s("db", job->key.database->name), log_s("id", job->marker.id),
             log_s("from", job->marker.from), log_s("file", job->own->writer.file),
             log_s("queue", "quarantine"));
    landings_let_go(&lander->landings, job->own);
    job->own = NULL;
}

/* --- the round -------------------------------------------------------------------------------------- */

struct round {
    struct landing_jobs answers;
    struct landing_jobs commits; /* of bodies in memory */
    bool has_stored;
};

static void ask_for_room(struct lander *lander, struct landing_job *job)
{
    struct err err;
    struct lease *lease;
    int rc = landings_lease(&lander->landings, job->key.database, &lease, &err);
    if (rc == 0)
        rc = lease_take_file(lease, lease_cost(job->room_bytes) + 2 * WRITER_SEAL_BYTES, &err);
    if (rc)
        fail(lander, job, rc, &err);
}

/* A large body is whole. */
static void commit_own(struct lander *lander, struct round *round, struct landing_job *job)
{
    struct err err;
    int rc = append_piece(lander, job, &err);
    if (rc == 0)
        rc = append_marker(lander, job, &err);
    if (rc) {
        fail(lander, job, rc, &err);
        drop_own(lander, job);
        return;
    }
    job->own->is_touched = round->has_stored = true;
    landings_finish(&lander->landings, job->own);
}

static void sort_in(struct lander *lander, struct round *round, struct landing_job *job)
{
    struct err err;
    int rc;
    job->result = LAND_DONE;
    switch (job->kind) {
    case LAND_ROOM:
        ask_for_room(lander, job);
        break;
    case LAND_PIECE:
        rc = append_piece(lander, job, &err);
        if (rc) {
            fail(lander, job, rc, &err);
            drop_own(lander, job);
        }
        break;
    case LAND_DISCARD:
        drop_own(lander, job);
        break;
    case LAND_ASIDE:
        set_aside(lander, job);
        break;
    case LAND_COMMIT:
        if (!job->own) {
            landing_jobs_add(&round->commits, job);
            return;
        }
        commit_own(lander, round, job);
        break;
    }
    landing_jobs_add(&round->answers, job);
}

/* Bodies of one segment, each with its marker, into one block. */
static int gather(struct lander *lander, struct landing *landing, struct landing_job *first,
                  const struct landing_job *end, struct writer_counts *counts, uint64_t *since_ms)
{
    int rc = 0;
    buf_clear(&lander->block);
    for (struct landing_job *job = first; job != end && rc == 0; job = job->next) {
        rc = buf_put(&lander->block, job->data, job->bytes);
        if (rc == 0)
            rc = landing_put_marker(landing, &job->marker, &lander->block);
        counts->rows += job->counts.rows;
        counts->raw_bytes += job->counts.raw_bytes;
        counts->blocks += job->counts.blocks;
        *since_ms = job->since_ms < *since_ms ? job->since_ms : *since_ms;
    }
    return rc;
}

static int note_lines(struct landing *landing, struct landing_job *first, const struct landing_job *end)
{
    size_t before = landing->lines.len;
    int rc = 0;
    for (struct landing_job *job = first; job != end && rc == 0; job = job->next)
        rc = ledger_line(&landing->lines, job->marker.id, job->marker.digest);
    if (rc)
        landing->lines.len = before;
    return rc;
}

static int put_block(struct lander *lander, struct landing *landing, struct landing_job *first,
                     const struct landing_job *end, size_t jobs, struct err *err)
{
    struct writer_counts counts = {0};
    uint64_t since_ms = UINT64_MAX;
    size_t lines = landing->lines.len;
    int rc = gather(lander, landing, first, end, &counts, &since_ms);
    if (rc == 0)
        rc = ledger_reserve(lander->ledger, jobs);
    if (rc == 0)
        rc = note_lines(landing, first, end);
    if (rc)
        return err_set(err, rc, "out of memory");
    rc = writer_redate(&landing->writer, since_ms, err);
    if (rc == 0)
        rc = writer_append(&landing->writer, lander->block.data, lander->block.len, &counts, err);
    if (rc)
        landing->lines.len = lines;
    return rc;
}

/* All that came for one segment; large rounds in several writes. */
static void write_landing(struct lander *lander, struct landing *landing, struct landing_job *jobs)
{
    while (jobs) {
        struct err err;
        struct landing_job *end = jobs;
        size_t bytes = 0, count = 0;
        for (; end && (end == jobs || bytes + end->bytes <= BLOCK_MOST); end = end->next) {
            bytes += end->bytes;
            count++;
        }
        int rc = put_block(lander, landing, jobs, end, count, &err);
        for (; jobs != end; jobs = jobs->next)
            if (rc)
                fail(lander, jobs, rc, &err);
    }
    landing->is_touched = true;
    if (landing->writer.size_bytes >= lander->settings->segment_bytes)
        landings_finish(&lander->landings, landing);
}

/* Each job to the segment that it is for. Returns the list of these segments. */
static struct landing *sort_by_landing(struct lander *lander, struct round *round)
{
    struct landing *first = NULL, **last = &first;
    for (struct landing_job *next, *job = round->commits.first; job; job = next) {
        struct err err;
        struct landing *landing;
        next = job->next;
        int rc = landings_get(&lander->landings, &job->key, job->since_ms, &landing, &err);
        if (rc) {
            fail(lander, job, rc, &err);
            landing_jobs_add(&round->answers, job);
            continue;
        }
        if (!landing->jobs.first) {
            landing->next_in_round = NULL;
            *last = landing;
            last = &landing->next_in_round;
        }
        landing_jobs_add(&landing->jobs, job);
    }
    return first;
}

static void write_commits(struct lander *lander, struct round *round)
{
    struct landing *landing_next;
    for (struct landing *landing = sort_by_landing(lander, round); landing; landing = landing_next) {
        struct landing_job *jobs = landing->jobs.first;
        landing_next = landing->next_in_round; /* written, it may be finished */
        landing->jobs = (struct landing_jobs){0};
        for (struct landing_job *job = jobs; job; job = job->next)
            job->own = landing; /* until the end of the round */
        write_landing(lander, landing, jobs);
        round->has_stored = true;
        for (struct landing_job *job = jobs, *next; job; job = next) {
            next = job->next;
            landing_jobs_add(&round->answers, job);
        }
    }
}

/* A disk that failed has left it open what is there: until it was read again, such ids are busy. */
static void make_durable(struct lander *lander, struct landing_job *jobs)
{
    landings_sync(&lander->landings, false);
    for (struct landing_job *job = jobs; job; job = job->next) {
        if (job->kind != LAND_COMMIT || job->result != LAND_DONE || !job->own->writer.has_failed)
            continue;
        ledger_doubt(lander->ledger, job->marker.id);
        round_refuse(job, LAND_FAILED,
                     "the rows were written, but the disk does not confirm them: ask again later");
    }
}

static void remember(struct lander *lander, struct landing_job *jobs)
{
    for (struct landing_job *job = jobs; job; job = job->next)
        if (job->kind == LAND_COMMIT) {
            if (job->result == LAND_DONE)
                ledger_add(lander->ledger, job->marker.id, job->marker.digest);
            if (job->own)
                job->own->is_touched = false;
            job->own = NULL;
        }
}

/* Its commits, and the answers to all. */
static void complete(struct lander *lander, struct round *round)
{
    bool is_durable = lander->settings->sync == SYNC_ALWAYS;
    write_commits(lander, round);
    if (round->has_stored)
        crash_point("receive:after-append");
    if (is_durable && round->has_stored)
        make_durable(lander, round->answers.first);
    remember(lander, round->answers.first);
    if (is_durable)
        landings_drop_failed(&lander->landings);
    if (round->has_stored)
        crash_point("receive:before-answer");
    total_add(&lander->rounds, 1);
    for (struct landing_job *next, *job = round->answers.first; job; job = next) {
        next = job->next;
        job->done(job);
    }
}

void round_run(struct lander *lander, struct landing_job *jobs)
{
    struct round round = {0};
    for (struct landing_job *next; jobs; jobs = next) {
        next = jobs->next;
        sort_in(lander, &round, jobs);
    }
    complete(lander, &round);
}

/* Is its segment open, and room there, also for what was found so before? `*bytes`: what all of them take. */
static bool is_at_hand(struct lander *lander, const struct landing_job *job, int64_t *bytes)
{
    enum { MARKER_BYTES = 1024 };
    const struct landing *landing = landings_find(&lander->landings, &job->key);
    if (!landing || landing->writer.has_failed || landing->writer.is_torn)
        return false;
    *bytes += lease_cost((int64_t)(job->bytes + landing->head_bytes + MARKER_BYTES));
    return lease_holds(landing->writer.lease, *bytes + WRITER_SEAL_BYTES);
}

bool round_help(struct lander *lander, struct landing_job *jobs, struct landing_jobs *rest)
{
    struct round round = {0};
    int64_t bytes = 0;
    for (struct landing_job *next; jobs; jobs = next) {
        next = jobs->next;
        jobs->result = LAND_DONE;
        landing_jobs_add(is_at_hand(lander, jobs, &bytes) ? &round.commits : rest, jobs);
    }
    if (round.commits.first)
        complete(lander, &round);
    return !list_is_empty(&lander->landings.ready);
}
