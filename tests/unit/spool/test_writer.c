/* The writer of a segment file: what is on disk after each success and each failure. Failures come from
 * wrapped calls. */
#include "tests/unit/spool/fixture.h"

#include <sys/file.h>
#include <sys/wait.h>

#include "common/base/crash.h"
#include "common/segment/flake.h"
#include "common/spool/writer_group.h"

/* --- faults: how many more calls succeed; -1: all of them ------------------------------------------- */

static struct {
    int pwrite, ftruncate, fdatasync, fsync, syncfs, lease, fallocate;
    size_t short_bytes; /* a pwrite that fails has written so much before */
} left;

static int64_t used_bytes, asked_bytes; /* of the lease: in all, and what was asked of it last */
static int fallocate_errno;

static bool fails(int *calls)
{
    return *calls >= 0 && (*calls)-- == 0;
}

ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    if (left.short_bytes > 0 && left.pwrite == 0) { /* a part now, the error next time */
        size_t part = left.short_bytes;
        left.short_bytes = 0;
        return __real_pwrite(fd, data, part, offset);
    }
    if (fails(&left.pwrite)) {
        errno = ENOSPC;
        return -1;
    }
    return __real_pwrite(fd, data, bytes, offset);
}

int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size)
{
    if (fails(&left.ftruncate)) {
        errno = EIO;
        return -1;
    }
    return __real_ftruncate(fd, size);
}

int __real_fallocate(int fd, int mode, off_t offset, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
    if (fails(&left.fallocate)) {
        errno = fallocate_errno;
        return -1;
    }
    return __real_fallocate(fd, mode, offset, bytes);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    if (fails(&left.fdatasync)) {
        errno = EIO;
        return -1;
    }
    return __real_fdatasync(fd);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    if (fails(&left.fsync)) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

int __wrap_lease_take(struct lease *lease, int64_t bytes, struct err *err);
int __wrap_lease_take(struct lease *lease, int64_t bytes, struct err *err)
{
    (void)lease;
    assert_true(bytes >= WRITER_SEAL_BYTES);
    asked_bytes = bytes;
    return fails(&left.lease) ? err_set(err, -EDQUOT, "full") : 0;
}

int __wrap_lease_take_file(struct lease *lease, int64_t bytes, struct err *err);
int __wrap_lease_take_file(struct lease *lease, int64_t bytes, struct err *err)
{
    return __wrap_lease_take(lease, bytes, err);
}

void __wrap_lease_use_file(struct lease *lease);
void __wrap_lease_use_file(struct lease *lease)
{
    (void)lease;
}

int __real_syncfs(int fd);
int __wrap_syncfs(int fd);
int __wrap_syncfs(int fd)
{
    if (fails(&left.syncfs)) {
        errno = EIO;
        return -1;
    }
    return __real_syncfs(fd);
}

void __wrap_lease_use(struct lease *lease, int64_t bytes);
void __wrap_lease_use(struct lease *lease, int64_t bytes)
{
    (void)lease;
    used_bytes += bytes;
}

static int setup(void **state)
{
    left.pwrite = left.ftruncate = left.fdatasync = left.fsync = left.syncfs = left.lease = left.fallocate =
        -1;
    left.short_bytes = 0;
    used_bytes = 0;
    return fixture_setup(state);
}

static int64_t disk_bytes;

static int add_blocks(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)type;
    /* What was there before the writer came is not its doing: the queues' folders, state/. */
    if (where->level > 1 && !strstr(path, "/state/"))
        disk_bytes += (int64_t)st->st_blocks * 512;
    return 0;
}

/* The lease was told exactly what is on disk. */
static void check_account(struct fixture *f)
{
    disk_bytes = 0;
    nftw(f->path, add_blocks, 16, FTW_PHYS);
    assert_int_equal(used_bytes, disk_bytes);
}

static struct writer create(struct fixture *f, enum writer_fate fate)
{
    struct writer w;
    struct err err;
    assert_int_equal(writer_create(&w, &f->spool, f->lease, &f->origin, fate, &err), 0);
    return w;
}

