#include "common/spool/adopt_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/spool/arrivals.h"
#include "common/spool/lock.h"
#include "common/spool/names.h"
#include "common/spool/reader.h"
#include "common/spool/salvage.h"
#include "common/spool/writer.h"

static bool has_suffix(const char *text, const char *suffix)
{
    size_t len = strlen(text), end = strlen(suffix);
    return len > end && strcmp(text + len - end, suffix) == 0;
}

int adopt_leave(const struct adoption *a, const char *file, int rc, const char *operation)
{
    a->result->left++;
    log_warn("orphan-left", log_s("db", a->active.db), log_s("file", file), log_s("operation", operation),
             log_s("cause", strerror(-rc)), log_s("action", "the next start tries again"));
    return 0;
}

/* Open and lock. 0: it is ours to adopt. 1: it is not, and all is well. Negative errno: it is to be left. */
static int take(const struct adoption *a, const char *file, int *fd)
{
    struct stat st;
    *fd = openat(a->dir, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*fd < 0)
        return errno == ENOENT ? 1 : -errno;
    int rc = fstat(*fd, &st) != 0 ? -errno : S_ISREG(st.st_mode) ? lock_file(*fd, a->dir, file) : -EINVAL;
    if (rc == 0)
        return 0;
    close(*fd);
    return rc == -EWOULDBLOCK || rc == -ESTALE ? 1 : rc;
}

/* Read all of it. What a power cut or a failed sync took away must not be seen in memory as if it were there:
 * where durability was promised, the disk is asked. */
static int examine(const struct adoption *a, struct orphan *orphan, struct segment_head *head,
                   struct err *err)
{
    if (a->options->durable) {
        if (fdatasync(orphan->fd) != 0)
            return err_errno(err, -errno, "cannot be made durable");
        (void)posix_fadvise(orphan->fd, 0, 0, POSIX_FADV_DONTNEED);
    }
    return segment_read_summary(a->dir, orphan->file, &orphan->found, head, err);
}

static int cut_tail(const struct adoption *a, const struct orphan *orphan)
{
    if (orphan->found.tail_bytes == 0)
        return 0;
    if (ftruncate(orphan->fd, (off_t)orphan->found.valid_end) != 0)
        return -errno;
    crash_point("adopt:after-truncate");
    if (a->options->durable && fdatasync(orphan->fd) != 0)
        return -errno;
    a->result->torn_bytes += orphan->found.tail_bytes;
    return 0;
}

int adopt_quarantine(const struct adoption *a, const char *file, json_t *why)
{
    int rc = why ? spool_quarantine(a->spool, &a->active, file, why) : -ENOMEM;
    json_decref(why);
    if (rc)
        return adopt_leave(a, file, rc, "quarantine");
    a->result->quarantined++;
    log_warn("orphan-quarantined", log_s("db", a->active.db), log_s("file", file));
    return 0;
}

json_t *adopt_describe(const struct scan_summary *found, const char *reason)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:s}", "reason", reason, "valid_rows",
                     (json_int_t)found->rows, "valid_blocks", (json_int_t)found->blocks, "damaged_bytes",
                     (json_int_t)(found->damaged_bytes + found->tail_bytes), "damaged_ranges",
                     (json_int_t)(found->damaged_ranges + (found->tail_bytes > 0)), "damage_offset",
                     (json_int_t)found->damage_offset, "damage", member_status_word(found->damage_status));
}

int adopt_note_sealed(const struct adoption *a, const struct orphan *orphan)
{
    a->result->sealed++;
    a->result->rows += orphan->found.rows;
    log_info("adopted", log_s("db", a->active.db), log_s("file", orphan->file),
             log_u("rows", orphan->found.rows), log_u("torn_bytes", orphan->found.tail_bytes));
    return 0;
}

static int seal(const struct adoption *a, const struct orphan *orphan)
{
    int rc = cut_tail(a, orphan);
    if (rc)
        return adopt_leave(a, orphan->file, rc, "truncate");
    arrivals_note(a->spool, a->active.db, orphan->file, orphan->found.rows, orphan->found.raw_bytes);
    rc = spool_move(a->spool, &a->active, orphan->file, &a->sealed, a->options->durable);
    crash_point("adopt:after-rename");
    if (rc == -EEXIST)
        return adopt_quarantine(a, orphan->file,
                                adopt_describe(&orphan->found, "sealed/ has a segment of this name already"));
    return rc ? adopt_leave(a, orphan->file, rc, "rename") : adopt_note_sealed(a, orphan);
}

int adopt_remove(const struct adoption *a, const char *file, const char *reason)
{
    if (unlinkat(a->dir, file, 0) != 0)
        return adopt_leave(a, file, -errno, "unlink");
    crash_point("adopt:after-unlink");
    a->result->removed++;
    log_info("orphan-removed", log_s("db", a->active.db), log_s("file", file), log_s("reason", reason));
    return 0;
}

