#include "diskguard/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "common/base/clock.h"
#include "common/base/log.h"

enum {
    DEPTH_MAX = 40,
    CHECK_EVERY = 256,
    ENTRIES_A_LOOK = 64, /* entries between two looks at the clock */
    RACY_MS = 50, /* a directory changed this shortly before it was read may have changed again within one
                     tick of the clock that stamps it */
};

/* What is remembered of a directory. Its number is in its entry in `files`. */
struct dir_record {
    bool is_used;
    bool is_constant; /* nothing but complete files was in it, and it was not changing when it was read */
    struct timespec mtime, ctime;
    uint32_t read_in, skipped_in; /* numbers of scans */
};

/* An open directory of the walk. */
struct level {
    DIR *stream;
    uint32_t record;
    size_t db;
    enum area area;
    bool is_top;      /* the spool's own directory */
    bool is_queue;    /* of a queue: the directories in it are databases' */
    bool is_constant; /* so far */
};

struct scan {
    const struct spool *spool;
    struct files *files;
    struct dir_record *records;
    uint32_t records_end, records_capacity;
    uint32_t first_free; /* no free record is below */
    struct level levels[DEPTH_MAX];
    size_t depth;
    size_t next_queue; /* index into queue_order */
    bool is_begun, is_failed;
    dev_t device;
    struct scan_figures running, done;
    struct err failure;
};

static const enum spool_queue queue_order[QUEUE_COUNT] = {
    QUEUE_ACTIVE, QUEUE_INCOMING, QUEUE_SEALED, QUEUE_UPLOAD, QUEUE_TRANSFER, QUEUE_BATCH, QUEUE_QUARANTINE,
};

int scan_new(struct scan **out, const struct spool *spool, struct files *files)
{
    struct scan *scan = calloc(1, sizeof *scan);
    if (!scan)
        return -ENOMEM;
    scan->spool = spool;
    scan->files = files;
    *out = scan;
    return 0;
}

static void close_levels(struct scan *scan)
{
    while (scan->depth)
        closedir(scan->levels[--scan->depth].stream);
}

void scan_free(struct scan *scan)
{
    if (!scan)
        return;
    close_levels(scan);
    free(scan->records);
    free(scan);
}

static void fail(struct scan *scan, int rc, const char *what, const char *name)
{
    if (!scan->is_failed)
        err_errno(&scan->failure, rc, "spool %s: %s \"%s\"", scan->spool->path, what, name);
    scan->is_failed = true;
}

/* --- directories ---------------------------------------------------------------------------------------- */

static int add_record(struct scan *scan, uint32_t *number)
{
    while (scan->first_free < scan->records_end && scan->records[scan->first_free].is_used)
        scan->first_free++;
    *number = scan->first_free;
    if (*number < scan->records_end)
        return 0;
    if (scan->records_end == scan->records_capacity) {
        uint32_t capacity = scan->records_capacity ? scan->records_capacity * 2 : 64;
        struct dir_record *records = realloc(scan->records, capacity * sizeof *records);
        if (!records)
            return -ENOMEM;
        scan->records = records;
        scan->records_capacity = capacity;
    }
    scan->records_end++;
    return 0;
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool has_changed_lately(const struct stat *st)
{
    int64_t changed_ms = (int64_t)st->st_ctim.tv_sec * 1000 + st->st_ctim.tv_nsec / 1000000;
    int64_t age_ms = wall_now_ms() - changed_ms;
    return age_ms < RACY_MS; /* also when it lies in the future: the clock was set back */
}

static bool may_skip(const struct scan *scan, const struct dir_record *record, uint32_t number,
                     const struct stat *st)
{
    return record->is_constant && is_same_time(record->mtime, st->st_mtim) &&
           is_same_time(record->ctime, st->st_ctim) &&
           scan->files->scan + 1 - record->read_in < CHECK_EVERY + number % 16;
}

static int64_t allocated(const struct stat *st)
{
    return (int64_t)st->st_blocks * 512;
}

/* Count the directory itself, and find or make its record. */
static int see_dir(struct scan *scan, const struct stat *st, const struct level *level, bool is_db_folder,
                   uint32_t *number)
{
    const struct file_entry *known = files_find(scan->files, st->st_ino);
    if (known && known->is_dir) {
        *number = known->dir;
    } else {
        int rc = add_record(scan, number);
        if (rc)
            return rc;
        scan->records[*number] = (struct dir_record){.is_used = true};
    }
    const struct file_entry now = {.inode = st->st_ino,
                                   .bytes = allocated(st),
                                   .dir = *number,
                                   .db = (unsigned)level->db & 0x1ffff,
                                   .area = (unsigned)level->area & 15,
                                   .is_dir = 1,
                                   .is_db_folder = is_db_folder};
    return files_see(scan->files, &now);
}

static void push(struct scan *scan, int parent, const char *name, const struct level *like,
                 const struct stat *st)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        int rc = -errno;
        if (fd >= 0)
            close(fd);
        if (rc == -EACCES) /* a stranger's: it counts, what is in it cannot be known */
            log_warn("directory-unreadable", log_s("directory", name), log_s("cause", strerror(-rc)));
        else if (rc != -ENOENT && rc != -ENOTDIR)
            fail(scan, rc, "cannot open directory", name);
        return;
    }
    struct dir_record *record = &scan->records[like->record];
    record->mtime = st->st_mtim;
    record->ctime = st->st_ctim;
    record->read_in = scan->files->scan + 1;
    record->is_constant = false; /* until it has been read to its end */
    struct level *level = &scan->levels[scan->depth++];
    *level = *like;
    level->stream = stream;
    level->is_constant = level->is_constant && !has_changed_lately(st);
}