/* --- tests ------------------------------------------------------------------------------------------ */

static void seals_what_was_appended(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct writer w = create(f, WRITER_ROWS);
    check_account(f);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(append_block(f, &w, 0, 1000), 0);
    check_account(f);
    assert_int_equal(writer_sync(&w, &err), 0);
    assert_int_equal(w.synced_bytes, w.size_bytes);
    assert_int_equal(writer_seal(&w, true, NULL, &err), 0);
    assert_false(writer_is_open(&w));
    struct scan_summary found = summary_of(f, QUEUE_SEALED);
    assert_int_equal(found.rows, 10000);
    assert_int_equal(found.heads, 1);
    assert_int_equal(found.damaged_bytes + found.tail_bytes, 0);
    check_account(f);
}

static bool is_locked(struct fixture *f, const struct writer *w)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/active/%s/%s", f->path, f->origin.db_folder, w->file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    bool locked = flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return locked;
}

static void is_locked_while_open(void **state)
{
    struct fixture *f = *state;
    struct writer w = create(f, WRITER_ROWS);
    assert_true(is_locked(f, &w));
    writer_abandon(&w);
    assert_false(is_locked(f, &w));
}

static void a_short_write_is_cut_back(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct writer w = create(f, WRITER_ROWS);
    assert_int_equal(append_block(f, &w, 0, 1000), 0);
    uint64_t size = w.size_bytes;
    left.pwrite = 0;
    left.short_bytes = 100;
    assert_int_equal(append_block(f, &w, 1000, 1000), -ENOSPC);
    assert_true(writer_is_full(-ENOSPC));
    assert_int_equal(w.size_bytes, size);
    struct scan_summary found = summary_of(f, QUEUE_ACTIVE);
    assert_int_equal(found.tail_bytes, 0);
    check_account(f);
    assert_int_equal(append_block(f, &w, 1000, 1000), 0);
    assert_int_equal(writer_seal(&w, false, NULL, &err), 0);
    assert_int_equal(summary_of(f, QUEUE_SEALED).rows, 2000);
    check_account(f);
}

static void what_is_expected_has_its_room(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct writer w = create(f, WRITER_ROWS);
    assert_int_equal(writer_expect(&w, 4096, &err), 0);
    assert_true(asked_bytes >= 4096 + WRITER_SEAL_BYTES);
    check_account(f);
    struct stat before, after;
    assert_int_equal(fstat(w.fd, &before), 0);
    assert_int_equal(before.st_size, w.size_bytes); /* nobody reads what is not written */
    assert_int_equal(append_block(f, &w, 0, 10), 0);
    assert_int_equal(asked_bytes, WRITER_SEAL_BYTES); /* nothing for bytes that are there */
    assert_int_equal(fstat(w.fd, &after), 0);
    assert_int_equal(after.st_blocks, before.st_blocks);
    check_account(f);
    for (unsigned i = 1; i < 10; i++)
        assert_int_equal(append_block(f, &w, 0, 1000), 0);
    assert_true(asked_bytes > WRITER_SEAL_BYTES); /* and again for what is beyond */
    check_account(f);
    assert_int_equal(writer_seal(&w, true, NULL, &err), 0);
    assert_int_equal(summary_of(f, QUEUE_SEALED).rows, 9010);
    check_account(f);
}

static void room_that_is_expected_in_vain_is_given_back(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct writer w = create(f, WRITER_ROWS);
    int64_t used = used_bytes;
    assert_int_equal(append_block(f, &w, 0, 10), 0);
    assert_int_equal(writer_expect(&w, 1 << 20, &err), 0);
    assert_true(used_bytes >= used + (1 << 20));
    left.pwrite = 0;
    left.short_bytes = 100;
    assert_int_equal(append_block(f, &w, 10, 10), -ENOSPC);
    assert_true(used_bytes < used + (1 << 20));
    check_account(f);
    left.pwrite = -1;
    assert_int_equal(append_block(f, &w, 10, 10), 0);
    assert_true(asked_bytes > WRITER_SEAL_BYTES);
    check_account(f);
    writer_discard(&w);
}

