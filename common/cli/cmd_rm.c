/* Segments out of the spool for good. What is in another queue goes to quarantine first: that rename takes it
 * from the programs or fails. Then, by the batch: record (durable), unlink the files, unlink their .why. See
 * ledger.h. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/crash.h"
#include "common/base/exit.h"
#include "common/base/file.h"
#include "common/base/units.h"
#include "common/cli/jsonline.h"
#include "common/cli/operator.h"
#include "common/cli/progress.h"
#include "common/cli/selection.h"
#include "common/spool/reader.h"

/* A removal that is being prepared. */
struct doomed {
    struct removal removal;
    const struct inventory_entry *entry;
    bool has_rows;
    struct scan_summary found;
    int64_t bytes;
};

struct rm {
    struct cli *cli;
    struct ledger ledger;
    struct doomed *doomed; /* LEDGER_BATCH of them, all of one database */
    size_t count;
    struct buf lines;
    uint64_t done, refused, rows;
    int64_t bytes;
    struct err err;
};

/* --- telling ---------------------------------------------------------------------------------------- */

static int refuse(struct rm *rm, const struct inventory_entry *entry, const char *reason)
{
    char label[INVENTORY_LABEL_BYTES];
    rm->refused++;
    cli_fail(0, "%s: not removed: %s", inventory_label(entry, label), reason);
    if (rm->cli->is_json) {
        struct jsonline line;
        jsonline_begin(&line);
        jsonline_text(&line, "action", "refused");
        jsonline_text(&line, "file", label);
        jsonline_text(&line, "reason", reason);
        jsonline_end(&line);
    }
    return 0;
}

static void tell(struct rm *rm, const struct doomed *doomed)
{
    char label[INVENTORY_LABEL_BYTES], db[NAME_FILE_MAX_BYTES + 1], size[UNITS_TEXT_BYTES],
        rows[32] = "unknown";
    inventory_label(doomed->entry, label);
    rm->done++;
    rm->bytes += doomed->bytes;
    rm->rows += doomed->has_rows ? doomed->found.rows : 0;
    if (doomed->has_rows)
        snprintf(rows, sizeof rows, "%llu", (unsigned long long)doomed->found.rows);
    if (!rm->cli->is_json) {
        printf("removed  %s  %s rows, %s\n", label, rows, units_format_size(doomed->bytes, size));
        return;
    }
    struct jsonline line;
    jsonline_begin(&line);
    jsonline_text(&line, "action", "removed");
    jsonline_text(&line, "file", label);
    jsonline_text(&line, "db", inventory_db(doomed->entry->folder, db));
    jsonline_number(&line, "bytes", doomed->bytes);
    if (doomed->has_rows)
        jsonline_number(&line, "rows", (int64_t)doomed->found.rows);
    jsonline_end(&line);
}

/* --- a batch ---------------------------------------------------------------------------------------- */

static int unlink_all(struct rm *rm, int dir)
{
    for (size_t i = 0; i < rm->count; i++) {
        int rc = removal_finish(dir, &rm->doomed[i].removal);
        if (rc && rc != -ENOENT)
            return err_errno(&rm->err, rc, "quarantine/%s/%s: cannot be removed",
                             rm->doomed[i].removal.folder, rm->doomed[i].removal.file);
        tell(rm, &rm->doomed[i]);
    }
    int rc = file_sync_dir(dir);
    return rc ? err_errno(&rm->err, rc, "quarantine/%s: cannot be made durable", rm->doomed[0].removal.folder)
              : 0;
}

static int flush(struct rm *rm)
{
    if (!rm->count)
        return 0;
    int rc = ledger_append(&rm->ledger, &rm->lines);
    if (rc)
        return err_errno(&rm->err, rc,
                         "nothing of this batch is removed: state/removed.jsonl cannot be written");
    struct spool_place place = spool_place(QUEUE_QUARANTINE, rm->doomed[0].removal.folder);
    int dir = spool_place_open(&rm->cli->spool, &place, false);
    if (dir < 0)
        return err_errno(&rm->err, dir, "quarantine/%s", place.db);
    rc = unlink_all(rm, dir);
    close(dir);
    rm->count = 0;
    buf_clear(&rm->lines);
    return rc;
}

