#include "peerd/failover/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>

#include "common/base/file.h"
#include "common/base/journal.h"
#include "common/cli/why.h"
#include "common/segment/name.h"
#include "common/spool/arrivals.h"
#include "common/spool/place.h"
#include "common/spool/reader.h"
#include "common/spool/walk.h"
#include "common/spool/writer.h"
#include "peerd/failover/drops.h"

enum { JSON_BYTES_MAX = 64 << 20 };

struct looking {
    struct audit *audit;
    const struct spool *spool;
    const struct arrivals *arrivals;
    const json_t *uploader, *peerd; /* their files; NULL: none */
    struct walk *walk;
    enum audit_column column;
    int rc;
};

const char *audit_column_word(enum audit_column column)
{
    static const char *const words[] = {
        [AUDIT_CAME] = "came",       [AUDIT_RESTORED] = "restored", [AUDIT_UPLOADED] = "uploaded",
        [AUDIT_SENT] = "sent",       [AUDIT_DROPPED] = "dropped",   [AUDIT_ARCHIVED] = "archived",
        [AUDIT_REMOVED] = "removed", [AUDIT_SPOOL] = "spool",       [AUDIT_QUARANTINE] = "quarantine",
    };
    return words[column];
}

void audit_fini(struct audit *audit)
{
    free(audit->list);
    *audit = (struct audit){0};
}

int64_t audit_difference(const struct audit_database *database)
{
    int64_t sum = -database->rows[AUDIT_CAME] - database->rows[AUDIT_RESTORED];
    for (int column = AUDIT_UPLOADED; column < AUDIT_COLUMNS; column++)
        sum += database->rows[column];
    return sum;
}

static struct audit_database *get(struct looking *looking, const char *folder)
{
    struct audit *audit = looking->audit;
    size_t at = 0;
    while (at < audit->count && strcmp(audit->list[at].folder, folder) < 0)
        at++;
    if (at < audit->count && strcmp(audit->list[at].folder, folder) == 0)
        return &audit->list[at];
    struct audit_database *list = reallocarray(audit->list, audit->count + 1, sizeof *list);
    if (!list) {
        looking->rc = -ENOMEM;
        return NULL;
    }
    audit->list = list;
    memmove(&list[at + 1], &list[at], (audit->count - at) * sizeof *list);
    audit->count++;
    list[at] = (struct audit_database){0};
    snprintf(list[at].folder, sizeof list[at].folder, "%s", folder);
    return &list[at];
}

static void add(struct looking *looking, const char *folder, enum audit_column column, int64_t rows)
{
    struct audit_database *database = get(looking, folder);
    if (database)
        database->rows[column] += rows;
}

/* By the name as people write it. */
static void add_db(struct looking *looking, const char *db, enum audit_column column, int64_t rows)
{
    char folder[SPOOL_NAME_BYTES];
    add(looking, name_encode(db, folder, sizeof folder) == NAME_OK ? folder : db, column, rows);
}

/* --- counters --------------------------------------------------------------------------------------- */

static json_t *read_json(const struct spool *spool, const char *name)
{
    struct buf text;
    buf_init(&text, JSON_BYTES_MAX);
    int rc = spool->state >= 0 ? file_read(spool->state, name, &text) : -ENOENT;
    json_t *root = rc == 0 && text.len ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    buf_fini(&text);
    return root;
}

static void add_counters(struct looking *looking, const json_t *root, const char *key,
                         enum audit_column column)
{
    const char *db;
    json_t *one, *all = json_object_get(root, "databases");
    json_object_foreach (all, db, one)
        add_db(looking, db, column, json_integer_value(json_object_get(one, key)));
}

static void add_drop(void *arg, const char *db, enum drop_fate fate, enum drop_reason reason,
                     const struct drops_sum *sum)
{
    (void)reason;
    add_db(arg, db, fate == DROP_DROPPED ? AUDIT_DROPPED : AUDIT_ARCHIVED, (int64_t)sum->rows);
}

/* A line of removed.jsonl or restored.jsonl. */
static void add_line(void *arg, const json_t *line)
{
    struct looking *looking = arg;
    const char *folder = json_string_value(json_object_get(line, "db"));
    const json_t *rows = json_object_get(line, "rows");
    if (!folder || json_is_true(json_object_get(line, "salvaged")))
        return;
    add(looking, folder, looking->column, json_integer_value(rows));
    struct audit_database *database = get(looking, folder);
    if (database && !json_is_integer(rows))
        database->unknown++;
}

static int add_journal(struct looking *looking, const char *name, enum audit_column column)
{
    looking->column = column;
    int rc = looking->spool->state >= 0 ? journal_read(looking->spool->state, name, add_line, looking) : 0;
    return rc == -ENOENT ? 0 : rc;
}

static int add_all_counters(struct looking *looking)
{
    for (size_t i = 0; i < looking->arrivals->count; i++)
        add(looking, looking->arrivals->sums[i].folder, AUDIT_CAME, (int64_t)looking->arrivals->sums[i].rows);
    add_counters(looking, looking->uploader, "rows_uploaded", AUDIT_UPLOADED);
    add_counters(looking, looking->peerd, "rows_sent", AUDIT_SENT);
    int rc = drops_read_totals(looking->spool, add_drop, looking);
    rc = rc == -ENOENT ? 0 : rc;
    if (rc == 0)
        rc = add_journal(looking, "removed.jsonl", AUDIT_REMOVED);
    return rc ? rc : add_journal(looking, "restored.jsonl", AUDIT_RESTORED);
}

/* --- files ------------------------------------------------------------------------------------------ */

