/* Segments from quarantine back to sealed/, where the pipeline takes them up again. By the batch: look at
 * them, say what will move (intent.h), rename each (the commit), make the renames durable, take the .why of
 * each away. */
#include <errno.h>
#include <fcntl.h>

#include "common/base/crash.h"
#include "common/base/exit.h"
#include "common/base/file.h"
#include "common/cli/from_archive.h"
#include "common/cli/intent.h"
#include "common/cli/jsonline.h"
#include "common/cli/operator.h"
#include "common/cli/progress.h"
#include "common/cli/selection.h"
#include "common/cli/whole.h"
#include "common/segment/flake.h"

enum { BATCH = 1024 };

/* A segment that is whole and about to move, and after that one that has moved. */
struct candidate {
    const struct inventory_entry *entry;
    uint64_t rows;
};

struct requeue {
    struct cli *cli;
    bool has_force;
    struct whole whole;
    uint64_t done, refused, rows;
    /* The batch: segments of one database. */
    char folder[SPOOL_NAME_BYTES];
    int from, to; /* its folders in quarantine/ and sealed/; -1: none is open */
    size_t count;
    struct candidate *candidates; /* BATCH of them */
    struct intent_file *files;    /* the same */
    struct err err;
};

/* --- telling ---------------------------------------------------------------------------------------- */

static void tell(const struct requeue *requeue, const struct inventory_entry *entry, const char *to,
                 uint64_t rows, const char *reason)
{
    char label[INVENTORY_LABEL_BYTES], db[NAME_FILE_MAX_BYTES + 1];
    inventory_label(entry, label);
    if (reason)
        cli_fail(0, "%s: not requeued: %s", label, reason);
    if (!requeue->cli->is_json) {
        if (!reason)
            printf("requeued  %s  %llu rows  as sealed/%s/%s\n", label, (unsigned long long)rows,
                   entry->folder->db, to);
        return;
    }
    struct jsonline line;
    jsonline_begin(&line);
    jsonline_text(&line, "action", reason ? "refused" : "requeued");
    jsonline_text(&line, "file", label);
    jsonline_text(&line, "db", inventory_db(entry->folder, db));
    if (reason) {
        jsonline_text(&line, "reason", reason);
    } else {
        jsonline_text(&line, "to", to);
        jsonline_number(&line, "rows", (int64_t)rows);
        jsonline_number(&line, "bytes", entry->bytes);
    }
    jsonline_end(&line);
}

static int refuse(struct requeue *requeue, const struct inventory_entry *entry, const char *reason)
{
    requeue->refused++;
    tell(requeue, entry, NULL, 0, reason);
    return 0;
}

/* --- moving ----------------------------------------------------------------------------------------- */