/* Look at a directory; go into it when there may be something new. `level` says what it is. */
static void visit_dir(struct scan *scan, int parent, const char *name, struct level level, bool is_db_folder)
{
    struct stat st;
    scan->running.stats++;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT)
            fail(scan, -errno, "cannot stat", name);
        return;
    }
    if (!S_ISDIR(st.st_mode))
        return; /* changed its kind just now: the next scan sees it */
    if (level.is_top)
        scan->device = st.st_dev;
    if (st.st_dev != scan->device) {
        log_warn("directory-not-counted", log_s("directory", name),
                 log_s("cause", "another file system is mounted there"));
        return;
    }
    int rc = see_dir(scan, &st, &level, is_db_folder, &level.record);
    if (rc) {
        fail(scan, rc, "cannot remember directory", name);
        return;
    }
    struct dir_record *record = &scan->records[level.record];
    if (may_skip(scan, record, level.record, &st)) {
        record->skipped_in = scan->files->scan + 1;
        scan->running.dirs_skipped++;
    } else if (scan->depth == DEPTH_MAX) {
        log_warn("directory-too-deep", log_s("directory", name), log_n("depth", DEPTH_MAX));
    } else {
        push(scan, parent, name, &level, &st);
    }
}

static bool is_mutable(enum area area)
{
    return area == (enum area)QUEUE_ACTIVE || area == (enum area)QUEUE_INCOMING || area >= AREA_STATE;
}

/* A directory that the walk came upon in another. */
static void visit_child(struct scan *scan, const struct level *parent, const char *name)
{
    struct level level = {.area = parent->area, .db = parent->db, .is_constant = !is_mutable(parent->area)};
    if (parent->is_top) {
        enum spool_queue queue;
        if (spool_queue_parse(name, &queue) == 0)
            return; /* has its place in the order */
        level.area = strcmp(name, "state") == 0 ? AREA_STATE
                     : strcmp(name, "run") == 0 ? AREA_RUN
                                                : AREA_OTHER;
        level.is_constant = false;
    } else if (parent->is_queue) {
        int rc = databases_index(scan->files->databases, name, &level.db);
        if (rc == -ENOMEM)
            fail(scan, rc, "cannot remember database", name);
        /* More databases than are told apart (-ENOSPC): still counted, as nobody's. */
        visit_dir(scan, dirfd(parent->stream), name, level, rc == 0);
        return;
    }
    visit_dir(scan, dirfd(parent->stream), name, level, false);
}

/* --- files ------------------------------------------------------------------------------------------------
 */

static bool has_suffix(const char *name, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);
    return len > n && memcmp(name + len - n, suffix, n) == 0;
}

static bool is_to_check(const struct scan *scan, uint64_t inode)
{
    return (inode * UINT64_C(0x9E3779B97F4A7C15) >> 32) % CHECK_EVERY == scan->files->scan % CHECK_EVERY;
}

static void forget(void *arg, uint32_t dir)
{
    struct scan *scan = arg;
    scan->records[dir] = (struct dir_record){0};
    if (dir < scan->first_free)
        scan->first_free = dir;
}

static void see_file(struct scan *scan, const struct file_entry *now, const char *name)
{
    const struct file_entry *before = files_find(scan->files, now->inode);
    if (before && before->is_dir) /* the inode was a directory's, which is gone */
        forget(scan, before->dir);
    int rc = files_see(scan->files, now);
    if (rc)
        fail(scan, rc, "cannot remember file", name);
}