static json_t *record(const struct doomed *doomed)
{
    const struct removal *removal = &doomed->removal;
    const struct inventory_entry *entry = doomed->entry;
    struct segment_name name;
    char now[WALL_TEXT_BYTES];
    wall_format(wall_now_ms(), now);
    if (inventory_read_name(entry->file, &name) == INVENTORY_OTHER)
        name.table[0] = '\0';
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:s, s:b, s:I, s:I, s:I, s:I}", "v", 1,
                     "time", now, "db", removal->folder, "table", name.table, "file", removal->file, "from",
                     spool_queue_name(entry->folder->queue), "bytes", (json_int_t)doomed->bytes, "rows",
                     doomed->has_rows ? json_integer((json_int_t)doomed->found.rows) : json_null(),
                     "raw_bytes",
                     doomed->has_rows ? json_integer((json_int_t)doomed->found.raw_bytes) : json_null(),
                     "reason", removal->why.reason, "salvaged", removal->why.went_on, "uid",
                     (json_int_t)getuid(), "inode", (json_int_t)removal->inode, "mtime_ns",
                     (json_int_t)removal->mtime_ns, "why_inode", (json_int_t)removal->why.inode);
}

/* The line goes into the batch, or nothing does. */
static int add_line(struct rm *rm, const struct doomed *doomed)
{
    json_t *line = record(doomed);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text)
        return refuse(rm, doomed->entry,
                      "its name is not UTF-8, so it cannot be recorded: remove it by hand");
    int rc = strlen(text) < JOURNAL_LINE_MAX ? buf_printf(&rm->lines, "%s\n", text) : -EMSGSIZE;
    free(text);
    if (rc == -EMSGSIZE)
        return refuse(rm, doomed->entry, "its record would be too long");
    rm->count += rc == 0;
    return rc ? err_errno(&rm->err, rc, "the record of a removal") : 0;
}

/* --- one segment ------------------------------------------------------------------------------------ */

static const char *objection(const struct inventory_entry *entry)
{
    switch (entry->folder->queue) {
    case QUEUE_QUARANTINE:
    case QUEUE_SEALED:
    case QUEUE_UPLOAD:
        return NULL;
    case QUEUE_ACTIVE:
        return "it is being written, or waits for the next walwriter to seal it";
    case QUEUE_BATCH:
        return "it is being uploaded: stop uploader or wait; what is refused comes to quarantine/";
    case QUEUE_TRANSFER:
    case QUEUE_INCOMING:
        return "it is on its way between two instances";
    case QUEUE_COUNT:
        break;
    }
    return "it is in no queue";
}

/* The name that quarantine gave to the open file, which was `file` before. */
static int find_name(int dir, int fd, const char *file, char name[static SPOOL_NAME_BYTES])
{
    struct stat ours, st;
    if (fstat(fd, &ours) != 0)
        return -errno;
    for (unsigned i = 0; i < 1000; i++) {
        if (i == 0)
            snprintf(name, SPOOL_NAME_BYTES, "%s", file);
        else
            snprintf(name, SPOOL_NAME_BYTES, "%u,%s", i, file);
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == ours.st_ino)
            return 0;
    }
    return -ENOENT;
}