static void a_full_disk_is_known_before_the_first_byte(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct writer w = create(f, WRITER_ROWS);
    left.fallocate = 0;
    fallocate_errno = ENOSPC;
    int rc = writer_expect(&w, 1 << 20, &err);
    assert_true(writer_is_full(rc));
    left.lease = 0;
    assert_int_equal(writer_expect(&w, 1 << 20, &err), -EDQUOT);
    left.fallocate = 0;
    fallocate_errno = EOPNOTSUPP; /* then it is as it was without */
    assert_int_equal(writer_expect(&w, 1 << 20, &err), 0);
    assert_int_equal(append_block(f, &w, 0, 10), 0);
    assert_true(asked_bytes > WRITER_SEAL_BYTES);
    check_account(f);
    writer_discard(&w);
}

static void a_tail_that_cannot_be_cut_is_never_sealed(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct writer w = create(f, WRITER_ROWS);
    assert_int_equal(append_block(f, &w, 0, 1000), 0);
    left.pwrite = 0;
    left.short_bytes = 100;
    left.ftruncate = 0;
    assert_int_equal(append_block(f, &w, 1000, 1000), -ENOSPC);
    left.ftruncate = 0;
    assert_int_equal(append_block(f, &w, 1000, 1000), -EIO);
    left.ftruncate = 0;
    assert_int_equal(writer_seal(&w, false, NULL, &err), -EIO);
    assert_int_equal(summary_of(f, QUEUE_ACTIVE).tail_bytes, 100);
    /* The disk is well again: the tail goes first. */
    assert_int_equal(writer_seal(&w, false, NULL, &err), 0);
    assert_int_equal(summary_of(f, QUEUE_SEALED).rows, 1000);
}

static void without_a_lease_nothing_is_written(void **state)
{
    struct fixture *f = *state;
    struct writer w;
    struct err err;
    char name[SPOOL_NAME_BYTES];
    left.lease = 0;
    assert_int_equal(writer_create(&w, &f->spool, f->lease, &f->origin, WRITER_ROWS, &err), -EDQUOT);
    assert_false(writer_is_open(&w));
    assert_int_equal(files_in(f, QUEUE_ACTIVE, name), 0);
    check_account(f);
    w = create(f, WRITER_ROWS);
    left.lease = 0;
    assert_int_equal(append_block(f, &w, 0, 10), -EDQUOT);
    writer_discard(&w);
    assert_int_equal(files_in(f, QUEUE_ACTIVE, name), 0);
    check_account(f);
}

static void a_failed_sync_is_written_anew(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct stat before, after;
    struct writer w = create(f, WRITER_ROWS);
    assert_int_equal(append_block(f, &w, 0, 1000), 0);
    fstat(w.fd, &before);
    left.fdatasync = 0;
    assert_int_equal(writer_sync(&w, &err), 0);
    fstat(w.fd, &after);
    assert_int_not_equal(before.st_ino, after.st_ino);
    check_account(f);
    /* The new file is the segment: locked, under the old name, and it grows on. */
    assert_true(is_locked(f, &w));
    assert_int_equal(append_block(f, &w, 1000, 1000), 0);
    assert_int_equal(writer_seal(&w, true, NULL, &err), 0);
    assert_int_equal(summary_of(f, QUEUE_SEALED).rows, 2000);
}

static void when_that_fails_too_it_is_not_sealed(void **state)
{
    struct fixture *f = *state;
    struct err err;
    char name[SPOOL_NAME_BYTES];
    struct writer w = create(f, WRITER_ROWS);
    assert_int_equal(append_block(f, &w, 0, 1000), 0);
    left.fdatasync = left.fsync = 0;
    assert_int_equal(writer_sync(&w, &err), -EIO);
    assert_int_equal(writer_sync(&w, &err), -EIO);
    assert_int_equal(writer_seal(&w, true, NULL, &err), -EIO);
    assert_int_equal(append_block(f, &w, 1000, 1000), -EIO);
    writer_abandon(&w);
    assert_int_equal(files_in(f, QUEUE_SEALED, name), 0);
    assert_int_equal(summary_of(f, QUEUE_ACTIVE).rows, 1000);
    /* No second copy is left. */
    struct spool_place place = spool_place(QUEUE_ACTIVE, f->origin.db_folder);
    int dir = spool_place_open(&f->spool, &place, false);
    char copy[SPOOL_NAME_BYTES + 8];
    snprintf(copy, sizeof copy, ".%s.new", w.file);
    assert_int_equal(faccessat(dir, copy, F_OK, 0), -1);
    close(dir);
}