/* `inode` is the directory's word for it: it is the key also where stat has another (overlay file systems).
 */
static void visit_file(struct scan *scan, struct level *level, const char *name, uint64_t inode)
{
    size_t len = strlen(name);
    bool is_segment = level->area < AREA_STATE && has_suffix(name, len, ".gz");
    bool is_constant = !is_mutable(level->area) && (is_segment || has_suffix(name, len, ".why"));
    struct file_entry now = {.inode = inode,
                             .name = (uint32_t)XXH3_64bits(name, len),
                             .dir = level->record,
                             .db = (unsigned)level->db & 0x1ffff,
                             .area = (unsigned)level->area & 15,
                             .is_segment = is_segment,
                             .is_constant = is_constant};
    level->is_constant = level->is_constant && is_constant;
    struct file_entry *known = is_constant ? files_find(scan->files, inode) : NULL;
    if (known && known->is_constant && known->name == now.name && !is_to_check(scan, inode)) {
        files_see_again(scan->files, known, &now);
        return;
    }
    struct stat st;
    scan->running.stats++;
    if (fstatat(dirfd(level->stream), name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        now.bytes = allocated(&st);
        see_file(scan, &now, name);
    } else if (errno != ENOENT) {
        fail(scan, -errno, "cannot stat", name);
    }
}

/* --- the walk ------------------------------------------------------------------------------------------- */

static bool is_directory(const struct level *level, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(dirfd(level->stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool is_dots(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static void end_level(struct scan *scan)
{
    struct level *level = &scan->levels[--scan->depth];
    scan->records[level->record].is_constant = level->is_constant && !scan->is_failed;
    closedir(level->stream);
}

/* One entry of the directory at hand. */
static void take_entry(struct scan *scan)
{
    struct level *level = &scan->levels[scan->depth - 1];
    errno = 0;
    const struct dirent *entry = readdir(level->stream);
    if (!entry) {
        if (errno)
            fail(scan, -errno, "cannot read a directory of queue", area_name(level->area));
        end_level(scan);
        return;
    }
    if (is_dots(entry->d_name))
        return;
    scan->running.entries++;
    if (!is_directory(level, entry)) {
        visit_file(scan, level, entry->d_name, entry->d_ino);
        return;
    }
    level->is_constant = false; /* the time of a directory says nothing of those below it */
    visit_child(scan, level, entry->d_name);
}

void scan_begin(struct scan *scan)
{
    close_levels(scan);
    scan->next_queue = 0;
    scan->is_failed = false;
    scan->is_begun = true;
    scan->running = (struct scan_figures){0};
    visit_dir(scan, scan->spool->fd, ".", (struct level){.area = AREA_OTHER, .is_top = true}, false);
}

static bool next_queue(struct scan *scan)
{
    if (scan->next_queue == QUEUE_COUNT)
        return false;
    enum spool_queue queue = queue_order[scan->next_queue++];
    visit_dir(scan, scan->spool->fd, spool_queue_name(queue),
              (struct level){.area = (enum area)queue, .is_queue = true}, false);
    return true;
}

static int64_t now_us(void)
{
    return mono_now().ns / 1000;
}

enum scan_result scan_run(struct scan *scan, int64_t slice_us, struct err *err)
{
    int64_t start_us = now_us(), spent_us = 0;
    bool is_more = true;
    while (is_more && !scan->is_failed && (spent_us = now_us() - start_us) < slice_us) {
        for (int i = 0; i < ENTRIES_A_LOOK && is_more && !scan->is_failed; i++) {
            if (scan->depth)
                take_entry(scan);
            else
                is_more = next_queue(scan);
        }
    }
    scan->running.spent_us += now_us() - start_us;
    if (scan->is_failed) {
        close_levels(scan);
        if (err)
            *err = scan->failure;
        return SCAN_FAILED;
    }
    if (is_more)
        return SCAN_GOING;
    scan->done = scan->running;
    return SCAN_DONE;
}

static bool is_skipped(const void *arg, uint32_t dir)
{
    const struct scan *scan = arg;
    return dir < scan->records_end && scan->records[dir].is_used &&
           scan->records[dir].skipped_in == scan->files->scan;
}

struct files_dirs scan_dirs(struct scan *scan)
{
    return (struct files_dirs){.is_skipped = is_skipped, .forget = forget, .arg = scan};
}

struct scan_figures scan_figures(const struct scan *scan)
{
    return scan->done;
}
