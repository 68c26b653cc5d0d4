#include "common/spool/arrivals.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/segment/name.h"

enum { FOLD_BYTES = 4 << 20, LINE_BYTES = SPOOL_NAME_BYTES + 64, TEXT_BYTES_MAX = 64 << 20, VERSION = 1 };

static const char log_name[] = "arrivals.log", folding_name[] = "arrivals.folding",
                  sums_name[] = "arrivals.json";

/* --- understanding ---------------------------------------------------------------------------------- */

struct note {
    uint64_t id;
    size_t order; /* of two with one id the later one counts */
    unsigned long long rows, raw_bytes;
    const char *folder;
};

static int compare_notes(const void *left, const void *right)
{
    const struct note *a = left, *b = right;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* False: not a line of ours; a torn one is passed over, its segment will be noted again. */
static bool parse_line(char *line, struct note *note)
{
    char *end;
    note->id = strtoull(line, &end, 16);
    if (end != line + 16 || *end != ' ')
        return false;
    note->rows = strtoull(end + 1, &end, 10);
    if (*end != ' ')
        return false;
    note->raw_bytes = strtoull(end + 1, &end, 10);
    note->folder = end + 1;
    return *end == ' ' && *note->folder && !strchr(note->folder, ' ') && !strchr(note->folder, '/');
}

/* The notes of a text, one for each id, by id. `text` is cut into lines. */
static struct note *parse(char *text, size_t *count)
{
    size_t lines = 0, kept = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    struct note *notes = calloc(lines + 1, sizeof *notes);
    *count = 0;
    for (char *line = text, *end; notes && (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        notes[*count].order = *count;
        *count += parse_line(line, &notes[*count]);
    }
    if (!notes)
        return NULL;
    qsort(notes, *count, sizeof *notes, compare_notes);
    for (size_t i = 0; i < *count; i++)
        if (i + 1 == *count || notes[i + 1].id != notes[i].id)
            notes[kept++] = notes[i];
    *count = kept;
    return notes;
}

static struct arrivals_sum *sum_of(struct arrivals *arrivals, const char *folder)
{
    for (size_t i = 0; i < arrivals->count; i++)
        if (strcmp(arrivals->sums[i].folder, folder) == 0)
            return &arrivals->sums[i];
    struct arrivals_sum *sums = reallocarray(arrivals->sums, arrivals->count + 1, sizeof *sums);
    if (!sums)
        return NULL;
    arrivals->sums = sums;
    struct arrivals_sum *sum = &sums[arrivals->count++];
    *sum = (struct arrivals_sum){0};
    snprintf(sum->folder, sizeof sum->folder, "%s", folder);
    return sum;
}

static int add_notes(struct arrivals *arrivals, const struct note *notes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct arrivals_sum *sum = sum_of(arrivals, notes[i].folder);
        if (!sum)
            return -ENOMEM;
        sum->segments++;
        sum->rows += notes[i].rows;
        sum->raw_bytes += notes[i].raw_bytes;
    }
    return 0;
}

/* --- files ------------------------------------------------------------------------------------------ */

struct stamp {
    int64_t inode, mtime_ns;
};

static struct stamp stamp_of(const struct stat *st)
{
    return (struct stamp){(int64_t)st->st_ino,
                          st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec};
}

/* `*folded`: the log that the sums hold already, although it may still be there. */
static int read_sums(int state, struct arrivals *arrivals, struct stamp *folded)
{
    struct buf text;
    const char *folder;
    json_t *one;
    *folded = (struct stamp){0};
    buf_init(&text, TEXT_BYTES_MAX);
    int rc = file_read(state, sums_name, &text);
    json_t *root = rc == 0 && text.len ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    buf_fini(&text);
    if (rc == 0 && json_integer_value(json_object_get(root, "v")) != VERSION)
        rc = -EPROTO;
    json_object_foreach (json_object_get(root, "databases"), folder, one) {
        struct arrivals_sum *sum = rc == 0 ? sum_of(arrivals, folder) : NULL;
        if (!sum)
            continue;
        sum->segments += (uint64_t)json_integer_value(json_object_get(one, "segments"));
        sum->rows += (uint64_t)json_integer_value(json_object_get(one, "rows"));
        sum->raw_bytes += (uint64_t)json_integer_value(json_object_get(one, "raw_bytes"));
    }
    const json_t *stamp = json_object_get(root, "folded");
    folded->inode = json_integer_value(json_object_get(stamp, "inode"));
    folded->mtime_ns = json_integer_value(json_object_get(stamp, "mtime_ns"));
    json_decref(root);
    return rc == -ENOENT ? 0 : rc;
}

static int write_sums(int state, const struct arrivals *arrivals, const struct stamp *folded)
{
    json_t *databases = json_object();
    for (size_t i = 0; i < arrivals->count; i++)
        json_object_set_new(databases, arrivals->sums[i].folder,
                            json_pack("{s:I, s:I, s:I}", "segments", (json_int_t)arrivals->sums[i].segments,
                                      "rows", (json_int_t)arrivals->sums[i].rows, "raw_bytes",
                                      (json_int_t)arrivals->sums[i].raw_bytes));
    json_t *root = json_pack("{s:i, s:o, s:{s:I, s:I}}", "v", VERSION, "databases", databases, "folded",
                             "inode", (json_int_t)folded->inode, "mtime_ns", (json_int_t)folded->mtime_ns);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    int rc = text ? file_replace(state, sums_name, text, strlen(text)) : -ENOMEM;
    free(text);
    json_decref(root);
    return rc;
}

/* Add a log's notes; with `take_ids` its ids too. -ENOENT: there is none. */
static int add_log(struct arrivals *arrivals, int state, const char *name, bool take_ids)
{
    struct buf text;
    size_t count = 0;
    buf_init(&text, TEXT_BYTES_MAX);
    int rc = file_read(state, name, &text);
    struct note *notes = rc == 0 && text.len ? parse(text.data, &count) : NULL;
    if (rc == 0 && text.len && !notes)
        rc = -ENOMEM;
    if (rc == 0)
        rc = add_notes(arrivals, notes, count);
    if (rc == 0 && take_ids && count > 0 && (arrivals->ids = calloc(count, sizeof *arrivals->ids)) != NULL) {
        arrivals->id_count = count;
        for (size_t i = 0; i < count; i++)
            arrivals->ids[i] = notes[i].id;
    }
    free(notes);
    buf_fini(&text);
    return rc;
}

/* The log that is being folded, unless the sums hold it. */
static int add_folding(struct arrivals *arrivals, int state, const struct stamp *folded, struct stamp *stamp)
{
    struct stat st;
    if (fstatat(state, folding_name, &st, 0) != 0)
        return -errno;
    *stamp = stamp_of(&st);
    if (stamp->inode == folded->inode && stamp->mtime_ns == folded->mtime_ns)
        return 0;
    return add_log(arrivals, state, folding_name, false);
}

/* --- folding: under the log's exclusive lock -------------------------------------------------------- */

/* Sums first, then the log goes; whoever is killed between them leaves what the next one knows by its stamp.
 */
static int fold_one(int state)
{
    struct arrivals sums = {0};
    struct stamp folded, stamp;
    int rc = read_sums(state, &sums, &folded);
    if (rc == 0)
        rc = add_folding(&sums, state, &folded, &stamp);
    if (rc == 0)
        rc = write_sums(state, &sums, &stamp);
    crash_point("arrivals:after-sums");
    if (rc == 0 && unlinkat(state, folding_name, 0) != 0)
        rc = -errno;
    arrivals_fini(&sums);
    return rc;
}

static void fold(int state)
{
    int rc = fold_one(state); /* what a killed one has left */
    if ((rc == 0 || rc == -ENOENT) && renameat(state, log_name, state, folding_name) == 0) {
        crash_point("arrivals:after-rename");
        rc = fold_one(state);
    }
    if (rc && rc != -ENOENT)
        log_warn("arrivals-not-folded", log_s("cause", strerror(-rc)));
}

/* --- noting ----------------------------------------------------------------------------------------- */

/* The log, locked; it may be renamed by who folds between our open and our lock. */
static int open_log(int state, off_t *bytes)
{
    enum { TRIES = 100 };
    struct stat st, now;
    for (int i = 0; i < TRIES; i++) {
        int fd = openat(state, log_name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
            return -errno;
        if (flock(fd, LOCK_EX) == 0 && fstat(fd, &st) == 0 && fstatat(state, log_name, &now, 0) == 0 &&
            st.st_ino == now.st_ino) {
            *bytes = st.st_size;
            return fd;
        }
        close(fd);
    }
    return -EBUSY;
}

void arrivals_note(const struct spool *spool, const char *db_folder, const char *file, uint64_t rows,
                   uint64_t raw_bytes)
{
    char line[LINE_BYTES];
    struct segment_name name;
    off_t bytes = 0;
    if (segment_name_parse(file, &name) != NAME_OK)
        return;
    int len = snprintf(line, sizeof line, "%016llx %llu %llu %s\n", (unsigned long long)name.id,
                       (unsigned long long)rows, (unsigned long long)raw_bytes, db_folder);
    int fd = open_log(spool->state, &bytes);
    int rc = fd < 0 ? fd : file_write_all(fd, line, (size_t)len);
    if (rc)
        log_warn("arrival-not-noted", log_s("db", db_folder), log_s("file", file), log_u("rows", rows),
                 log_s("cause", strerror(-rc)), log_s("meaning", "spillway audit will not add up"));
    else if (bytes > FOLD_BYTES)
        fold(spool->state);
    if (fd >= 0)
        close(fd);
    crash_point("arrivals:after-note");
}

/* --- reading ---------------------------------------------------------------------------------------- */

int arrivals_read(struct arrivals *arrivals, const struct spool *spool)
{
    struct stamp folded, stamp;
    *arrivals = (struct arrivals){0};
    if (spool->state < 0)
        return -ENOENT;
    int lock = openat(spool->state, log_name, O_RDONLY | O_CLOEXEC);
    if (lock >= 0)
        (void)flock(lock, LOCK_SH); /* nobody folds meanwhile */
    int rc = read_sums(spool->state, arrivals, &folded);
    if (rc == 0)
        rc = add_folding(arrivals, spool->state, &folded, &stamp);
    if (rc == 0 || rc == -ENOENT)
        rc = add_log(arrivals, spool->state, log_name, true);
    if (lock >= 0)
        close(lock);
    return rc == -ENOENT && arrivals->count > 0 ? 0 : rc;
}

void arrivals_fini(struct arrivals *arrivals)
{
    free(arrivals->sums);
    free(arrivals->ids);
    *arrivals = (struct arrivals){0};
}

bool arrivals_has(const struct arrivals *arrivals, uint64_t id)
{
    size_t low = 0, high = arrivals->id_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (arrivals->ids[middle] == id)
            return true;
        if (arrivals->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}