static void refused_rows_go_to_quarantine(void **state)
{
    struct fixture *f = *state;
    struct err err;
    char name[SPOOL_NAME_BYTES], path[1024];
    struct writer w = create(f, WRITER_REFUSED);
    assert_int_equal(files_in(f, QUEUE_ACTIVE, name), 0); /* no one takes it for a segment */
    assert_int_equal(append_block(f, &w, 0, 10), 0);
    json_t *why = json_pack("{s:s}", "reason", "test");
    assert_int_equal(writer_seal(&w, true, why, &err), 0);
    json_decref(why);
    assert_int_equal(summary_of(f, QUEUE_QUARANTINE).rows, 10);
    snprintf(path, sizeof path, "%s/quarantine/%s/%s.why", f->path, f->origin.db_folder, w.file);
    assert_int_equal(access(path, R_OK), 0);
    check_account(f);
}

/* The sync fails, the content is written anew, and the process dies when the new file has taken the place. */
static void a_crash_after_the_exchange_loses_nothing(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct err err;
        struct writer w = create(f, WRITER_ROWS);
        if (append_block(f, &w, 0, 1000) != 0)
            _exit(1);
        crash_at = "rewrite:after-rename";
        left.fdatasync = 0;
        _exit(writer_sync(&w, &err) != 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    struct adopt_result result;
    struct err err;
    const struct adopt_options options = {.durable = true};
    assert_int_equal(adopt_orphans(&f->spool, &options, &result, &err), 0);
    assert_int_equal(result.sealed, 1);
    assert_int_equal(summary_of(f, QUEUE_SEALED).rows, 1000);
}

static void what_is_rolled_back_is_gone(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct writer w = create(f, WRITER_ROWS);
    assert_int_equal(append_block(f, &w, 0, 1000), 0);
    struct writer_mark mark = writer_mark(&w);
    assert_int_equal(append_block(f, &w, 1000, 1000), 0);
    writer_rollback(&w, &mark);
    check_account(f);
    assert_int_equal(append_block(f, &w, 2000, 500), 0);
    assert_int_equal(writer_seal(&w, false, NULL, &err), 0);
    assert_int_equal(summary_of(f, QUEUE_SEALED).rows, 1500);
}

static void a_parked_file_goes_on_where_it_was(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct writer w = create(f, WRITER_ROWS);
    assert_int_equal(append_block(f, &w, 0, 1000), 0);
    assert_int_equal(writer_park(&w), 0);
    assert_true(writer_is_parked(&w) && !writer_is_open(&w));
    assert_false(is_locked(f, &w));
    assert_int_equal(writer_unpark(&w), 0);
    assert_true(is_locked(f, &w));
    assert_int_equal(append_block(f, &w, 1000, 1000), 0);
    check_account(f);
    assert_int_equal(writer_seal(&w, true, NULL, &err), 0);
    assert_int_equal(summary_of(f, QUEUE_SEALED).rows, 2000);
}

static void a_parked_file_that_is_not_as_it_was_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct adopt_result result;
    struct err err;
    const struct adopt_options options = {.durable = true};
    struct writer w = create(f, WRITER_ROWS);
    assert_int_equal(append_block(f, &w, 0, 1000), 0);
    assert_int_equal(writer_park(&w), 0);
    char path[1024];
    snprintf(path, sizeof path, "%s/active/%s/%s", f->path, f->origin.db_folder, w.file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0); /* an adopter is at it */
    struct writer later = w;
    assert_int_equal(writer_unpark(&w), -ESTALE);
    close(fd);
    assert_int_equal(adopt_orphans(&f->spool, &options, &result, &err), 0);
    assert_int_equal(writer_unpark(&later), -ESTALE);
    assert_false(writer_is_open(&later) || writer_is_parked(&later));
    assert_int_equal(summary_of(f, QUEUE_SEALED).rows, 1000);
}

