#include "diskguard/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "diskguard/dirs.h"
#include "diskguard/listing.h"

enum {
    DEPTH_MAX = 40,
    ENTRIES_A_LOOK = 64,     /* entries between two looks at the clock */
    SECOND_LOOKS = 4096,     /* of files that were young, in one scan */
    INLINE_BYTES = 4 * 4096, /* so much needs no index: ext4 keeps four extents in the inode */
};

/* An open directory of the walk. */
struct level {
    struct listing listing;
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
    struct dirs dirs;
    unsigned age, second_looks;
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
        listing_close(&scan->levels[--scan->depth].listing);
}

void scan_free(struct scan *scan)
{
    if (!scan)
        return;
    close_levels(scan);
    dirs_fini(&scan->dirs);
    free(scan);
}

static void fail(struct scan *scan, int rc, const char *what, const char *name)
{
    if (!scan->is_failed)
        err_errno(&scan->failure, rc, "spool %s: %s \"%s\"", scan->spool->path, what, name);
    scan->is_failed = true;
}

/* --- directories ------------------------------------------------------------------------------------ */

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
        int rc = dirs_add(&scan->dirs, number);
        if (rc)
            return rc;
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
    struct listing listing;
    int rc = listing_open(&listing, parent, name);
    if (rc == -EACCES) /* a stranger's: it counts, what is in it cannot be known */
        log_warn("directory-unreadable", log_s("directory", name), log_s("cause", strerror(-rc)));
    else if (rc && rc != -ENOENT && rc != -ENOTDIR)
        fail(scan, rc, "cannot open directory", name);
    if (rc)
        return;
    dirs_note_read(&scan->dirs, like->record, st, scan->files->scan + 1);
    struct level *level = &scan->levels[scan->depth++];
    *level = *like;
    level->listing = listing;
    level->is_constant = level->is_constant && !dirs_has_changed_lately(st);
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
    if (dirs_may_skip(&scan->dirs, level.record, &st, scan->files->scan + 1, scan->age)) {
        scan->dirs.list[level.record].skipped_in = scan->files->scan + 1;
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
        visit_dir(scan, parent->listing.fd, name, level, rc == 0);
        return;
    }
    visit_dir(scan, parent->listing.fd, name, level, false);
}

/* --- files ------------------------------------------------------------------------------------------ */

static bool has_suffix(const char *name, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);
    return len > n && memcmp(name + len - n, suffix, n) == 0;
}

static bool is_to_check(const struct scan *scan, uint64_t inode)
{
    return (inode * UINT64_C(0x9E3779B97F4A7C15) >> 32) % CHECK_EVERY == scan->files->scan % CHECK_EVERY;
}

static void see_file(struct scan *scan, const struct file_entry *now, const char *name)
{
    const struct file_entry *before = files_find(scan->files, now->inode);
    if (before && before->is_dir) /* the inode was a directory's, which is gone */
        dirs_forget(&scan->dirs, before->dir);
    int rc = files_see(scan->files, now);
    if (rc)
        fail(scan, rc, "cannot remember file", name);
}

/* May a block be put beside it yet? */
static bool is_young(const struct stat *st)
{
    int64_t written_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
    return allocated(st) > INLINE_BYTES && wall_now_ms() - written_ms < AGE_MS;
}

/* Is it as it was when it was last looked at? */
static bool is_known(struct scan *scan, const struct file_entry *known, const struct file_entry *now)
{
    if (!known || !known->is_constant || known->name != now->name || is_to_check(scan, known->inode))
        return false;
    if (!known->is_young || !age_is_past(known->age, scan->age))
        return true;
    if (scan->second_looks == SECOND_LOOKS)
        return true;
    scan->second_looks++;
    return false;
}

/* Look at it itself. */
static void stat_file(struct scan *scan, const struct level *level, const char *name, struct file_entry *now)
{
    struct stat st;
    scan->running.stats++;
    if (fstatat(level->listing.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        now->bytes = allocated(&st);
        now->is_young = now->is_constant && is_young(&st);
        now->age = scan->age & 3;
        if (now->is_young)
            dirs_note_young(&scan->dirs, level->record, scan->age, scan->age);
        see_file(scan, now, name);
    } else if (errno != ENOENT) {
        fail(scan, -errno, "cannot stat", name);
    }
}

/* `inode` is the directory's word for it: it is the key also where stat has another (overlay file systems).
 */
static void visit_file(struct scan *scan, struct level *level, const char *name, uint64_t inode)
{
    size_t len = strlen(name);
    bool is_complete = has_suffix(name, len, ".gz");
    bool is_segment =
        level->area < AREA_STATE && name[0] != '.' && (is_complete || has_suffix(name, len, ".gz.bad"));
    bool is_constant = !is_mutable(level->area) && (is_complete || has_suffix(name, len, ".why"));
    struct file_entry now = {.inode = inode,
                             .name = (uint32_t)XXH3_64bits(name, len),
                             .dir = level->record,
                             .db = (unsigned)level->db & 0x1ffff,
                             .area = (unsigned)level->area & 15,
                             .is_segment = is_segment,
                             .is_constant = is_constant};
    level->is_constant = level->is_constant && is_constant;
    struct file_entry *known = is_constant ? files_find(scan->files, inode) : NULL;
    if (!is_known(scan, known, &now)) {
        stat_file(scan, level, name, &now);
        return;
    }
    files_see_again(scan->files, known, &now);
    if (known->is_young)
        dirs_note_young(&scan->dirs, level->record, known->age, scan->age);
}

/* --- the walk --------------------------------------------------------------------------------------- */

static bool is_directory(const struct level *level, const struct dirent64 *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(level->listing.fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static void end_level(struct scan *scan)
{
    struct level *level = &scan->levels[--scan->depth];
    scan->dirs.list[level->record].is_constant = level->is_constant && !scan->is_failed;
    listing_close(&level->listing);
}

/* One entry of the directory at hand. */
static void take_entry(struct scan *scan)
{
    struct level *level = &scan->levels[scan->depth - 1];
    int rc;
    const struct dirent64 *entry = listing_next(&level->listing, &rc);
    if (!entry) {
        if (rc)
            fail(scan, rc, "cannot read a directory of queue", area_name(level->area));
        end_level(scan);
        return;
    }
    for (uint64_t inode; (inode = listing_ahead(&level->listing)) != 0;)
        files_prefetch(scan->files, inode);
    scan->running.entries++;
    if (!is_directory(level, entry)) {
        visit_file(scan, level, entry->d_name, entry->d_ino);
        return;
    }
    level->is_constant = false; /* the time of a directory says nothing of those below it */
    visit_child(scan, level, entry->d_name);
}

void scan_begin(struct scan *scan, int64_t now_ms)
{
    close_levels(scan);
    scan->age = (unsigned)(now_ms / AGE_MS % AGES);
    scan->second_looks = 0;
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
    int64_t start_us = now_us();
    bool is_more = true;
    while (is_more && !scan->is_failed && now_us() - start_us < slice_us) {
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
    return dir < scan->dirs.end && scan->dirs.list[dir].is_used &&
           scan->dirs.list[dir].skipped_in == scan->files->scan;
}

static void forget(void *arg, uint32_t dir)
{
    struct scan *scan = arg;
    dirs_forget(&scan->dirs, dir);
}

struct files_dirs scan_dirs(struct scan *scan)
{
    return (struct files_dirs){.is_skipped = is_skipped, .forget = forget, .arg = scan};
}

struct scan_figures scan_figures(const struct scan *scan)
{
    return scan->done;
}
