#include <errno.h>

#include "common/base/crash.h"
#include "common/base/log.h"
#include "walwriter/commit_parts.h"

enum { PROBE_BYTES = 64 << 10, SEAL_WHEN_FULL_MS = 250 };

/* --- answers ---------------------------------------------------------------------------------------- */

void round_refuse(struct job *job, enum job_result result, const char *why)
{
    job->result = result;
    snprintf(job->why, sizeof job->why, "%.*s", (int)sizeof job->why - 1, why);
}

static bool is_for_want_of_room(int rc)
{
    return writer_is_full(rc) || rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM;
}

/* Without room the requests that follow are refused at the door for a while, and what there is goes to where
 * it can be uploaded. */
static void fail(struct commit *commit, struct job *job, int rc, const struct err *err)
{
    struct database *database = job->table->database;
    struct refusal refusal;
    round_refuse(job, is_for_want_of_room(rc) ? JOB_FULL : JOB_FAILED, err->text);
    if (!is_for_want_of_room(rc)) {
        log_error("not-written", log_s("db", database->name), log_s("cause", err->text));
        return;
    }
    if (!writer_is_full(rc))
        return;
    if (registry_has_room(commit->registry, database, &refusal))
        log_warn("no-room", log_s("db", database->name), log_s("reason", err->text));
    registry_refuse(commit->registry, database, REFUSAL_MS, err->text);
    database->refused_bytes = job->kind == JOB_ROOM ? job->room_bytes : (int64_t)job->stage->checked;
    slots_close_all(&commit->slots, database, SEAL_WHEN_FULL_MS);
    if (rc == -ENOTCONN)
        atomic_store(&commit->has_guard, false);
}

/* --- blocks ----------------------------------------------------------------------------------------- */

/* All that is done for blocks, not deflating alone; but not waiting for the disk, which leaves a core to
 * others. */
static void spend_time(struct commit *commit)
{
    struct mono now = mono_now();
    effort_spend(&commit->effort, now.ns - commit->spent_at.ns);
    commit->spent_at = now;
}

static int encode(struct commit *commit, const void *raw, size_t bytes, uint64_t rows, size_t *member_bytes,
                  struct err *err)
{
    const struct member_block block = {
        .raw = raw, .raw_bytes = bytes, .rows = (uint32_t)rows, .mtime = (uint32_t)(wall_now_ms() / 1000)};
    spend_time(commit);
    codec_set_effort(commit->codec, effort_choose(&commit->effort, commit->spent_at));
    int rc = member_encode_data(commit->codec, &block, commit->member, commit->member_max, member_bytes);
    return rc ? err_errno(err, rc, "a block cannot be deflated") : 0;
}

/* The rows of jobs from `first` up to `end`, in one block. `*slot`: where it went. */
static int put_rows(struct commit *commit, struct job *first, const struct job *end, struct slot **slot,
                    struct err *err)
{
    const char *raw = first->stage->good.data;
    size_t bytes = 0, member_bytes;
    struct writer_counts counts = {.blocks = 1};
    for (struct job *job = first; job != end; job = job->next) {
        if (first->next != end) {
            memcpy(commit->block + bytes, job->stage->good.data, job->stage->checked);
            raw = commit->block;
        }
        bytes += job->stage->checked;
        counts.rows += job->stage->rows;
    }
    *slot = NULL;
    if (bytes == 0)
        return 0;
    counts.raw_bytes = bytes;
    int rc = encode(commit, raw, bytes, counts.rows, &member_bytes, err);
    return rc ? rc
              : slots_append(&commit->slots, first->table, false, commit->member, member_bytes, &counts, slot,
                             err);
}

/* `*before`: where the segment ended without them. */
static int put_bad_rows(struct commit *commit, struct job *job, struct slot **slot,
                        struct writer_mark *before, struct err *err)
{
    const struct stage *stage = job->stage;
    size_t bytes;
    const struct writer_counts counts = {.rows = stage->bad_rows, .raw_bytes = stage->bad.fill, .blocks = 1};
    int rc = encode(commit, stage->bad.data, stage->bad.fill, stage->bad_rows, &bytes, err);
    if (rc == 0)
        rc = slots_append(&commit->slots, job->table, true, commit->member, bytes, &counts, slot, err);
    if (rc)
        return rc;
    *before = writer_mark(&(*slot)->writer);
    before->size_bytes -= bytes;
    before->counts.rows -= counts.rows;
    before->counts.raw_bytes -= counts.raw_bytes;
    before->counts.blocks -= counts.blocks;
    return 0;
}