enum { MANY = 40 };

static void check_redated(struct fixture *f, struct writer *w, uint64_t unix_ms)
{
    char name[SPOOL_NAME_BYTES], wanted[SPOOL_NAME_BYTES + 8];
    struct segment_name parsed;
    assert_int_equal(writer_redate(w, unix_ms, NULL), 0);
    assert_true(flake_unix_ms(w->id) == unix_ms);
    assert_int_equal(segment_name_parse(w->file, &parsed), NAME_OK);
    assert_true(parsed.id == w->id && strcmp(parsed.table, "T") == 0);
    snprintf(wanted, sizeof wanted, "%s%s", w->file, WRITER_LANDING_SUFFIX);
    assert_int_equal(files_in(f, QUEUE_ACTIVE, name), 1);
    assert_string_equal(name, wanted);
}

/* A power cut takes the count of such ids back: a name that is in upload/ is not given again. */
static void a_name_that_is_in_upload_is_not_given_again(void **state)
{
    struct fixture *f = *state;
    char name[SPOOL_NAME_BYTES];
    f->origin.since_ms = (uint64_t)wall_now_ms() - 90000;
    for (size_t i = 1; i <= 3; i++) {
        struct writer w;
        f->spool.ids->dated = 0;
        assert_int_equal(writer_create(&w, &f->spool, f->lease, &f->origin, WRITER_LANDING, NULL), 0);
        assert_int_equal(append_block(f, &w, 0, 1000), 0);
        f->spool.ids->dated = 0;
        assert_int_equal(writer_redate(&w, f->origin.since_ms - 1000, NULL), 0);
        assert_int_equal(writer_seal(&w, true, NULL, NULL), 0);
        assert_int_equal(files_in(f, QUEUE_UPLOAD, name), i);
    }
}

/* Older rows come: it is called after them from then on, with all that was in it. */
static void older_rows_make_it_older(void **state)
{
    struct fixture *f = *state;
    char name[SPOOL_NAME_BYTES];
    struct writer w;
    uint64_t now_ms = (uint64_t)wall_now_ms();
    f->origin.since_ms = now_ms - 1000;
    assert_int_equal(writer_create(&w, &f->spool, f->lease, &f->origin, WRITER_LANDING, NULL), 0);
    assert_int_equal(append_block(f, &w, 0, 1000), 0);
    assert_int_equal(writer_sync(&w, NULL), 0);
    check_redated(f, &w, now_ms - 1000);
    assert_true(writer_is_durable(&w));
    check_redated(f, &w, now_ms - 90000);
    assert_false(writer_is_durable(&w)); /* its name is not */
    assert_int_equal(append_block(f, &w, 1000, 1000), 0);
    assert_int_equal(writer_redate(&w, now_ms - 5000, NULL), 0); /* it is older than that */
    assert_int_equal(writer_redate(&w, now_ms + 5000, NULL), 0);
    check_redated(f, &w, now_ms - 90000);
    assert_int_equal(writer_seal(&w, true, NULL, NULL), 0);
    assert_int_equal(files_in(f, QUEUE_UPLOAD, name), 1);
    assert_string_equal(name, w.file);
    assert_int_equal(summary_of(f, QUEUE_UPLOAD).rows, 2000);
}

