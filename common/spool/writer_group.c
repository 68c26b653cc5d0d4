#include "common/spool/writer_group.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/spool/place.h"
#include "common/spool/writer_parts.h"

enum {
    ALONE_MAX = 2, /* so many files are never worth a syncfs */
    CHUNK = 16,    /* files whose folders are noted at a time */
    FIRST_FILE_NS = 100000,
    DECLINED_MAX = 16, /* after so many times one by one, syncfs is tried again */
};

/* --- which way -------------------------------------------------------------------------------------- */

/* What was measured last. Races between threads do no harm. */
static _Atomic int64_t file_ns = FIRST_FILE_NS, all_ns;
static _Atomic unsigned declined;

static bool is_syncfs_worth_it(size_t count)
{
    if (count <= ALONE_MAX)
        return false;
    if (all_ns < file_ns * (int64_t)count || ++declined >= DECLINED_MAX) {
        declined = 0;
        return true;
    }
    return false;
}

/* --- folders ---------------------------------------------------------------------------------------- */

/* The distinct folders of a call. There are few databases among the files of one round, or syncfs is used. */
struct folders {
    struct spool *spool;
    struct {
        enum spool_queue queue;
        const char *db_folder;
    } list[2 * CHUNK];
    size_t count;
};

/* False: there are more than fit. */
static bool note_folder(struct folders *folders, enum spool_queue queue, const char *db_folder)
{
    for (size_t i = 0; i < folders->count; i++)
        if (folders->list[i].queue == queue && strcmp(folders->list[i].db_folder, db_folder) == 0)
            return true;
    if (folders->count == ARRAY_LEN(folders->list))
        return false;
    folders->list[folders->count].queue = queue;
    folders->list[folders->count++].db_folder = db_folder;
    return true;
}

static int sync_folders(const struct folders *folders)
{
    for (size_t i = 0; i < folders->count; i++) {
        struct spool_place place = spool_place(folders->list[i].queue, folders->list[i].db_folder);
        int dir = spool_place_open(folders->spool, &place, false);
        int rc = dir < 0 ? dir : file_sync_dir(dir);
        if (dir >= 0)
            close(dir);
        if (rc)
            return rc;
    }
    return 0;
}

/* --- content ---------------------------------------------------------------------------------------- */

static bool is_dirty(const struct writer *w)
{
    return !w->has_failed && w->synced_bytes < w->size_bytes;
}

static void sync_one(struct writer *w)
{
    struct err err;
    if (writer_sync_data(w, &err) != 0)
        log_error("not-durable", log_s("file", w->file), log_s("cause", err.text),
                  log_s("action", "it stays in active/ and is adopted"));
}

/* The write-back of all is on its way before the first is waited for. */
static void sync_each(struct writer *const *writers, size_t count)
{
    struct mono start = mono_now();
    size_t dirty = 0;
    for (size_t i = 0; i < count; i++)
        if (is_dirty(writers[i]))
            (void)sync_file_range(writers[i]->fd, (off_t)writers[i]->started_bytes, 0, SYNC_FILE_RANGE_WRITE);
    for (size_t i = 0; i < count; i++)
        if (is_dirty(writers[i])) {
            dirty++;
            sync_one(writers[i]);
        }
    if (dirty > 0)
        file_ns = (mono_now().ns - start.ns) / (int64_t)dirty;
}

static int sync_file_system(const struct spool *spool)
{
    struct mono start = mono_now();
    int rc = syncfs(spool->fd) == 0 ? 0 : -errno;
    all_ns = mono_now().ns - start.ns;
    if (rc)
        log_warn("sync-failed", log_s("spool", spool->path), log_s("cause", strerror(-rc)),
                 log_s("action", "asking each file"));
    return rc;
}

static bool sync_all_at_once(struct writer *const *writers, size_t count)
{
    if (!is_syncfs_worth_it(count) || sync_file_system(writers[0]->spool) != 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct writer *w = writers[i];
        if (w->has_failed)
            continue;
        w->synced_bytes = w->started_bytes = w->size_bytes;
        w->is_entry_synced = true;
    }
    return true;
}