/* A request with bad rows: those first, and back again when its good ones cannot be put. */
static int put_both(struct commit *commit, struct job *job, struct err *err)
{
    struct writer_mark before;
    struct slot *bad;
    int rc = put_bad_rows(commit, job, &bad, &before, err);
    if (rc)
        return rc;
    rc = put_rows(commit, job, job->next, &job->slots[0], err);
    if (rc) {
        /* Parking may have closed it meanwhile; then the rows are there twice when the client comes again. */
        if (writer_is_open(&bad->writer))
            slots_take_back(&commit->slots, bad, &before);
        return rc;
    }
    job->slots[1] = bad;
    faults_move(&bad->faults, &job->stage->faults);
    return 0;
}

static void count(struct job *job)
{
    job->rows += job->stage->rows;
    job->bytes += job->stage->checked;
    job->bad_rows += job->stage->bad_rows;
}

/* As many jobs as make a block; returns the first that is not in it. */
static struct job *put_block(struct commit *commit, struct job *first)
{
    struct err err;
    struct slot *slot = NULL;
    struct job *end = first;
    size_t bytes = 0;
    int rc;
    if (first->stage->bad.fill > 0) {
        rc = put_both(commit, first, &err);
        slot = first->slots[0];
        end = first->next;
    } else {
        for (; end && end->stage->bad.fill == 0; end = end->next) {
            if (end != first && bytes + end->stage->checked > commit->settings->block_bytes)
                break;
            bytes += end->stage->checked;
        }
        rc = put_rows(commit, first, end, &slot, &err);
    }
    for (struct job *job = first; job != end; job = job->next) {
        job->slots[0] = slot;
        if (rc)
            fail(commit, job, rc, &err);
        else
            count(job);
    }
    return end;
}

/* --- large bodies ----------------------------------------------------------------------------------- */

static int put_piece_of(struct commit *commit, struct job *job, bool is_bad, struct err *err)
{
    const struct stage *stage = job->stage;
    const struct stage_buffer *from = is_bad ? &stage->bad : &stage->good;
    const struct writer_counts counts = {.rows = is_bad ? stage->bad_rows : stage->rows,
                                         .raw_bytes = is_bad ? stage->bad.fill : stage->checked,
                                         .blocks = 1};
    size_t bytes = (size_t)counts.raw_bytes, member_bytes, left = bytes;
    if (bytes == 0)
        return 0;
    /* Refused rows may be longer than any block: pieces of them are counted where they end. */
    for (size_t at = 0; left > 0; at += bytes, left -= bytes) {
        bytes = left < commit->block_max ? left : commit->block_max;
        const struct writer_counts piece = {
            .rows = left == bytes ? counts.rows : 0, .raw_bytes = bytes, .blocks = 1};
        int rc = encode(commit, from->data + at, bytes, piece.rows, &member_bytes, err);
        if (rc == 0)
            rc = upload_append(job->upload, is_bad, commit->member, member_bytes, &piece, err);
        if (rc)
            return rc;
    }
    return 0;
}

static void drop_upload(struct job *job)
{
    upload_free(job->upload);
    job->upload = NULL;
}

static bool put_piece(struct commit *commit, struct job *job)
{
    struct err err;
    int rc = job->upload ? 0 : upload_new(&job->upload, &commit->slots, job->table, &err);
    if (rc == 0)
        rc = put_piece_of(commit, job, true, &err);
    if (rc == 0)
        rc = put_piece_of(commit, job, false, &err);
    if (rc) {
        fail(commit, job, rc, &err);
        drop_upload(job);
        return false;
    }
    faults_move(&job->upload->faults, &job->stage->faults);
    count(job);
    return true;
}

static void seal_uploads(struct commit *commit, struct job *jobs)
{
    enum { AT_ONCE = 64 };
    struct upload *uploads[AT_ONCE];
    struct job *of[AT_ONCE];
    int results[AT_ONCE];
    while (jobs) {
        size_t n = 0;
        for (; jobs && n < AT_ONCE; jobs = jobs->next) {
            of[n] = jobs;
            uploads[n++] = jobs->upload;
        }
        uploads_seal(uploads, n, results);
        for (size_t i = 0; i < n; i++) {
            struct err err;
            if (results[i])
                fail(commit, of[i], err_errno(&err, results[i], "the rows cannot be sealed"), &err);
            drop_upload(of[i]);
        }
    }
}

/* --- the round -------------------------------------------------------------------------------------- */

static void ask_for_room(struct commit *commit, struct job *job)
{
    struct err err;
    struct lease *lease;
    int rc = slots_lease(&commit->slots, job->table->database, &lease, &err);
    if (rc == 0)
        rc = lease_take_file(lease, writer_cost(&job->table->origin, WRITER_BODY, (size_t)job->room_bytes),
                             &err);
    if (rc)
        fail(commit, job, rc, &err);
}

