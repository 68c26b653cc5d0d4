#include "common/spool/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/control/lease.h"
#include "common/segment/flake.h"
#include "common/spool/lock.h"
#include "common/spool/names.h"
#include "common/spool/origin.h"
#include "common/spool/place.h"
#include "common/spool/reader.h"
#include "common/spool/salvage.h"
#include "common/spool/writer.h"

struct adoption {
    struct spool *spool;
    const struct adopt_options *options;
    struct adopt_result *result;
    struct spool_place active, sealed; /* of the database in hand */
    int dir;                           /* its folder in active/ */
};

/* One file of active/, open and locked by us. */
struct orphan {
    const char *file;
    int fd;
    struct scan_summary found;
};

static bool has_suffix(const char *text, const char *suffix)
{
    size_t len = strlen(text), end = strlen(suffix);
    return len > end && strcmp(text + len - end, suffix) == 0;
}

/* It stays where it is, for the next start. */
static int leave(const struct adoption *a, const char *file, int rc, const char *operation)
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

static int quarantine(const struct adoption *a, const char *file, json_t *why)
{
    int rc = why ? spool_quarantine(a->spool, &a->active, file, why) : -ENOMEM;
    json_decref(why);
    if (rc)
        return leave(a, file, rc, "quarantine");
    a->result->quarantined++;
    log_warn("orphan-quarantined", log_s("db", a->active.db), log_s("file", file));
    return 0;
}

static json_t *describe(const struct scan_summary *found, const char *reason)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:s}", "reason", reason, "valid_rows",
                     (json_int_t)found->rows, "valid_blocks", (json_int_t)found->blocks, "damaged_bytes",
                     (json_int_t)(found->damaged_bytes + found->tail_bytes), "damaged_ranges",
                     (json_int_t)(found->damaged_ranges + (found->tail_bytes > 0)), "damage_offset",
                     (json_int_t)found->damage_offset, "damage", member_status_word(found->damage_status));
}

static int note_sealed(const struct adoption *a, const struct orphan *orphan)
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
        return leave(a, orphan->file, rc, "truncate");
    rc = spool_move(a->spool, &a->active, orphan->file, &a->sealed, a->options->durable);
    crash_point("adopt:after-rename");
    if (rc == -EEXIST)
        return quarantine(a, orphan->file,
                          describe(&orphan->found, "sealed/ has a segment of this name already"));
    return rc ? leave(a, orphan->file, rc, "rename") : note_sealed(a, orphan);
}

static int remove_empty(const struct adoption *a, const char *file)
{
    if (unlinkat(a->dir, file, 0) != 0)
        return leave(a, file, -errno, "unlink");
    crash_point("adopt:after-unlink");
    a->result->removed++;
    log_info("orphan-removed", log_s("db", a->active.db), log_s("file", file),
             log_s("reason", "no rows in it"));
    return 0;
}

/* --- damage -------------------------------------------------------------------------------------- */

/* A head for a copy whose original has lost its own: what the file's name tells. The schema's text is gone,
 * its hash stays in the file's name. */
static int encode_lost_head(const struct adoption *a, const char *file, uint8_t *head, size_t *bytes)
{
    char db[NAME_FILE_MAX_BYTES + 1];
    struct segment_name name;
    struct segment_origin origin;
    struct err err;
    if (segment_name_parse(file, &name) != NAME_OK ||
        name_decode(a->active.db, strlen(a->active.db), db, sizeof db))
        return -EINVAL;
    int rc = origin_init(&origin, db, name.table, NULL, name.format, "", &err);
    if (rc)
        return rc;
    rc = origin_encode_head(&origin, name.id, head, bytes);
    origin_fini(&origin);
    return rc;
}

