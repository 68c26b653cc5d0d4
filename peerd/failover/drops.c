#include "peerd/failover/drops.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/journal.h"
#include "common/base/log.h"
#include "peerd/failover/archive.h"
#include "peerd/failover/drop_line.h"
#include "peerd/failover/drops_totals.h"

struct drops {
    const struct spool *spool;
    struct drops_settings settings;
    pthread_mutex_t lock; /* guards all below */
    struct journal journal;
    struct drops_totals totals;
    uint64_t last_seq;
    bool has_unfinished; /* a line says what could not be done: nothing more before it is */
};

/* One segment on its way out. */
struct item {
    const char *file;
    uint64_t seq;
    struct drop_identity identity;
    struct scan_summary content;
    int64_t bytes; /* on disk */
    bool is_there; /* and, with an archive, staged */
};

struct giving_up {
    struct drops *drops;
    const struct spool_place *place;
    int dir;
    enum drop_fate fate;
    enum drop_reason reason;
    const char *peer;
    struct item *items;
    size_t count;
    struct err *err;
};

/* Staged copies of this instance; with "SEQ.tmp" the name of one. */
static void staged_prefix(const struct drops *drops, char prefix[static DROP_TEMPORARY_BYTES])
{
    snprintf(prefix, DROP_TEMPORARY_BYTES, ".spillway-%.*s-", PEER_NAME_BYTES, drops->settings.instance);
}

static void temporary_name(const struct drops *drops, uint64_t seq, char name[static DROP_TEMPORARY_BYTES])
{
    staged_prefix(drops, name);
    size_t len = strlen(name);
    snprintf(name + len, DROP_TEMPORARY_BYTES - len, "%llu.tmp", (unsigned long long)seq);
}

/* --- after a crash ---------------------------------------------------------------------------------- */

static void redo(void *arg, const json_t *line)
{
    struct drops *drops = arg;
    drops->has_unfinished = drop_line_redo(drops->spool, line) != 0 || drops->has_unfinished;
}

static int load(struct drops *drops, struct err *err)
{
    int rc = journal_open(&drops->journal, redo, drops);
    if (rc == 0 && drops->journal.fd >= 0)
        rc = journal_read(drops->spool->state, drops_file, drops_totals_line, &drops->totals);
    if (rc == 0)
        rc = drops->totals.rc;
    drops->last_seq = drops->totals.last_seq;
    return rc ? err_errno(err, rc, "spool %s: state/%s cannot be read", drops->spool->path, drops_file) : 0;
}

int drops_open(struct drops **out, const struct spool *spool, const struct drops_settings *settings,
               struct err *err)
{
    char prefix[DROP_TEMPORARY_BYTES];
    struct drops *drops = *out = calloc(1, sizeof *drops);
    if (!drops)
        return err_set(err, -ENOMEM, "out of memory");
    drops->spool = spool;
    drops->settings = *settings;
    drops->journal = (struct journal){.dir = spool->state,
                                      .name = drops_file,
                                      .batch = DROPS_BATCH,
                                      .crash_write = "drop:after-write",
                                      .crash_record = "drop:after-record",
                                      .fd = -1};
    pthread_mutex_init(&drops->lock, NULL);
    int rc = settings->archive_dir ? archive_check(settings->archive_dir, spool->path, err) : 0;
    if (rc == 0)
        rc = load(drops, err);
    if (rc == 0 && settings->archive_dir) {
        staged_prefix(drops, prefix);
        archive_sweep(settings->archive_dir, prefix);
    }
    if (rc) {
        drops_close(drops);
        *out = NULL;
    }
    return rc;
}

void drops_close(struct drops *drops)
{
    if (!drops)
        return;
    journal_close(&drops->journal);
    drops_totals_fini(&drops->totals);
    pthread_mutex_destroy(&drops->lock);
    free(drops);
}

/* --- before the line -------------------------------------------------------------------------------- */