static int has_file(void *arg, const struct spool_place *place, int dir)
{
    const struct inventory_entry *wanted = arg;
    return strcmp(place->db, wanted->folder->db) == 0 &&
           faccessat(dir, wanted->file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Is a segment of this name anywhere else? Two of one name would be taken for one. */
static bool is_taken(const struct spool *spool, const struct inventory_entry *entry, const char *file)
{
    struct inventory_entry wanted = {.folder = entry->folder, .file = file};
    bool taken = false;
    for (size_t queue = 0; !taken && queue < QUEUE_COUNT; queue++) {
        if (queue == QUEUE_QUARANTINE && strcmp(file, entry->file) == 0)
            continue;
        struct spool_place place = spool_place((enum spool_queue)queue, entry->folder->db);
        int dir = spool_queue_is_grouped(place.queue) ? -1 : spool_place_open(spool, &place, false);
        taken = dir >= 0 && faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
        if (spool_queue_is_grouped(place.queue))
            taken = spool_walk_groups(spool, place.queue, has_file, &wanted) != 0;
        if (dir >= 0)
            close(dir);
    }
    return taken;
}

/* Under its own name where that is free, else under one with a fresh id; the head inside goes on saying where
 * it came from. */
static int move(struct requeue *requeue, const struct inventory_entry *entry, struct segment_name *name,
                char file[static SPOOL_NAME_BYTES])
{
    struct spool *spool = &requeue->cli->spool;
    int rc = segment_name_build(name, file) == NAME_OK ? 0 : -EINVAL;
    if (rc == 0 && is_taken(spool, entry, file))
        rc = -EEXIST;
    for (int tries = 0; tries < 100; tries++) {
        if (rc == 0 && renameat2(requeue->from, entry->file, requeue->to, file, RENAME_NOREPLACE) != 0)
            rc = -errno;
        if (rc != -EEXIST)
            return rc;
        name->id = spool_next_id_at(spool, flake_unix_ms(name->id)); /* as old as it was */
        rc = segment_name_build(name, file) == NAME_OK ? 0 : -EINVAL;
    }
    return -EEXIST;
}

static void move_all(struct requeue *requeue)
{
    for (size_t i = 0; i < requeue->count; i++) {
        const struct candidate *candidate = &requeue->candidates[i];
        struct segment_name name;
        char file[SPOOL_NAME_BYTES];
        (void)inventory_read_name(candidate->entry->file, &name); /* it was read before */
        int rc = move(requeue, candidate->entry, &name, file);
        crash_point("requeue:after-rename");
        if (rc) {
            requeue->files[i].why.inode = 0; /* the reason stays */
            refuse(requeue, candidate->entry, rc == -ENOENT ? "it is not there any more" : strerror(-rc));
            continue;
        }
        requeue->done++;
        requeue->rows += candidate->rows;
        tell(requeue, candidate->entry, file, candidate->rows, NULL);
    }
}

/* The batch. Only when the moves are durable do the reasons go. */
static int settle(struct requeue *requeue)
{
    const struct spool *spool = &requeue->cli->spool;
    if (!requeue->count)
        return 0;
    int rc = intent_write(spool, requeue->folder, requeue->files, requeue->count);
    if (rc)
        return err_errno(&requeue->err, rc,
                         "nothing of this batch is requeued: state/requeue.json cannot be written");
    crash_point("requeue:after-intent");
    move_all(requeue);
    rc = file_sync_dir(requeue->to);
    if (rc == 0)
        rc = file_sync_dir(requeue->from);
    if (rc)
        return err_errno(&requeue->err, rc, "sealed/%s: cannot be made durable", requeue->folder);
    crash_point("requeue:after-sync");
    for (size_t i = 0; i < requeue->count; i++) {
        why_drop(requeue->from, requeue->files[i].file, &requeue->files[i].why);
        crash_point("requeue:after-why");
    }
    requeue->count = 0;
    intent_clear(spool);
    return 0;
}

static void close_dirs(struct requeue *requeue)
{
    if (requeue->from >= 0)
        close(requeue->from);
    if (requeue->to >= 0)
        close(requeue->to);
    requeue->from = requeue->to = -1;
}

/* Have this database's folders open, and room in the batch. -ENOENT: it has none in quarantine any more. */
static int enter(struct requeue *requeue, const char *folder)
{
    bool is_same = requeue->from >= 0 && requeue->to >= 0 && strcmp(requeue->folder, folder) == 0;
    int rc = !is_same || requeue->count == BATCH ? settle(requeue) : 0;
    if (rc || is_same)
        return rc;
    close_dirs(requeue);
    snprintf(requeue->folder, sizeof requeue->folder, "%s", folder);
    struct spool_place from = spool_place(QUEUE_QUARANTINE, folder), to = spool_place(QUEUE_SEALED, folder);
    requeue->from = spool_place_open(&requeue->cli->spool, &from, false);
    if (requeue->from < 0)
        return err_errno(&requeue->err, requeue->from, "quarantine/%s", folder);
    requeue->to = spool_place_open(&requeue->cli->spool, &to, true);
    return requeue->to < 0 ? err_errno(&requeue->err, requeue->to, "sealed/%s: cannot be made", folder) : 0;
}

/* --- one segment ------------------------------------------------------------------------------------ */

/* Why it may not go back, or NULL. */
static const char *objection(const struct requeue *requeue, const struct inventory_entry *entry,
                             const struct why *why, char text[static WHOLE_FAULT_BYTES + 256])
{
    if (why->went_on)
        return "it is damaged, and its valid rows went on as a segment of the same name: they would come twice. "
               "spillway rm removes it";
    if (why->is_refused && !requeue->has_force)
        return "walwriter refused these rows (its .why says which and why). Mend them and feed them to walwriter: "
               "spillway cat FILE; or --force sends them as they are";
    if (!*requeue->whole.fault)
        return NULL;
    snprintf(text, WHOLE_FAULT_BYTES + 256,
             "%s. What is whole in it: spillway cat %s/%s | walwriter --db ... --table ...",
             requeue->whole.fault, "quarantine", entry->folder->db);
    return text;
}

/* Look at it; if it is whole, it joins the batch. */
static int requeue_one(struct requeue *requeue, const struct inventory_entry *entry)
{
    char text[WHOLE_FAULT_BYTES + 256];
    struct segment_name name;
    if (inventory_read_name(entry->file, &name) == INVENTORY_OTHER)
        return refuse(requeue, entry, "its name is not that of a segment");
    int rc = enter(requeue, entry->folder->db);
    if (rc)
        return rc;
    struct intent_file *file = &requeue->files[requeue->count];
    file->file = entry->file;
    int fd = openat(requeue->from, entry->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return refuse(requeue, entry, strerror(errno));
    rc = why_read(requeue->from, entry->file, &file->why);
    const char *what = rc ? "its .why" : "it";
    if (rc == 0)
        rc = whole_check(&requeue->whole, fd, &name, entry->folder->db,
                         file->why.is_refused && requeue->has_force);
    close(fd);
    if (rc) {
        snprintf(text, sizeof text, "%s cannot be read: %s", what, strerror(-rc));
        return refuse(requeue, entry, text);
    }
    const char *reason = objection(requeue, entry, &file->why, text);
    if (reason)
        return refuse(requeue, entry, reason);
    requeue->candidates[requeue->count++] =
        (struct candidate){.entry = entry, .rows = requeue->whole.row_count};
    return 0;
}

/* --- all of them ------------------------------------------------------------------------------------ */

static int requeue_all(struct requeue *requeue, struct inventory *inventory)
{
    struct progress progress;
    int rc = 0;
    inventory_order_by_db(inventory);
    progress_begin(&progress, "requeue", inventory_bytes(inventory));
    for (size_t i = 0; rc == 0 && i < inventory->count; i++) {
        rc = requeue_one(requeue, &inventory->entries[i]);
        progress_add(&progress, inventory->entries[i].bytes);
    }
    if (rc == 0)
        rc = settle(requeue);
    progress_end(&progress);
    return rc;
}

static void print_sum(const struct requeue *requeue)
{
    if (!requeue->cli->is_json) {
        printf("%llu segments requeued, %llu rows; %llu refused\n", (unsigned long long)requeue->done,
               (unsigned long long)requeue->rows, (unsigned long long)requeue->refused);
        return;
    }
    struct jsonline line;
    jsonline_begin(&line);
    jsonline_number(&line, "requeued", (int64_t)requeue->done);
    jsonline_number(&line, "rows", (int64_t)requeue->rows);
    jsonline_number(&line, "refused", (int64_t)requeue->refused);
    jsonline_end(&line);
}

int cmd_requeue(struct cli *cli)
{
    if (conf_text(cli->conf, CONF_FROM_ARCHIVE))
        return requeue_from_archive(cli, conf_text(cli->conf, CONF_FROM_ARCHIVE));
    static const struct selection_rules rules = {.queues = 1u << QUEUE_QUARANTINE};
    struct requeue requeue = {.cli = cli, .from = -1, .to = -1, .has_force = cli_said(cli, CONF_FORCE)};
    requeue.candidates = calloc(BATCH, sizeof *requeue.candidates);
    requeue.files = calloc(BATCH, sizeof *requeue.files);
    struct inventory inventory = {0};
    struct ledger ledger = LEDGER_CLOSED;
    uint64_t unmatched = 0;
    int rc = whole_init(&requeue.whole);
    if (rc == 0 && (!requeue.candidates || !requeue.files))
        rc = -ENOMEM;
    if (rc == 0 && conf_is_set(cli->conf, CONF_IN))
        rc = err_set(&requeue.err, -EINVAL, "requeue: takes from quarantine/ only, without --in");
    if (rc == 0)
        rc = operator_begin(cli, &ledger, &requeue.err);
    if (rc == 0)
        rc = selection_gather(cli, &rules, &inventory, &unmatched, &requeue.err);
    if (rc == 0)
        rc = requeue_all(&requeue, &inventory);
    ledger_close(&ledger);
    close_dirs(&requeue);
    whole_fini(&requeue.whole);
    inventory_fini(&inventory);
    free(requeue.candidates);
    free(requeue.files);
    if (rc)
        return operator_fail(rc, &requeue.err);
    print_sum(&requeue);
    return requeue.refused || unmatched ? EXIT_DAMAGED : EXIT_DONE;
}