/* Of a landing segment those before its last commit marker; one without any was on its way to quarantine. */
static int measure(struct looking *looking, int dir, const char *file, uint64_t *rows)
{
    struct scan_summary landed = {0};
    struct walk_sums sums;
    struct err err;
    if (segment_is_landing(file) && segment_read_summary(dir, file, &landed, NULL, &err) == 0 &&
        landed.rows > 0) {
        *rows = landed.rows;
        return 0;
    }
    int rc = walk_measure(looking->walk, dir, file, &sums);
    *rows = sums.rows;
    return rc;
}

static void add_file(struct looking *looking, const char *folder, int dir, const char *file,
                     enum audit_column column)
{
    uint64_t rows;
    int rc = measure(looking, dir, file, &rows);
    if (rc == -ENOENT) /* it moved on */
        return;
    struct audit_database *database = get(looking, folder);
    if (!database)
        return;
    database->rows[column] += (int64_t)rows;
    database->unknown += rc != 0;
}

/* In a directory whose work is done and counted, files only wait to be removed. */
static bool is_counted(const struct looking *looking, const struct spool_place *place, int dir)
{
    char key[SPOOL_NAME_BYTES + 16];
    const json_t *root = place->queue == QUEUE_BATCH ? looking->uploader : looking->peerd;
    if (faccessat(dir, "done.json", F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    snprintf(key, sizeof key, "%s%s", place->group, place->queue == QUEUE_BATCH ? "" : "/sent");
    return json_object_get(json_object_get(root, "counted"), key) != NULL;
}

/* Rows of a batch that ADX refused are in quarantine already; those that it took count when it is done. */
static int64_t refused_rows(int dir)
{
    struct buf text;
    buf_init(&text, JSON_BYTES_MAX);
    json_t *root =
        file_read(dir, "progress.json", &text) == 0 ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    int64_t rows = json_integer_value(json_object_get(root, "refused_rows"));
    json_decref(root);
    buf_fini(&text);
    return rows > 0 ? rows : 0;
}

static int visit(void *arg, const struct spool_place *place, int dir, const char *file)
{
    struct looking *looking = arg;
    if (place->queue == QUEUE_QUARANTINE) {
        struct why why;
        looking->rc = why_read(dir, file, &why);
        if (looking->rc == 0 && !why.went_on)
            add_file(looking, place->db, dir, file, AUDIT_QUARANTINE);
    } else if (!spool_queue_is_grouped(place->queue) || !is_counted(looking, place, dir)) {
        add_file(looking, place->db, dir, file, AUDIT_SPOOL);
    }
    return looking->rc;
}

static int visit_batch(void *arg, const struct spool_place *place, int dir)
{
    struct looking *looking = arg;
    if (!is_counted(looking, place, dir))
        add(looking, place->db, AUDIT_SPOOL, -refused_rows(dir));
    return looking->rc;
}

/* The segment that a file of active/ will be. */
static bool read_active_name(const char *file, struct segment_name *name)
{
    static const char *const suffixes[] = {"", WRITER_LANDING_SUFFIX, WRITER_BAD_SUFFIX};
    size_t bytes = strlen(file);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char base[SPOOL_NAME_BYTES];
        size_t end = strlen(suffixes[i]);
        if (end > bytes || strcmp(file + bytes - end, suffixes[i]) != 0)
            continue;
        snprintf(base, sizeof base, "%.*s", (int)(bytes - end), file);
        if (segment_name_parse(base, name) == NAME_OK)
            return true;
    }
    return false;
}

/* What was noted and whose writer died before the rename: nobody may come to adopt it for long. */
static int visit_active(void *arg, const struct spool_place *place, int dir, const char *file)
{
    struct looking *looking = arg;
    struct segment_name name;
    if (read_active_name(file, &name) && arrivals_has(looking->arrivals, name.id))
        add_file(looking, place->db, dir, file, AUDIT_SPOOL);
    return looking->rc;
}

static int add_all_files(struct looking *looking)
{
    static const enum spool_queue queues[] = {QUEUE_SEALED, QUEUE_UPLOAD, QUEUE_BATCH, QUEUE_TRANSFER,
                                              QUEUE_QUARANTINE};
    int rc = spool_walk_any(looking->spool, QUEUE_ACTIVE, visit_active, looking);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(queues); i++)
        rc = spool_walk(looking->spool, queues[i], NULL, visit, looking);
    if (rc == 0)
        rc = spool_walk_groups(looking->spool, QUEUE_BATCH, visit_batch, looking);
    return rc;
}

int audit_look(struct audit *audit, const struct spool *spool, struct err *err)
{
    struct arrivals arrivals;
    *audit = (struct audit){0};
    int rc = arrivals_read(&arrivals, spool);
    struct looking looking = {.audit = audit,
                              .spool = spool,
                              .arrivals = &arrivals,
                              .uploader = read_json(spool, "uploader.json"),
                              .peerd = read_json(spool, "peerd.json"),
                              .walk = malloc(sizeof *looking.walk)};
    rc = rc == -ENOENT ? 0 : rc;
    if (rc == 0 && !looking.walk)
        rc = -ENOMEM;
    if (rc == 0)
        rc = add_all_counters(&looking);
    if (rc == 0)
        rc = add_all_files(&looking);
    json_decref((json_t *)(uintptr_t)looking.uploader);
    json_decref((json_t *)(uintptr_t)looking.peerd);
    free(looking.walk);
    arrivals_fini(&arrivals);
    return rc ? err_errno(err, rc, "spool %s: cannot be audited", spool->path) : 0;
}