/* From another queue to quarantine/, unless a program has taken it meanwhile. `*fd` is the file. */
static int set_aside(struct rm *rm, const struct inventory_entry *entry, int *fd)
{
    const struct spool *spool = &rm->cli->spool;
    struct spool_place place = inventory_place(entry);
    int dir = spool_place_open(spool, &place, false);
    if (dir < 0)
        return dir;
    *fd = openat(dir, entry->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int rc = *fd < 0 ? -errno : 0;
    close(dir);
    json_t *why = rc ? NULL : json_pack("{s:s, s:s}", "reason", "removed by an operator", WHY_MARK, "rm");
    if (rc == 0)
        rc = why ? spool_quarantine(spool, &place, entry->file, why) : -ENOMEM;
    json_decref(why);
    crash_point("rm:after-quarantine");
    return rc;
}

/* Have the file open in quarantine/, and its name there. */
static int take(struct rm *rm, const struct inventory_entry *entry, int *dir, struct removal *removal)
{
    struct spool_place place = spool_place(QUEUE_QUARANTINE, entry->folder->db);
    bool is_elsewhere = entry->folder->queue != QUEUE_QUARANTINE;
    int fd = -1;
    int rc = is_elsewhere ? set_aside(rm, entry, &fd) : 0;
    *dir = spool_place_open(&rm->cli->spool, &place, false);
    if (rc == 0 && *dir < 0)
        rc = *dir;
    snprintf(removal->folder, sizeof removal->folder, "%s", place.db);
    snprintf(removal->file, sizeof removal->file, "%s", entry->file);
    if (rc == 0 && is_elsewhere)
        rc = find_name(*dir, fd, entry->file, removal->file);
    else if (rc && *dir >= 0) /* another was faster: the reason that was written beforehand is of no use */
        why_drop_marked(*dir, entry->file);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int examine(int dir, struct doomed *doomed)
{
    struct stat st;
    struct removal *removal = &doomed->removal;
    if (fstatat(dir, removal->file, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -errno;
    removal->inode = st.st_ino;
    removal->mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
    doomed->bytes = st.st_size;
    doomed->has_rows = segment_read_summary(dir, removal->file, &doomed->found, NULL, NULL) == 0;
    return why_read(dir, removal->file, &removal->why);
}

static int rm_one(struct rm *rm, const struct inventory_entry *entry)
{
    const char *reason = objection(entry);
    if (reason)
        return refuse(rm, entry, reason);
    int rc = 0, dir = -1;
    if (rm->count &&
        (rm->count == LEDGER_BATCH || strcmp(rm->doomed[0].removal.folder, entry->folder->db) != 0))
        rc = flush(rm);
    if (rc)
        return rc;
    struct doomed *doomed = &rm->doomed[rm->count];
    *doomed = (struct doomed){.entry = entry};
    rc = take(rm, entry, &dir, &doomed->removal);
    if (rc == 0)
        rc = examine(dir, doomed);
    if (dir >= 0)
        close(dir);
    if (rc)
        return refuse(rm, entry, rc == -ENOENT ? "it has moved on" : strerror(-rc));
    return add_line(rm, doomed);
}

/* --- all of them ------------------------------------------------------------------------------------ */

static int rm_all(struct rm *rm, struct inventory *inventory)
{
    struct progress progress;
    int rc = 0;
    inventory_order_by_db(inventory);
    progress_begin(&progress, "rm", inventory_bytes(inventory));
    for (size_t i = 0; rc == 0 && i < inventory->count; i++) {
        rc = rm_one(rm, &inventory->entries[i]);
        progress_add(&progress, inventory->entries[i].bytes);
    }
    if (rc == 0)
        rc = flush(rm);
    progress_end(&progress);
    return rc;
}

static void print_sum(const struct rm *rm)
{
    char size[UNITS_TEXT_BYTES];
    if (!rm->cli->is_json) {
        printf("%llu segments removed, %llu rows, %s; %llu refused\n", (unsigned long long)rm->done,
               (unsigned long long)rm->rows, units_format_size(rm->bytes, size),
               (unsigned long long)rm->refused);
        return;
    }
    struct jsonline line;
    jsonline_begin(&line);
    jsonline_number(&line, "removed", (int64_t)rm->done);
    jsonline_number(&line, "rows", (int64_t)rm->rows);
    jsonline_number(&line, "bytes", rm->bytes);
    jsonline_number(&line, "refused", (int64_t)rm->refused);
    jsonline_end(&line);
}

int cmd_rm(struct cli *cli)
{
    static const struct selection_rules rules = {.queues = 1u << QUEUE_QUARANTINE};
    struct rm rm = {.cli = cli, .ledger = LEDGER_CLOSED, .doomed = calloc(LEDGER_BATCH, sizeof *rm.doomed)};
    struct inventory inventory = {0};
    uint64_t unmatched = 0;
    if (conf_is_set(cli->conf, CONF_IN) && !cli_said(cli, CONF_YES)) {
        free(rm.doomed);
        return cli_fail(
            EXIT_USAGE,
            "rm: --in takes rows that are on their way to ADX: say --yes too, on the command line");
    }
    buf_init(&rm.lines, (size_t)LEDGER_BATCH * JOURNAL_LINE_MAX);
    int rc = rm.doomed ? operator_begin(cli, &rm.ledger, &rm.err) : -ENOMEM;
    if (rc == 0)
        rc = selection_gather(cli, &rules, &inventory, &unmatched, &rm.err);
    if (rc == 0)
        rc = rm_all(&rm, &inventory);
    ledger_close(&rm.ledger);
    inventory_fini(&inventory);
    buf_fini(&rm.lines);
    free(rm.doomed);
    if (rc)
        return operator_fail(rc, &rm.err);
    print_sum(&rm);
    return rm.refused || unmatched ? EXIT_DAMAGED : EXIT_DONE;
}
