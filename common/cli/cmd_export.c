/* Segments out to a directory, as ordinary gzip files. The spool is only read. */
#include <errno.h>
#include <fcntl.h>

#include "common/base/exit.h"
#include "common/base/file.h"
#include "common/base/units.h"
#include "common/cli/copy.h"
#include "common/cli/jsonline.h"
#include "common/cli/selection.h"

/* Where files go whose names do not tell their table. */
static const char no_table[] = "_";

struct export
{
    struct cli *cli;
    const char *path;
    int root;
    bool is_joined;
    /* DIR/DB/TABLE, open for as long as segments are of that table. */
    int dir;
    char db[SPOOL_NAME_BYTES], table[SPOOL_NAME_BYTES];
    uint64_t files, present, damaged, refused, rows, bytes;
    struct err err;
};

/* Made durably: a backup's folders are part of it. */
static int open_folder(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 || errno != ENOENT)
        return fd >= 0 ? fd : -errno;
    fd = file_open_dir(parent, name);
    int rc = fd < 0 ? fd : file_sync_dir(parent);
    if (rc && fd >= 0)
        close(fd);
    return rc ? rc : fd;
}

/* Done with a folder: what was put there is to stay. */
static int leave(struct export *export)
{
    int rc = export->dir >= 0 ? file_sync_dir(export->dir) : 0;
    if (export->dir >= 0)
        close(export->dir);
    export->dir = -1;
    return rc ? err_errno(&export->err, rc, "%s/%s/%s: cannot be made durable", export->path, export->db,
                          export->table)
              : 0;
}

static int enter(struct export *export, const char *db, const char *table)
{
    if (export->dir >= 0 && strcmp(export->db, db) == 0 && strcmp(export->table, table) == 0)
        return 0;
    int rc = leave(export);
    if (rc)
        return rc;
    int parent = open_folder(export->root, db);
    export->dir = parent < 0 ? parent : open_folder(parent, table);
    if (parent >= 0)
        close(parent);
    if (export->dir < 0)
        return err_errno(&export->err, export->dir, "%s/%s/%s: cannot be made", export->path, db, table);
    snprintf(export->db, sizeof export->db, "%s", db);
    snprintf(export->table, sizeof export->table, "%s", table);
    return 0;
}

static void print_json(const char *label, const char *to, const char *action, const struct copied *copied)
{
    struct jsonline line;
    jsonline_begin(&line);
    jsonline_text(&line, "action", action);
    jsonline_text(&line, "file", label);
    jsonline_text(&line, "to", to);
    jsonline_number(&line, "rows", (int64_t)copied->rows);
    jsonline_number(&line, "raw_bytes", (int64_t)copied->raw_bytes);
    jsonline_number(&line, "bytes", (int64_t)copied->bytes);
    jsonline_number(&line, "skipped_bytes", (int64_t)copied->skipped_bytes);
    jsonline_end(&line);
}

static void tell(struct export *export, const char *label, const char *file, int rc,
                 const struct copied *copied)
{
    char to[3 * SPOOL_NAME_BYTES];
    const char *action = rc == -EEXIST ? "refused" : copied->is_new ? "exported" : "present";
    snprintf(to, sizeof to, "%s/%s/%s", export->db, export->table, file);
    export->refused += rc == -EEXIST;
    export->files += copied->is_new;
    export->present += rc == 0 && !copied->is_new;
    export->damaged += copied->skipped_bytes > 0;
    export->rows += copied->is_new ? copied->rows : 0;
    export->bytes += copied->is_new ? copied->bytes : 0;
    if (rc == -EEXIST)
        cli_fail(0, "%s: not exported: %s/%s is there with other content, and is not overwritten", label,
                 export->path, to);
    if (copied->skipped_bytes)
        cli_fail(0, "%s: %llu damaged bytes are left out", label, (unsigned long long)copied->skipped_bytes);
    if (export->cli->is_json)
        print_json(label, to, action, copied);
    else if (copied->is_new)
        printf("exported  %s  %llu rows\n", to, (unsigned long long)copied->rows);
}