/* After sync_each(): the names of the new ones. */
static void sync_entries(struct writer *const *writers, size_t count)
{
    struct folders folders = {.spool = writers[0]->spool};
    for (size_t i = 0; i < count; i++)
        if (!writers[i]->has_failed && !writers[i]->is_entry_synced)
            (void)note_folder(&folders, QUEUE_ACTIVE, writers[i]->db_folder); /* no more files than fit */
    if (folders.count == 0)
        return;
    int rc = sync_folders(&folders);
    if (rc == 0)
        rc = file_sync_dir(folders.spool->queues[QUEUE_ACTIVE]);
    for (size_t i = 0; i < count; i++) {
        struct writer *w = writers[i];
        if (w->has_failed || w->is_entry_synced)
            continue;
        w->is_entry_synced = rc == 0;
        w->has_failed = rc != 0;
    }
    if (rc)
        log_error("not-durable", log_s("folder", "active/"), log_s("cause", strerror(-rc)));
}

size_t writers_sync(struct writer *const *writers, size_t count)
{
    if (count == 0)
        return 0;
    if (!sync_all_at_once(writers, count)) {
        sync_each(writers, count);
        for (size_t i = 0; i < count; i += CHUNK)
            sync_entries(writers + i, count - i < CHUNK ? count - i : CHUNK);
    }
    size_t failed = 0;
    for (size_t i = 0; i < count; i++)
        failed += !writer_is_durable(writers[i]);
    return failed;
}

/* --- sealing ---------------------------------------------------------------------------------------- */

static void prepare(struct sealing *sealing, bool durable)
{
    struct writer *w = sealing->writer;
    assert(w->counts.rows > 0 && !sealing->why != writer_is_refused(w->fate));
    sealing->rc = w->is_torn ? writer_cut_back(w) : 0;
    if (sealing->rc == 0 && w->has_failed)
        sealing->rc = -EIO;
    if (sealing->rc == 0 && durable && w->synced_bytes < w->size_bytes) {
        sync_one(w);
        sealing->rc = w->has_failed ? -EIO : 0;
    }
}

/* So that what prepare() finds to do is little. */
static void sync_contents(struct sealing *list, size_t count)
{
    size_t dirty = 0;
    for (size_t i = 0; i < count; i++)
        dirty += is_dirty(list[i].writer);
    bool is_done = is_syncfs_worth_it(dirty) && sync_file_system(list[0].writer->spool) == 0;
    for (size_t i = 0; i < count; i++) {
        struct writer *w = list[i].writer;
        if (is_done && !w->has_failed)
            w->synced_bytes = w->started_bytes = w->size_bytes;
        else if (is_dirty(w))
            (void)sync_file_range(w->fd, (off_t)w->started_bytes, 0, SYNC_FILE_RANGE_WRITE);
    }
}

static void move(struct sealing *sealing, bool durable)
{
    struct err err;
    if (sealing->rc == 0)
        sealing->rc = writer_move_sealed(sealing->writer, sealing->why, durable, &err);
}

/* The renames. Where this fails, the segments are in their places all the same: a power cut may take them
 * back to active/, where they are adopted. */
static void sync_moves(const struct sealing *list, size_t count)
{
    struct folders folders = {.spool = list[0].writer->spool};
    bool fits = true;
    for (size_t i = 0; i < count && fits; i++)
        if (list[i].rc == 0)
            fits = note_folder(&folders, writer_goal(list[i].writer), list[i].writer->db_folder);
    for (size_t i = 0; i < count && fits; i++)
        if (list[i].rc == 0)
            fits = note_folder(&folders, QUEUE_ACTIVE, list[i].writer->db_folder);
    int rc = fits ? sync_folders(&folders) : sync_file_system(folders.spool);
    if (rc)
        log_warn("move-not-durable", log_s("spool", folders.spool->path), log_s("cause", strerror(-rc)));
}

size_t writers_seal(struct sealing *list, size_t count, bool durable)
{
    size_t failed = 0;
    if (count == 0)
        return 0;
    if (durable)
        sync_contents(list, count);
    for (size_t i = 0; i < count; i++)
        prepare(&list[i], durable);
    crash_point("seal:after-sync");
    for (size_t i = 0; i < count; i++) {
        move(&list[i], durable);
        failed += list[i].rc != 0;
    }
    if (durable && failed < count)
        sync_moves(list, count);
    return failed;
}
