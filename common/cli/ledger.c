#include "common/cli/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/spool/place.h"

static const char ledger_name[] = "removed.jsonl";

int removal_finish(int dir, const struct removal *removal)
{
    struct stat st;
    int rc = 0;
    if (fstatat(dir, removal->file, &st, AT_SYMLINK_NOFOLLOW) != 0)
        rc = -errno;
    else if (st.st_ino != removal->inode ||
             st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec != removal->mtime_ns)
        return -ENOENT;
    else if (unlinkat(dir, removal->file, 0) != 0)
        rc = -errno;
    crash_point("rm:after-unlink");
    if (rc == 0 || rc == -ENOENT)
        why_drop(dir, removal->file, &removal->why);
    return rc;
}

/* --- what the last run left ------------------------------------------------------------------------- */

static int64_t number_of(const json_t *line, const char *key)
{
    return json_integer_value(json_object_get(line, key));
}

static void redo_line(void *arg, const json_t *line)
{
    const struct spool *spool = arg;
    const char *folder = json_string_value(json_object_get(line, "db"));
    const char *file = json_string_value(json_object_get(line, "file"));
    struct removal removal = {.inode = (ino_t)number_of(line, "inode"),
                              .mtime_ns = number_of(line, "mtime_ns"),
                              .why.inode = (ino_t)number_of(line, "why_inode")};
    if (!folder || !file || strchr(folder, '/') || strchr(file, '/'))
        return;
    snprintf(removal.folder, sizeof removal.folder, "%s", folder);
    snprintf(removal.file, sizeof removal.file, "%s", file);
    struct spool_place place = spool_place(QUEUE_QUARANTINE, removal.folder);
    int dir = spool_place_open(spool, &place, false);
    if (dir < 0)
        return;
    if (removal_finish(dir, &removal) == 0 && file_sync_dir(dir) != 0)
        (void)0; /* unlinked it is; the next run looks again */
    close(dir);
}

int ledger_open(struct ledger *ledger, const struct spool *spool, struct err *err)
{
    *ledger = (struct ledger){.spool = spool,
                              .journal = {.dir = spool->state,
                                          .name = ledger_name,
                                          .batch = LEDGER_BATCH,
                                          .crash_write = "rm:after-write",
                                          .crash_record = "rm:after-record"}};
    int rc = journal_open(&ledger->journal, redo_line, (void *)(uintptr_t)spool);
    return rc ? err_errno(err, rc, "spool %s: state/%s", spool->path, ledger_name) : 0;
}

void ledger_close(struct ledger *ledger)
{
    journal_close(&ledger->journal);
}

int ledger_append(struct ledger *ledger, const struct buf *lines)
{
    return journal_append(&ledger->journal, lines);
}