/* Its rows are those of its valid blocks: what is damaged in it could not have been uploaded. */
static int measure(struct giving_up *up, struct item *item)
{
    struct stat st;
    if (fstatat(up->dir, item->file, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -errno;
    int rc = segment_read_summary(up->dir, item->file, &item->content, NULL, up->err);
    if (rc)
        return rc == -ENOENT ? 0 : rc;
    item->identity = drop_identity_of(&st);
    item->bytes = st.st_size;
    item->is_there = true;
    return 0;
}

static int stage(struct giving_up *up, struct item *item)
{
    char temporary[DROP_TEMPORARY_BYTES];
    if (!item->is_there || up->fate != DROP_ARCHIVED)
        return 0;
    temporary_name(up->drops, item->seq, temporary);
    return archive_stage(up->drops->settings.archive_dir, up->place->db, temporary, up->dir, item->file,
                         up->err);
}

static void unstage_all(struct giving_up *up)
{
    char temporary[DROP_TEMPORARY_BYTES];
    for (size_t i = 0; i < up->count && up->fate == DROP_ARCHIVED; i++) {
        temporary_name(up->drops, up->items[i].seq, temporary);
        if (up->items[i].is_there)
            archive_unstage(up->drops->settings.archive_dir, up->place->db, temporary);
    }
}

/* --- the line --------------------------------------------------------------------------------------- */

static int put_line(const struct giving_up *up, const struct item *item, struct buf *lines)
{
    char temporary[DROP_TEMPORARY_BYTES];
    temporary_name(up->drops, item->seq, temporary);
    const struct drop_line line = {.seq = item->seq,
                                   .fate = up->fate,
                                   .reason = up->reason,
                                   .place = up->place,
                                   .file = item->file,
                                   .peer = up->peer,
                                   .content = item->content,
                                   .bytes = item->bytes,
                                   .identity = item->identity,
                                   .archive =
                                       up->fate == DROP_ARCHIVED ? up->drops->settings.archive_dir : NULL,
                                   .temporary = temporary};
    return drop_line_write(&line, lines);
}

static int record(struct giving_up *up)
{
    struct buf lines;
    int rc = 0;
    buf_init(&lines, (size_t)DROPS_BATCH * JOURNAL_LINE_MAX);
    for (size_t i = 0; rc == 0 && i < up->count; i++)
        if (up->items[i].is_there)
            rc = put_line(up, &up->items[i], &lines);
    if (rc == 0 && lines.len > 0)
        rc = journal_append(&up->drops->journal, &lines);
    buf_fini(&lines);
    return rc ? err_errno(up->err, rc, "state/%s cannot be written: nothing is dropped", drops_file) : 0;
}

/* --- after the line --------------------------------------------------------------------------------- */

static int finish_one(struct giving_up *up, struct item *item)
{
    char temporary[DROP_TEMPORARY_BYTES];
    temporary_name(up->drops, item->seq, temporary);
    int rc = up->fate == DROP_ARCHIVED ? archive_publish(up->drops->settings.archive_dir, up->place->db,
                                                         temporary, item->file, up->err)
                                       : 0;
    crash_point("drop:before-unlink");
    if (rc == 0) {
        rc = drop_unlink(up->dir, item->file, &item->identity);
        rc = rc == -ENOENT ? 0 : rc;
    }
    crash_point("drop:after-unlink");
    return rc;
}

/* What cannot be finished now is finished at the next start: the line says it. */
static int finish(struct giving_up *up, struct drops_sum *sum)
{
    char db[NAME_FILE_MAX_BYTES + 1];
    const char *name = drop_decoded(up->place->db, db);
    int rc = 0;
    for (size_t i = 0; i < up->count; i++) {
        struct item *item = &up->items[i];
        if (!item->is_there)
            continue;
        int one = finish_one(up, item);
        rc = rc ? rc : one;
        const struct drops_sum this = {.segments = 1,
                                       .rows = item->content.rows,
                                       .raw_bytes = item->content.raw_bytes,
                                       .bytes = (uint64_t)item->bytes};
        (void)drops_totals_add(&up->drops->totals, name, up->fate, up->reason, &this);
        sum->segments++;
        sum->rows += this.rows;
        sum->raw_bytes += this.raw_bytes;
        sum->bytes += this.bytes;
    }
    if (rc == 0)
        rc = file_sync_dir(up->dir);
    up->drops->has_unfinished = rc != 0;
    return rc ? err_errno(up->err, rc, "a segment that was recorded as %s cannot be removed",
                          drop_fate_word(up->fate))
              : 0;
}

/* A second line for a segment would count it twice: first what the last lines say. */
static int finish_earlier(struct giving_up *up)
{
    struct drops *drops = up->drops;
    if (!drops->has_unfinished)
        return 0;
    drops->has_unfinished = false;
    journal_close(&drops->journal);
    int rc = journal_open(&drops->journal, redo, drops);
    drops->has_unfinished = drops->has_unfinished || rc;
    return drops->has_unfinished
               ? err_set(up->err, -EIO,
                         "segments that were recorded as dropped cannot be removed: nothing more "
                         "is dropped before they are")
               : 0;
}

static void rotate(struct drops *drops)
{
    struct buf lines;
    if (drops->journal.bytes <= drops->settings.rotate_bytes)
        return;
    buf_init(&lines, SIZE_MAX / 2);
    drops->totals.last_seq = drops->last_seq;
    int rc = drops_totals_carry(&drops->totals, &lines);
    if (rc == 0)
        rc = journal_rotate(&drops->journal, lines.data, lines.len);
    if (rc)
        log_warn("drops-not-rotated", log_s("file", drops_file), log_s("cause", strerror(-rc)));
    buf_fini(&lines);
}

/* --- all of it -------------------------------------------------------------------------------------- */

static int prepare(struct giving_up *up, char *const *files)
{
    pthread_mutex_lock(&up->drops->lock);
    int rc = finish_earlier(up);
    for (size_t i = 0; i < up->count; i++)
        up->items[i] = (struct item){.file = files[i], .seq = ++up->drops->last_seq};
    pthread_mutex_unlock(&up->drops->lock);
    for (size_t i = 0; rc == 0 && i < up->count; i++) {
        rc = measure(up, &up->items[i]);
        if (rc == 0)
            rc = stage(up, &up->items[i]);
    }
    return rc;
}

static int give_up(struct giving_up *up, char *const *files, struct drops_sum *sum)
{
    int rc = prepare(up, files);
    if (rc == 0) {
        pthread_mutex_lock(&up->drops->lock);
        rc = record(up);
        if (rc == 0) {
            rc = finish(up, sum);
            if (rc == 0)
                rotate(up->drops);
            pthread_mutex_unlock(&up->drops->lock);
            return rc;
        }
        pthread_mutex_unlock(&up->drops->lock);
    }
    unstage_all(up);
    return rc;
}

int drops_give_up(struct drops *drops, const struct spool_place *place, char *const *files, size_t count,
                  enum drop_fate fate, enum drop_reason reason, const char *peer, struct drops_sum *sum,
                  struct err *err)
{
    assert(count <= DROPS_BATCH && (fate != DROP_ARCHIVED || drops->settings.archive_dir));
    *sum = (struct drops_sum){0};
    *err = (struct err){0};
    struct giving_up up = {.drops = drops,
                           .place = place,
                           .fate = fate,
                           .reason = reason,
                           .peer = peer,
                           .count = count,
                           .err = err,
                           .items = calloc(count ? count : 1, sizeof *up.items),
                           .dir = spool_place_open(drops->spool, place, false)};
    int rc = !up.items ? -ENOMEM : up.dir < 0 ? up.dir : give_up(&up, files, sum);
    if (rc && !err->code)
        err_errno(err, rc, "%s/%s: its segments cannot be given up", spool_queue_name(place->queue),
                  place->db);
    if (up.dir >= 0)
        close(up.dir);
    free(up.items);
    return rc;
}

void drops_totals(struct drops *drops, drops_each *each, void *arg)
{
    pthread_mutex_lock(&drops->lock);
    drops_totals_show(&drops->totals, each, arg);
    pthread_mutex_unlock(&drops->lock);
}