/* Room for the copy: the only thing in adoption that takes more than it gives. */
static int take_room(const struct adoption *a, int64_t bytes, struct lease **lease, struct err *err)
{
    char db[NAME_FILE_MAX_BYTES + 1];
    if (name_decode(a->active.db, strlen(a->active.db), db, sizeof db) != NAME_OK)
        return err_set(err, -EINVAL, "the folder's name is not that of a database");
    int rc = lease_open(lease, a->spool, db, a->options->guarded, err);
    if (rc)
        return rc;
    rc = lease_take(*lease, lease_cost(bytes) + WRITER_SEAL_BYTES, err);
    if (rc) {
        lease_close(*lease);
        *lease = NULL;
    }
    return rc;
}

static int copy_valid(const struct adoption *a, const struct orphan *orphan, struct scan_summary *copied)
{
    struct err err;
    struct stat st;
    int copy;
    size_t head_bytes;
    struct lease *lease = NULL;
    uint8_t *head = malloc(ORIGIN_HEAD_MAX);
    int rc = head ? encode_lost_head(a, orphan->file, head, &head_bytes) : -ENOMEM;
    if (rc == 0)
        rc = take_room(a, (int64_t)(orphan->found.valid_bytes + head_bytes), &lease, &err);
    if (rc == 0)
        rc = salvage_copy(a->dir, orphan->file, orphan->fd, head, head_bytes, &copy, copied, &err);
    if (rc == 0) {
        if (fstat(copy, &st) == 0)
            lease_use(lease, (int64_t)st.st_blocks * 512);
    }
    lease_close(lease);
    free(head);
    return rc ? rc : copy;
}

/* The last step of a salvage: the complete copy, whose original is in quarantine, goes to sealed/. */
static int move_copy(const struct adoption *a, const char *file)
{
    char copy[SPOOL_NAME_BYTES];
    salvage_name(file, copy);
    int to = spool_place_open(a->spool, &a->sealed, true);
    if (to < 0)
        return to;
    int rc = renameat2(a->dir, copy, to, file, RENAME_NOREPLACE) == 0 ? 0 : -errno;
    crash_point("salvage:after-rename");
    if (rc == 0)
        rc = file_sync_dir(to);
    if (rc == 0)
        rc = file_sync_dir(a->dir);
    close(to);
    return rc;
}

static int salvage(const struct adoption *a, const struct orphan *orphan)
{
    struct scan_summary copied;
    int copy = copy_valid(a, orphan, &copied);
    if (copy < 0)
        return leave(a, orphan->file, copy, "salvage");
    json_t *why = describe(&orphan->found, "damaged");
    json_object_set_new(why, "salvaged",
                        json_string("its valid rows are in a segment of the same name that went to sealed/"));
    uint64_t quarantined = a->result->quarantined;
    int rc = quarantine(a, orphan->file, why);
    crash_point("salvage:after-quarantine");
    if (rc == 0 && a->result->quarantined > quarantined) {
        rc = move_copy(a, orphan->file);
        if (rc)
            rc = leave(a, orphan->file, rc, "rename the salvaged copy");
        else
            rc = note_sealed(a, &(struct orphan){.file = orphan->file, .found = copied});
        a->result->salvaged += rc == 0;
    }
    close(copy);
    return rc;
}

/* --- one file ------------------------------------------------------------------------------------ */

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