static void what_failed_is_not_renamed(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct writer w;
    char name[SPOOL_NAME_BYTES];
    f->origin.since_ms = (uint64_t)wall_now_ms();
    assert_int_equal(writer_create(&w, &f->spool, f->lease, &f->origin, WRITER_LANDING, NULL), 0);
    uint64_t id = w.id;
    w.has_failed = true;
    assert_int_equal(writer_redate(&w, f->origin.since_ms - 1000, &err), -EIO);
    w.has_failed = false;
    struct spool_place active = spool_place(QUEUE_ACTIVE, f->origin.db_folder);
    int dir = spool_place_open(&f->spool, &active, false);
    assert_int_equal(files_in(f, QUEUE_ACTIVE, name), 1);
    assert_int_equal(unlinkat(dir, name, 0), 0); /* somebody took it away */
    close(dir);
    assert_int_equal(writer_redate(&w, f->origin.since_ms - 1000, &err), -ENOENT);
    assert_true(w.id == id);
    writer_abandon(&w);
}

static void create_many(struct fixture *f, struct writer *writers, struct writer **list)
{
    for (unsigned i = 0; i < MANY; i++) {
        writers[i] = create(f, WRITER_ROWS);
        list[i] = &writers[i];
        assert_int_equal(append_block(f, &writers[i], i * 10, 10), 0);
    }
}

/* Few are synced one by one, many by syncfs, and when that fails one by one again; one of them is written
 * anew. */
static void many_are_made_durable_at_once(void **state)
{
    struct fixture *f = *state;
    static struct writer writers[MANY];
    struct writer *list[MANY];
    create_many(f, writers, list);
    assert_int_equal(writers_sync(list, 2), 0);
    assert_true(writer_is_durable(list[1]) && !writer_is_durable(list[2]));
    left.fdatasync = 0; /* must not be called */
    assert_int_equal(writers_sync(list, MANY), 0);
    assert_int_equal(left.fdatasync, 0);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(append_block(f, list[i], 0, 10), 0);
    left.syncfs = 0;
    assert_int_equal(writers_sync(list, MANY), 0); /* the first fdatasync fails: written anew */
    for (unsigned i = 0; i < MANY; i++) {
        assert_true(writer_is_durable(list[i]));
        assert_int_equal(append_block(f, list[i], 0, 10), 0);
    }
    left.syncfs = left.fdatasync = left.fsync = 0; /* and now that fails, too */
    assert_int_equal(writers_sync(list, MANY), 1);
    assert_true(list[0]->has_failed);
    for (unsigned i = 0; i < MANY; i++)
        writer_abandon(list[i]);
}

static void many_are_sealed_at_once(void **state)
{
    struct fixture *f = *state;
    static struct writer writers[MANY];
    struct writer *list[MANY];
    struct sealing sealing[MANY];
    char name[SPOOL_NAME_BYTES];
    create_many(f, writers, list);
    for (unsigned i = 0; i < MANY; i++)
        sealing[i] = (struct sealing){.writer = list[i]};
    assert_int_equal(writers_seal(sealing, 2, true), 0);
    left.syncfs = left.fdatasync = left.fsync = 0;
    assert_int_equal(writers_seal(sealing + 2, MANY - 2, true), 1);
    assert_int_equal(sealing[2].rc, -EIO);
    assert_int_equal(files_in(f, QUEUE_SEALED, name), MANY - 1);
    assert_int_equal(files_in(f, QUEUE_ACTIVE, name), 1);
    writer_abandon(list[2]);
    check_account(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(seals_what_was_appended, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(is_locked_while_open, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_short_write_is_cut_back, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_expected_has_its_room, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(room_that_is_expected_in_vain_is_given_back, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_known_before_the_first_byte, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_tail_that_cannot_be_cut_is_never_sealed, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(without_a_lease_nothing_is_written, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_failed_sync_is_written_anew, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(when_that_fails_too_it_is_not_sealed, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refused_rows_go_to_quarantine, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_crash_after_the_exchange_loses_nothing, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_rolled_back_is_gone, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_parked_file_goes_on_where_it_was, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_parked_file_that_is_not_as_it_was_is_left_alone, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_name_that_is_in_upload_is_not_given_again, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(older_rows_make_it_older, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_failed_is_not_renamed, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(many_are_made_durable_at_once, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(many_are_sealed_at_once, setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("spool/writer", tests, NULL, NULL);
}