static int export_file(void *arg, int fd, const char *label, const struct inventory_entry *entry)
{
    struct export *export = arg;
    char table[NAME_FILE_MAX_BYTES + 1];
    struct segment_name name;
    struct copied copied;
    struct err err = {0};
    if (inventory_read_name(entry->file, &name) == INVENTORY_OTHER ||
        name_encode(name.table, table, sizeof table) != NAME_OK)
        snprintf(table, sizeof table, "%s", no_table);
    int rc = enter(export, entry->folder->db, table);
    if (rc)
        return rc;
    enum copy_of of = entry->is_landing                      ? COPY_LANDING
                      : entry->folder->queue == QUEUE_ACTIVE ? COPY_GROWING
                                                             : COPY_COMPLETE;
    rc = copy_segment(fd, export->dir, entry->file, export->is_joined, of, &copied, &err);
    if (rc && rc != -EEXIST)
        return err_set(&export->err, rc, "%s: %s", label, err.text);
    tell(export, label, entry->file, rc, &copied);
    return 0;
}

static int open_target(struct export *export)
{
    char absolute[PATH_MAX];
    const char *spool = export->cli->spool.path;
    size_t len = strlen(spool);
    if (!export->path)
        return err_set(&export->err, -EINVAL, "export: --to DIR is needed: where to?");
    export->root = open(export->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (export->root < 0)
        return err_set(&export->err, -EINVAL, "%s: cannot be opened as a directory: %s", export->path,
                       strerror(errno));
    if (realpath(export->path, absolute) && strncmp(absolute, spool, len) == 0 &&
        (!absolute[len] || absolute[len] == '/'))
        return err_set(&export->err, -EINVAL, "%s: is in the spool itself: give a directory elsewhere",
                       export->path);
    return 0;
}

static void print_sum(const struct export *export, uint64_t gone)
{
    char size[UNITS_TEXT_BYTES];
    if (!export->cli->is_json) {
        printf(
            "%llu files exported, %llu rows, %s; %llu there already, %llu refused, %llu with damaged parts left out, "
            "%llu gone meanwhile\n",
            (unsigned long long)export->files, (unsigned long long)export->rows,
            units_format_size((int64_t) export->bytes, size), (unsigned long long)export->present,
            (unsigned long long)export->refused, (unsigned long long)export->damaged,
            (unsigned long long)gone);
        return;
    }
    struct jsonline line;
    jsonline_begin(&line);
    jsonline_number(&line, "exported", (int64_t) export->files);
    jsonline_number(&line, "rows", (int64_t) export->rows);
    jsonline_number(&line, "bytes", (int64_t) export->bytes);
    jsonline_number(&line, "present", (int64_t) export->present);
    jsonline_number(&line, "refused", (int64_t) export->refused);
    jsonline_number(&line, "damaged", (int64_t) export->damaged);
    jsonline_number(&line, "gone", (int64_t)gone);
    jsonline_end(&line);
}

int cmd_export(struct cli *cli)
{
    static const struct selection_rules rules = {.queues = INVENTORY_ALL_QUEUES, .progress = "export"};
    struct export export = {.cli = cli,
                            .path = conf_text(cli->conf, CONF_TO),
                            .root = -1,
                            .dir = -1,
                            .is_joined = conf_flag(cli->conf, CONF_JOINED)};
    struct err err = {0};
    uint64_t gone = 0;
    int rc = open_target(&export);
    if (rc == 0)
        rc = selection_visit_all(cli, &rules, export_file, &export, &gone, &err);
    int left = leave(&export);
    rc = rc ? rc : left;
    if (export.root >= 0)
        close(export.root);
    if (rc < 0)
        return cli_fail(rc == -EINVAL ? EXIT_USAGE : EXIT_TROUBLE, "%s",
                        export.err.code ? export.err.text : err.text);
    print_sum(&export, gone);
    return export.refused || export.damaged ? EXIT_DAMAGED : EXIT_DONE;
}