static void push(struct job **list, struct job **last, struct job *job)
{
    job->next = NULL;
    if (*list)
        (*last)->next = job;
    else
        *list = job;
    *last = job;
}

/* What the jobs of a round have in common. */
struct round {
    struct table *tables, *last_table; /* those with rows to write */
    struct job *uploads, *last_upload; /* whose files are complete */
    struct job *answers, *last_answer; /* nothing more to do for them */
};

static void sort_in(struct commit *commit, struct round *round, struct job *job)
{
    struct table *table = job->table;
    job->result = JOB_DONE;
    job->slots[0] = job->slots[1] = NULL;
    if (job->kind == JOB_COMMIT && !job->upload) {
        if (!table->first) {
            table->next_waiting = NULL;
            if (round->tables)
                round->last_table->next_waiting = table;
            else
                round->tables = table;
            round->last_table = table;
        }
        push(&table->first, &table->last, job);
        return;
    }
    if (job->kind == JOB_ROOM)
        ask_for_room(commit, job);
    else if (job->kind == JOB_DISCARD)
        drop_upload(job);
    else if (put_piece(commit, job) && job->kind == JOB_COMMIT) {
        push(&round->uploads, &round->last_upload, job);
        return;
    }
    push(&round->answers, &round->last_answer, job);
}

static void write_tables(struct commit *commit, struct round *round)
{
    for (struct table *table = round->tables; table; table = table->next_waiting) {
        struct job *first = table->first;
        table->first = table->last = NULL;
        for (struct job *job = first; job;)
            job = put_block(commit, job);
        while (first) {
            struct job *next = first->next;
            push(&round->answers, &round->last_answer, first);
            first = next;
        }
    }
}

static bool has_failed(const struct job *job)
{
    return (job->slots[0] && job->slots[0]->writer.has_failed) ||
           (job->slots[1] && job->slots[1]->writer.has_failed);
}

static void make_durable(struct commit *commit, struct job *jobs)
{
    crash_point("commit:after-append");
    if (slots_sync(&commit->slots) == 0)
        return;
    for (struct job *job = jobs; job; job = job->next)
        if (job->result == JOB_DONE && has_failed(job))
            round_refuse(
                job, JOB_FAILED,
                "the rows were written, but the disk does not confirm them: they may be there or not");
    slots_forget_failed(&commit->slots);
}

/* After `done` a job is its request's again. */
static void answer(struct job *jobs)
{
    for (struct job *next; jobs; jobs = next) {
        next = jobs->next;
        jobs->done(jobs);
    }
}

void round_run(struct commit *commit, struct job *jobs)
{
    struct round round = {0};
    commit->spent_at = mono_now();
    for (struct job *next; jobs; jobs = next) {
        next = jobs->next;
        sort_in(commit, &round, jobs);
    }
    write_tables(commit, &round);
    spend_time(commit);
    if (commit->settings->sync == SYNC_ALWAYS && round.tables)
        make_durable(commit, round.answers);
    seal_uploads(commit, round.uploads);
    crash_point("commit:before-answer");
    total_add(&commit->totals->rounds, 1);
    answer(round.answers);
    answer(round.uploads);
    slots_bury(&commit->slots);
}

/* --- databases without room ------------------------------------------------------------------------- */

struct probe {
    struct database *list[64];
    size_t count;
};

static void note_refused(void *arg, struct database *database)
{
    struct probe *probe = arg;
    if (database->refusal.until.ns != 0 && probe->count < ARRAY_LEN(probe->list))
        probe->list[probe->count++] = database;
}

/* Asks for as much as was refused: else there would be room and none in turns. The committer alone forgets
 * databases: outside the lock they stay. */
void round_probe(struct commit *commit)
{
    struct probe probe = {0};
    registry_each(commit->registry, note_refused, &probe);
    for (size_t i = 0; i < probe.count; i++) {
        struct err err;
        struct lease *lease;
        int rc = slots_lease(&commit->slots, probe.list[i], &lease, &err);
        if (rc == 0)
            rc = lease_take_file(lease, PROBE_BYTES + probe.list[i]->refused_bytes, &err);
        if (rc == 0)
            log_info("room-again", log_s("db", probe.list[i]->name));
        registry_refuse(commit->registry, probe.list[i], rc ? REFUSAL_MS : 0, rc ? err.text : "");
        if (rc == -ENOTCONN)
            return; /* the others would wait as long */
    }
}