/* A copy that was not finished is rubbish as long as the original is here; it must not outlive it. */
static int drop_unfinished_copy(const struct adoption *a, const char *file)
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
        return quarantine(a, orphan->file, json_pack("{s:s}", "reason", "its name is not that of a segment"));
    int rc = examine(a, orphan, NULL, &err);
    if (rc)
        return leave(a, orphan->file, rc, "read");
    if (orphan->found.damaged_bytes == 0 && (rc = drop_unfinished_copy(a, orphan->file)) != 0)
        return leave(a, orphan->file, rc, "unlink an unfinished copy");
    if (is_mystery(orphan))
        return quarantine(a, orphan->file, describe(&orphan->found, "no valid block in it"));
    if (orphan->found.rows == 0 && orphan->found.damaged_bytes == 0)
        return remove_empty(a, orphan->file);
    if (orphan->found.rows == 0)
        return quarantine(a, orphan->file, describe(&orphan->found, "damaged, and no rows are left in it"));
    return orphan->found.damaged_bytes > 0 ? salvage(a, orphan) : seal(a, orphan);
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
            describe(&orphan->found, "rows that walwriter refused; it died before it could say more");
        rc = why ? spool_write_why(a->spool, a->active.db, file, why) : -ENOMEM;
        json_decref(why);
    }
    crash_point("adopt-refused:after-why");
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
        return leave(a, orphan->file, rc, "read");
    if (orphan->found.rows == 0 && orphan->found.damaged_bytes == 0 && !is_mystery(orphan))
        return remove_empty(a, orphan->file);
    rc = drop_unfinished_copy(a, orphan->file);
    if (rc == 0)
        rc = cut_tail(a, orphan);
    if (rc == 0)
        rc = move_refused(a, orphan, file);
    if (rc)
        return leave(a, orphan->file, rc, "move to quarantine");
    a->result->quarantined++;
    log_info("adopted-refused", log_s("db", a->active.db), log_s("file", file),
             log_u("rows", orphan->found.rows));
    return 0;
}

/* `.<file>.new`: complete if its original is gone, and rubbish beside it. */
static int adopt_copy(const struct adoption *a, struct orphan *orphan)
{
    struct err err;
    char file[SPOOL_NAME_BYTES];
    size_t prefix = strlen(SALVAGE_PREFIX), suffix = strlen(SALVAGE_SUFFIX);
    snprintf(file, sizeof file, "%.*s", (int)(strlen(orphan->file) - prefix - suffix), orphan->file + prefix);
    if (faccessat(a->dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0; /* whoever adopts the original removes it or writes it anew */
    int rc = examine(a, orphan, NULL, &err);
    if (rc)
        return leave(a, orphan->file, rc, "read");
    if (orphan->found.rows == 0)
        return remove_empty(a, orphan->file);
    rc = cut_tail(a, orphan);
    if (rc == 0)
        rc = move_copy(a, file);
    if (rc)
        return leave(a, orphan->file, rc, "rename the salvaged copy");
    a->result->salvaged++;
    return note_sealed(a, &(struct orphan){.file = file, .found = orphan->found});
}

static int adopt_file(const struct adoption *a, const char *file,
                      int (*adopt)(const struct adoption *, struct orphan *))
{
    struct orphan orphan = {.file = file};
    int rc = take(a, file, &orphan.fd);
    if (rc)
        return rc < 0 ? leave(a, file, rc, "open") : 0;
    rc = adopt(a, &orphan);
    close(orphan.fd);
    return rc;
}

/* --- all of them --------------------------------------------------------------------------------- */

/* Originals first: what becomes of them decides what a copy means. */
static int adopt_folder(struct adoption *a, const char *db_folder)
{
    struct names names = {0};
    a->active = spool_place(QUEUE_ACTIVE, db_folder);
    a->sealed = spool_place(QUEUE_SEALED, db_folder);
    a->dir = spool_place_open(a->spool, &a->active, false);
    if (a->dir < 0)
        return a->dir == -ENOENT || a->dir == -ENOTDIR ? 0 : leave(a, db_folder, a->dir, "open the folder");
    int rc = names_read(a->dir, &names);
    for (size_t i = 0; rc == 0 && i < names.count; i++) {
        if (names.list[i][0] != '.' && has_suffix(names.list[i], ".gz"))
            rc = adopt_file(a, names.list[i], adopt_rows);
        else if (names.list[i][0] != '.' && has_suffix(names.list[i], ".gz" WRITER_BAD_SUFFIX))
            rc = adopt_file(a, names.list[i], adopt_refused);
    }
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
