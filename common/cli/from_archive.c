#include "common/cli/from_archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/crash.h"
#include "common/base/exit.h"
#include "common/base/file.h"
#include "common/base/journal.h"
#include "common/cli/inventory.h"
#include "common/cli/jsonline.h"
#include "common/cli/operator.h"
#include "common/cli/whole.h"
#include "common/segment/flake.h"
#include "common/spool/copy_lease.h"

enum { COPY_NAME_BYTES = 48, COPY_BYTES = 1 << 18 };

static const char journal_name[] = "restored.jsonl";
static const char copy_prefix[] = "restore-";

struct restoring {
    struct cli *cli;
    struct spool *spool;
    const char *dir;
    struct journal journal;
    struct whole whole;
    uint64_t done, rows, refused;
    struct err err;
    /* of the file at hand: */
    int folder; /* its directory in the archive */
    char db[SPOOL_NAME_BYTES];
};

/* --- the last steps, also after a crash ------------------------------------------------------------- */

static int enter_sealed(struct spool *spool, const char *db, const char *copy, const char *file)
{
    struct spool_place place = spool_place(QUEUE_SEALED, db);
    struct segment_name name;
    char as[SPOOL_NAME_BYTES];
    int dir = spool_place_open(spool, &place, true);
    int rc = dir < 0 ? dir : 0;
    snprintf(as, sizeof as, "%s", file);
    while (rc == 0 && renameat2(spool->state, copy, dir, as, RENAME_NOREPLACE) != 0) {
        rc = -errno;
        if (rc == -ENOENT) { /* it is there already, or went on */
            rc = 0;
            break;
        }
        if (rc == -EEXIST && segment_name_parse(file, &name) == NAME_OK) {
            name.id = spool_next_id_at(spool, flake_unix_ms(name.id)); /* as old as it was */
            rc = segment_name_build(&name, as) == NAME_OK ? 0 : -EINVAL;
        }
    }
    crash_point("restore:after-rename");
    if (rc == 0)
        rc = file_sync_dir(dir);
    if (dir >= 0)
        close(dir);
    return rc;
}

static int leave_archive(int folder, const char *name, ino_t inode, int64_t mtime_ns)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (st.st_ino != inode || st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec != mtime_ns)
        return 0; /* another one has its name */
    if (unlinkat(folder, name, 0) != 0)
        return -errno;
    crash_point("restore:after-unlink");
    return file_sync_dir(folder);
}

static bool is_component(const char *text)
{
    return text && *text && *text != '.' && !strchr(text, '/');
}

static const char *text_of(const json_t *line, const char *key)
{
    return json_string_value(json_object_get(line, key));
}

static void redo(void *arg, const json_t *line)
{
    struct restoring *restoring = arg;
    const char *db = text_of(line, "db"), *file = text_of(line, "file"), *copy = text_of(line, "copy");
    const char *archive = text_of(line, "archive"), *name = text_of(line, "name");
    char path[PATH_MAX];
    if (!is_component(db) || !is_component(file) || !is_component(copy) || !archive || !is_component(name))
        return;
    if (enter_sealed(restoring->spool, db, copy, file) != 0)
        return; /* the next run tries again */
    snprintf(path, sizeof path, "%s/%s", archive, db);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return;
    if (leave_archive(folder, name, (ino_t)json_integer_value(json_object_get(line, "inode")),
                      json_integer_value(json_object_get(line, "mtime_ns"))) != 0)
        cli_fail(0, "%s/%s: it is back in the spool, and cannot be removed: remove it by hand", path, name);
    close(folder);
}