static int remove_empty(const struct adoption *a, const char *file)
{
    return adopt_remove(a, file, "no rows in it");
}

/* --- one file --------------------------------------------------------------------------------------- */

/* A file that has no valid member at all and yet is more than an interrupted first write, or a hole that a
 * power cut left: a human should see it. */
static bool is_mystery(const struct orphan *orphan)
{
    uint8_t start[MEMBER_PEEK_BYTES];
    if (orphan->found.heads + orphan->found.blocks > 0 || orphan->found.tail_bytes < sizeof start)
        return false;
    if (file_read_at(orphan->fd, start, sizeof start, 0) != 0)
        return true;
    for (size_t i = 0; i < sizeof start; i++)
        if (start[i])
            return true;
    return false;
}

int adopt_drop_copy(const struct adoption *a, const char *file)
{
    char copy[SPOOL_NAME_BYTES];
    salvage_name(file, copy);
    return unlinkat(a->dir, copy, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

static int adopt_rows(const struct adoption *a, struct orphan *orphan)
{
    struct err err;
    struct segment_name name;
    if (segment_name_parse(orphan->file, &name) != NAME_OK)
        return adopt_quarantine(a, orphan->file,
                                json_pack("{s:s}", "reason", "its name is not that of a segment"));
    int rc = examine(a, orphan, NULL, &err);
    if (rc)
        return adopt_leave(a, orphan->file, rc, "read");
    if (orphan->found.damaged_bytes == 0 && (rc = adopt_drop_copy(a, orphan->file)) != 0)
        return adopt_leave(a, orphan->file, rc, "unlink an unfinished copy");
    if (is_mystery(orphan))
        return adopt_quarantine(a, orphan->file, adopt_describe(&orphan->found, "no valid block in it"));
    if (orphan->found.rows == 0 && orphan->found.damaged_bytes == 0)
        return remove_empty(a, orphan->file);
    if (orphan->found.rows == 0)
        return adopt_quarantine(a, orphan->file,
                                adopt_describe(&orphan->found, "damaged, and no rows are left in it"));
    return orphan->found.damaged_bytes > 0 ? adopt_salvage(a, orphan) : seal(a, orphan);
}

/* Refused rows whose walwriter died: to quarantine, under their segment's name. A .why that is there already
 * is better. */
static int move_refused(const struct adoption *a, const struct orphan *orphan, const char *file)
{
    char name[SPOOL_NAME_BYTES + 8];
    struct spool_place place = spool_place(QUEUE_QUARANTINE, a->active.db);
    int to = spool_place_open(a->spool, &place, true);
    if (to < 0)
        return to;
    snprintf(name, sizeof name, "%s.why", file);
    int rc = 0;
    if (faccessat(to, name, F_OK, 0) != 0) {
        json_t *why =
            adopt_describe(&orphan->found, "rows that walwriter refused; it died before it could say more");
        rc = why ? spool_write_why(a->spool, a->active.db, file, why) : -ENOMEM;
        json_decref(why);
    }
    crash_point("adopt-refused:after-why");
    arrivals_note(a->spool, a->active.db, file, orphan->found.rows, orphan->found.raw_bytes);
    if (rc == 0 && renameat2(a->dir, orphan->file, to, file, RENAME_NOREPLACE) != 0)
        rc = -errno;
    crash_point("adopt-refused:after-rename");
    if (rc == 0)
        rc = file_sync_dir(to);
    close(to);
    return rc;
}

static int adopt_refused(const struct adoption *a, struct orphan *orphan)
{
    struct err err;
    char file[SPOOL_NAME_BYTES];
    snprintf(file, sizeof file, "%.*s", (int)(strlen(orphan->file) - strlen(WRITER_BAD_SUFFIX)),
             orphan->file);
    int rc = examine(a, orphan, NULL, &err);
    if (rc)
        return adopt_leave(a, orphan->file, rc, "read");
    if (orphan->found.rows == 0 && orphan->found.damaged_bytes == 0 && !is_mystery(orphan))
        return remove_empty(a, orphan->file);
    rc = adopt_drop_copy(a, orphan->file);
    if (rc == 0)
        rc = cut_tail(a, orphan);
    if (rc == 0)
        rc = move_refused(a, orphan, file);
    if (rc)
        return adopt_leave(a, orphan->file, rc, "move to quarantine");
    a->result->quarantined++;
    log_info("adopted-refused", log_s("db", a->active.db), log_s("file", file),
             log_u("rows", orphan->found.rows));
    return 0;
}

static bool has_original(const struct adoption *a, const char *file)
{
    static const char *const endings[] = {"", WRITER_BAD_SUFFIX, WRITER_PART_SUFFIX, WRITER_LANDING_SUFFIX};
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        char name[SPOOL_NAME_BYTES + 8];
        snprintf(name, sizeof name, "%s%s", file, endings[i]);
        if (faccessat(a->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
    }
    return false;
}

/* `.<file>.new`: complete if its original is gone, and rubbish beside it. */
static int adopt_copy(const struct adoption *a, struct orphan *orphan)
{
    struct err err;
    char file[SPOOL_NAME_BYTES];
    size_t prefix = strlen(SALVAGE_PREFIX), suffix = strlen(SALVAGE_SUFFIX);
    snprintf(file, sizeof file, "%.*s", (int)(strlen(orphan->file) - prefix - suffix), orphan->file + prefix);
    if (has_original(a, file))
        return 0; /* whoever adopts the original removes it or writes it anew */
    int rc = examine(a, orphan, NULL, &err);
    if (rc)
        return adopt_leave(a, orphan->file, rc, "read");
    if (orphan->found.rows == 0)
        return remove_empty(a, orphan->file);
    rc = cut_tail(a, orphan);
    if (rc == 0)
        rc = adopt_move_copy(a, file, &orphan->found);
    if (rc)
        return adopt_leave(a, orphan->file, rc, "rename the salvaged copy");
    a->result->salvaged++;
    return adopt_note_sealed(a, &(struct orphan){.file = file, .found = orphan->found});
}

typedef int adopter(const struct adoption *a, struct orphan *orphan);

static int adopt_file(const struct adoption *a, const char *file, adopter *adopt)
{
    struct orphan orphan = {.file = file};
    int rc = take(a, file, &orphan.fd);
    if (rc)
        return rc < 0 ? adopt_leave(a, file, rc, "open") : 0;
    rc = adopt(a, &orphan);
    close(orphan.fd);
    return rc;
}

/* A body that was being received when its receiver died: it was not answered, so nothing of it is kept. */
static int remove_part(const struct adoption *a, struct orphan *orphan)
{
    int rc = adopt_drop_copy(a, orphan->file);
    return rc ? adopt_leave(a, orphan->file, rc, "unlink an unfinished copy") : remove_empty(a, orphan->file);
}

/* --- all of them ------------------------------------------------------------------------------------ */

static bool is_to_be_left(const struct adoption *a, const char *file, adopter *adopt)
{
    const struct adopt_options *options = a->options;
    if (adopt == adopt_landing)
        return !options->takes_landings;
    if (options->is_owner)
        return options->is_own && options->is_own(options->arg, a->active.db, file);
    return lock_active_is_taken(a->spool);
}

static int adopt_original(const struct adoption *a, const char *file)
{
    static const struct {
        const char *suffix;
        adopter *adopt;
    } kinds[] = {{".gz", adopt_rows},
                 {".gz" WRITER_BAD_SUFFIX, adopt_refused},
                 {".gz" WRITER_PART_SUFFIX, remove_part},
                 {".gz" WRITER_LANDING_SUFFIX, adopt_landing}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (file[0] != '.' && has_suffix(file, kinds[i].suffix) && !is_to_be_left(a, file, kinds[i].adopt))
            return adopt_file(a, file, kinds[i].adopt);
    return 0;
}

/* Originals first: what becomes of them decides what a copy means. */
static int adopt_folder(struct adoption *a, const char *db_folder)
{
    struct names names = {0};
    a->active = spool_place(QUEUE_ACTIVE, db_folder);
    a->sealed = spool_place(QUEUE_SEALED, db_folder);
    a->dir = spool_place_open(a->spool, &a->active, false);
    if (a->dir < 0)
        return a->dir == -ENOENT || a->dir == -ENOTDIR ? 0
                                                       : adopt_leave(a, db_folder, a->dir, "open the folder");
    int rc = names_read(a->dir, &names);
    for (size_t i = 0; rc == 0 && i < names.count; i++)
        rc = adopt_original(a, names.list[i]);
    for (size_t i = 0; rc == 0 && i < names.count; i++)
        if (names.list[i][0] == '.' && has_suffix(names.list[i], ".gz" SALVAGE_SUFFIX))
            rc = adopt_file(a, names.list[i], adopt_copy);
    names_free(&names);
    close(a->dir);
    return rc;
}

int adopt_orphans(struct spool *spool, const struct adopt_options *options, struct adopt_result *result,
                  struct err *err)
{
    struct adoption adoption = {.spool = spool, .options = options, .result = result};
    struct names names = {0};
    *result = (struct adopt_result){0};
    int rc = names_read(spool->queues[QUEUE_ACTIVE], &names);
    for (size_t i = 0; rc == 0 && i < names.count; i++)
        if (names.list[i][0] != '.')
            rc = adopt_folder(&adoption, names.list[i]);
    names_free(&names);
    return rc ? err_errno(err, rc, "spool %s: active/ cannot be listed", spool->path) : 0;
}