/* Copies that no line speaks of: the run was killed before. */
static void sweep(const struct spool *spool)
{
    int fd = openat(spool->state, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (!list && fd >= 0)
        close(fd);
    for (struct dirent *entry; list && (entry = readdir(list));)
        if (strncmp(entry->d_name, copy_prefix, strlen(copy_prefix)) == 0)
            (void)unlinkat(fd, entry->d_name, 0);
    if (list)
        closedir(list);
}

/* --- one segment ------------------------------------------------------------------------------------ */

static int refuse(struct restoring *restoring, const char *name, const char *why)
{
    restoring->refused++;
    cli_fail(0, "%s/%s/%s: not requeued: %s", restoring->dir, restoring->db, name, why);
    return 0;
}

static int copy_bytes(int from, int to)
{
    char *chunk = malloc(COPY_BYTES);
    int rc = chunk ? 0 : -ENOMEM;
    for (off_t at = 0; rc == 0;) {
        ssize_t n = pread(from, chunk, COPY_BYTES, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            rc = n < 0 ? -errno : 0;
            break;
        }
        rc = file_write_all(to, chunk, (size_t)n);
        at += n;
    }
    free(chunk);
    return rc == 0 && fsync(to) != 0 ? -errno : rc;
}

/* A durable copy in state/, as whole as the original. */
static int make_copy(struct restoring *restoring, int from, const struct segment_name *name, const char *copy)
{
    struct spool *spool = restoring->spool;
    int to = openat(spool->state, copy, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    int rc = to < 0 ? -errno : copy_bytes(from, to);
    if (rc == 0)
        rc = whole_check(&restoring->whole, to, name, restoring->db, false);
    if (rc == 0 && *restoring->whole.fault)
        rc = -EIO;
    if (to >= 0)
        close(to);
    if (rc == 0)
        rc = file_sync_dir(spool->state);
    if (rc && to >= 0)
        (void)unlinkat(spool->state, copy, 0);
    crash_point("restore:after-copy");
    return rc;
}

static int record(struct restoring *restoring, const char *name, const char *file, const char *copy,
                  const struct stat *st)
{
    char time[WALL_TEXT_BYTES];
    struct segment_name parsed;
    struct buf lines;
    bool is_segment = segment_name_parse(file, &parsed) == NAME_OK;
    wall_format(wall_now_ms(), time);
    json_t *line =
        json_pack("{s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:I, s:I}", "v", 1, "time", time,
                  "db", restoring->db, "table", is_segment ? parsed.table : "", "file", file, "rows",
                  (json_int_t)restoring->whole.row_count, "raw_bytes", (json_int_t)restoring->whole.raw_bytes,
                  "bytes", (json_int_t)st->st_size, "archive", restoring->dir, "name", name, "copy", copy,
                  "inode", (json_int_t)st->st_ino, "mtime_ns",
                  (json_int_t)(st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec));
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    buf_init(&lines, JOURNAL_LINE_MAX + PATH_MAX);
    int rc = text ? buf_printf(&lines, "%s\n", text) : -ENOMEM;
    if (rc == 0)
        rc = journal_append(&restoring->journal, &lines);
    buf_fini(&lines);
    free(text);
    json_decref(line);
    return rc;
}

static int bring_back(struct restoring *restoring, int fd, const char *name,
                      const struct segment_name *parsed, const struct stat *st)
{
    char copy[COPY_NAME_BYTES], file[SPOOL_NAME_BYTES];
    struct copy_lease lease = {NULL};
    if (segment_name_build(parsed, file) != NAME_OK)
        return refuse(restoring, name, "its name is too long");
    snprintf(copy, sizeof copy, "%s%016llx.part", copy_prefix,
             (unsigned long long)spool_next_id(restoring->spool));
    int rc = copy_lease_take(&lease, restoring->spool, restoring->db, st->st_size, &restoring->err);
    if (rc)
        return rc;
    rc = make_copy(restoring, fd, parsed, copy);
    copy_lease_end(&lease, rc == 0 ? copy_lease_allocated(restoring->spool->state, copy) : 0);
    if (rc == 0)
        rc = record(restoring, name, file, copy, st);
    if (rc == 0)
        rc = enter_sealed(restoring->spool, restoring->db, copy, file);
    if (rc == 0)
        rc = leave_archive(restoring->folder, name, st->st_ino,
                           st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec);
    if (rc)
        return err_errno(&restoring->err, rc, "%s/%s/%s", restoring->dir, restoring->db, name);
    restoring->done++;
    restoring->rows += restoring->whole.row_count;
    if (!restoring->cli->is_json)
        printf("requeued  %s/%s/%s  %llu rows\n", restoring->dir, restoring->db, name,
               (unsigned long long)restoring->whole.row_count);
    return 0;
}

/* Do the words select it? None: everything. */
static bool is_selected(const struct cli *cli, const char *db, const struct segment_name *name)
{
    struct inventory_words words;
    struct err err;
    for (size_t i = 0; i < cli->word_count; i++)
        if (inventory_parse(cli->words[i], &words, &err) == 0 && strcmp(words.folder, db) == 0 &&
            (!words.filter.table || strcmp(words.filter.table, name->table) == 0))
            return true;
    return cli->word_count == 0;
}

static int restore_one(struct restoring *restoring, const char *name)
{
    struct segment_name parsed;
    struct stat st;
    if (inventory_read_name(name, &parsed) == INVENTORY_OTHER)
        return refuse(restoring, name, "its name is not that of a segment");
    if (!is_selected(restoring->cli, restoring->db, &parsed))
        return 0;
    int fd = openat(restoring->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return refuse(restoring, name, strerror(errno));
    int rc = fstat(fd, &st) == 0 ? whole_check(&restoring->whole, fd, &parsed, restoring->db, false) : -errno;
    if (rc)
        rc = refuse(restoring, name, strerror(-rc));
    else if (*restoring->whole.fault)
        rc = refuse(restoring, name, restoring->whole.fault);
    else
        rc = bring_back(restoring, fd, name, &parsed, &st);
    close(fd);
    return rc;
}

/* --- all of them ------------------------------------------------------------------------------------ */

static bool is_gz(const char *name)
{
    size_t len = strlen(name);
    return name[0] != '.' && len > 3 && strcmp(name + len - 3, ".gz") == 0;
}

static int restore_folder(struct restoring *restoring, int top, const char *folder)
{
    int rc = 0;
    snprintf(restoring->db, sizeof restoring->db, "%s", folder);
    restoring->folder = openat(top, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int fd = restoring->folder < 0 ? -1 : openat(restoring->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (!list && fd >= 0)
        close(fd);
    for (struct dirent *entry; rc == 0 && list && (entry = readdir(list));)
        if (is_gz(entry->d_name))
            rc = restore_one(restoring, entry->d_name);
    if (list)
        closedir(list);
    if (restoring->folder >= 0)
        close(restoring->folder);
    return rc;
}

static int restore_all(struct restoring *restoring)
{
    DIR *list = opendir(restoring->dir);
    int rc =
        list ? 0
             : err_errno(&restoring->err, -EINVAL, "--from-archive %s: %s", restoring->dir, strerror(errno));
    for (struct dirent *entry; rc == 0 && list && (entry = readdir(list));)
        if (entry->d_name[0] != '.')
            rc = restore_folder(restoring, dirfd(list), entry->d_name);
    if (list)
        closedir(list);
    return rc;
}

static void print_sum(const struct restoring *restoring)
{
    if (!restoring->cli->is_json) {
        printf("%llu segments requeued, %llu rows; %llu refused\n", (unsigned long long)restoring->done,
               (unsigned long long)restoring->rows, (unsigned long long)restoring->refused);
        return;
    }
    struct jsonline line;
    jsonline_begin(&line);
    jsonline_number(&line, "requeued", (int64_t)restoring->done);
    jsonline_number(&line, "rows", (int64_t)restoring->rows);
    jsonline_number(&line, "refused", (int64_t)restoring->refused);
    jsonline_end(&line);
}

int requeue_from_archive(struct cli *cli, const char *dir)
{
    char real[PATH_MAX];
    struct ledger ledger = LEDGER_CLOSED;
    struct restoring restoring = {.cli = cli, .spool = &cli->spool, .dir = real};
    restoring.journal = (struct journal){.dir = cli->spool.state,
                                         .name = journal_name,
                                         .batch = 4, /* one at a time; lines may be longer than most */
                                         .crash_write = "restore:after-write",
                                         .crash_record = "restore:after-record",
                                         .fd = -1};
    if (!realpath(dir, real))
        return cli_fail(EXIT_USAGE, "--from-archive %s: %s", dir, strerror(errno));
    int rc = whole_init(&restoring.whole);
    if (rc == 0)
        rc = operator_begin(cli, &ledger, &restoring.err);
    if (rc == 0 && (rc = journal_open(&restoring.journal, redo, &restoring)) != 0)
        err_errno(&restoring.err, rc, "state/%s", journal_name);
    if (rc == 0) {
        sweep(&cli->spool);
        rc = restore_all(&restoring);
    }
    journal_close(&restoring.journal);
    ledger_close(&ledger);
    whole_fini(&restoring.whole);
    if (rc == 0 || restoring.done > 0)
        print_sum(&restoring);
    if (rc == -EDQUOT || rc == -ENOTCONN)
        return cli_fail(EXIT_AGAIN, "%s: the rest stays in the archive: run it again when there is room",
                        restoring.err.text);
    if (rc)
        return operator_fail(rc, &restoring.err);
    return restoring.refused ? EXIT_DAMAGED : EXIT_DONE;
}
