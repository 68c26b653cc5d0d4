#include "common/cli/inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/segment/flake.h"
#include "common/spool/reader.h"
#include "common/spool/writer.h"

struct adding {
    struct inventory *inventory;
    const struct inventory_filter *filter;
};

/* The name that the segment will have. Returns whether it is one that lands. */
static bool base_of(const char *file, char base[static SPOOL_NAME_BYTES])
{
    bool is_landing = segment_is_landing(file);
    size_t bytes = strlen(file) - (is_landing ? strlen(WRITER_LANDING_SUFFIX) : 0);
    snprintf(base, SPOOL_NAME_BYTES, "%.*s", (int)bytes, file);
    return is_landing;
}

enum inventory_kind inventory_read_name(const char *full_name, struct segment_name *name)
{
    char file[SPOOL_NAME_BYTES];
    (void)base_of(full_name, file);
    if (segment_name_parse(file, name) == NAME_OK)
        return INVENTORY_SEGMENT;
    size_t digits = strspn(file, "0123456789");
    if (digits > 0 && digits < 4 && file[digits] == ',' &&
        segment_name_parse(file + digits + 1, name) == NAME_OK)
        return INVENTORY_RENAMED;
    return INVENTORY_OTHER;
}

int inventory_parse(const char *word, struct inventory_words *words, struct err *err)
{
    const char *slash = strchr(word, '/');
    size_t len = slash ? (size_t)(slash - word) : strlen(word);
    const char *table = slash ? slash + 1 : NULL;
    enum name_status status = name_check(word, len);
    if (status == NAME_OK) {
        snprintf(words->db, sizeof words->db, "%.*s", (int)len, word);
        status = name_encode(words->db, words->folder, sizeof words->folder);
    }
    if (status != NAME_OK)
        return err_set(err, -EINVAL, "'%.300s': the database is %s: wants DB, DB/TABLE or a file", word,
                       name_status_text(status));
    if (table && (status = name_check(table, strlen(table))) != NAME_OK)
        return err_set(err, -EINVAL, "'%.300s': the table is %s: wants DB, DB/TABLE or a file", word,
                       name_status_text(status));
    snprintf(words->table, sizeof words->table, "%s", table ? table : "");
    words->filter = (struct inventory_filter){.folder = words->folder, .table = table ? words->table : NULL};
    return 0;
}

/* --- taking in -------------------------------------------------------------------------------------- */

static bool is_same_folder(const struct inventory_folder *folder, const struct spool_place *place)
{
    return folder && folder->queue == place->queue && strcmp(folder->group, place->group) == 0 &&
           strcmp(folder->db, place->db) == 0;
}

static const struct inventory_folder *intern(struct inventory *inventory, const struct spool_place *place)
{
    if (is_same_folder(inventory->latest, place))
        return inventory->latest;
    struct inventory_folder *folder = arena_take(&inventory->arena, sizeof *folder);
    const char *db = arena_text(&inventory->arena, place->db);
    const char *group = arena_text(&inventory->arena, place->group);
    if (!folder || !db || !group)
        return NULL;
    *folder = (struct inventory_folder){.queue = place->queue, .db = db, .group = group};
    return inventory->latest = folder;
}

static struct inventory_entry *new_entry(struct inventory *inventory)
{
    if (inventory->count == inventory->capacity) {
        size_t capacity = inventory->capacity ? inventory->capacity * 2 : 64;
        struct inventory_entry *entries = realloc(inventory->entries, capacity * sizeof *entries);
        if (!entries)
            return NULL;
        inventory->entries = entries;
        inventory->capacity = capacity;
    }
    return &inventory->entries[inventory->count];
}

static int64_t time_of(uint64_t id)
{
    struct flake parts;
    flake_decompose(id, &parts);
    return (int64_t)parts.unix_ms;
}

static bool is_wanted(const struct inventory_filter *filter, const char *file, const char *base,
                      enum inventory_kind kind, const struct segment_name *name)
{
    if (filter->file && strcmp(filter->file, file) != 0 && strcmp(filter->file, base) != 0)
        return false;
    if (kind == INVENTORY_OTHER)
        return !filter->table && filter->from_ms == INT64_MIN && filter->before_ms == INT64_MAX;
    if (filter->table && strcmp(name->table, filter->table) != 0)
        return false;
    int64_t begun = time_of(name->id);
    return begun >= filter->from_ms && begun < filter->before_ms;
}

static int add_file(void *arg, const struct spool_place *place, int dir, const char *file)
{
    struct adding *adding = arg;
    struct segment_name name;
    char base[SPOOL_NAME_BYTES];
    bool is_landing = base_of(file, base);
    enum inventory_kind kind = inventory_read_name(file, &name);
    if (!is_wanted(adding->filter, file, base, kind, &name))
        return 0;
    struct stat st;
    if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -errno; /* it moved on */
    struct inventory_entry *entry = new_entry(adding->inventory);
    const struct inventory_folder *folder = intern(adding->inventory, place);
    const char *copy = arena_text(&adding->inventory->arena, base);
    if (!entry || !folder || !copy)
        return -ENOMEM;
    *entry = (struct inventory_entry){.id = kind == INVENTORY_OTHER ? 0 : name.id,
                                      .bytes = st.st_size,
                                      .inode = st.st_ino,
                                      .folder = folder,
                                      .file = copy,
                                      .kind = kind,
                                      .is_landing = is_landing};
    adding->inventory->count++;
    return 0;
}

int inventory_add(struct inventory *inventory, const struct spool *spool,
                  const struct inventory_filter *filter)
{
    struct adding adding = {.inventory = inventory, .filter = filter};
    /* With the stream: what moves on meanwhile may be seen twice, but is not missed. */
    int rc = 0;
    for (size_t queue = 0; rc == 0 && queue < QUEUE_COUNT; queue++)
        if (filter->queues & 1u << queue)
            rc = spool_walk(spool, (enum spool_queue)queue, filter->folder, add_file, &adding);
    return rc;
}

static int compare(const void *left, const void *right)
{
    const struct inventory_entry *a = left, *b = right;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    int order = a->folder == b->folder ? 0 : strcmp(a->folder->db, b->folder->db);
    if (order == 0)
        order = strcmp(a->file, b->file);
    return order ? order : (int)a->folder->queue - (int)b->folder->queue;
}

void inventory_settle(struct inventory *inventory)
{
    if (!inventory->count)
        return;
    qsort(inventory->entries, inventory->count, sizeof *inventory->entries, compare);
    size_t kept = 1;
    for (size_t i = 1; i < inventory->count; i++) {
        const struct inventory_entry *last = &inventory->entries[kept - 1], *entry = &inventory->entries[i];
        if (last->id != entry->id || strcmp(last->file, entry->file) != 0 ||
            strcmp(last->folder->db, entry->folder->db) != 0)
            inventory->entries[kept++] = *entry;
    }
    inventory->count = kept;
}

static int compare_by_db(const void *left, const void *right)
{
    const struct inventory_entry *a = left, *b = right;
    int order = a->folder == b->folder ? 0 : strcmp(a->folder->db, b->folder->db);
    return order ? order : compare(a, b);
}

void inventory_order_by_db(struct inventory *inventory)
{
    if (inventory->count)
        qsort(inventory->entries, inventory->count, sizeof *inventory->entries, compare_by_db);
}

void inventory_fini(struct inventory *inventory)
{
    arena_fini(&inventory->arena);
    free(inventory->entries);
    *inventory = (struct inventory){0};
}

/* --- what is in it ---------------------------------------------------------------------------------- */

int64_t inventory_bytes(const struct inventory *inventory)
{
    int64_t total = 0;
    for (size_t i = 0; i < inventory->count; i++)
        total += inventory->entries[i].bytes;
    return total;
}

int64_t inventory_time_ms(const struct inventory_entry *entry)
{
    return entry->id ? time_of(entry->id) : 0;
}

struct spool_place inventory_place(const struct inventory_entry *entry)
{
    struct spool_place place = spool_place(entry->folder->queue, entry->folder->db);
    snprintf(place.group, sizeof place.group, "%s", entry->folder->group);
    return place;
}

const char *inventory_file(const struct inventory_entry *entry, char *name)
{
    snprintf(name, SPOOL_NAME_BYTES, "%.*s%s", (int)(SPOOL_NAME_BYTES - sizeof WRITER_LANDING_SUFFIX),
             entry->file, entry->is_landing ? WRITER_LANDING_SUFFIX : "");
    return name;
}

const char *inventory_label(const struct inventory_entry *entry, char label[static INVENTORY_LABEL_BYTES])
{
    char text[SPOOL_PLACE_BYTES], name[SPOOL_NAME_BYTES];
    struct spool_place place = inventory_place(entry);
    snprintf(label, INVENTORY_LABEL_BYTES, "%s/%s", spool_place_text(&place, text),
             inventory_file(entry, name));
    return label;
}

const char *inventory_db(const struct inventory_folder *folder, char *db)
{
    if (name_decode(folder->db, strlen(folder->db), db, NAME_FILE_MAX_BYTES + 1) != NAME_OK)
        snprintf(db, NAME_FILE_MAX_BYTES + 1, "%s", folder->db);
    return db;
}

/* --- finding it again ------------------------------------------------------------------------------- */

struct search {
    const char *db, *file;
    struct spool_place found;
    int fd;
};

static int open_in(int dir, const char *file)
{
    int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static int open_at(const struct spool *spool, const struct spool_place *place, const char *file)
{
    int dir = spool_place_open(spool, place, false);
    if (dir < 0)
        return dir;
    int fd = open_in(dir, file);
    close(dir);
    return fd;
}

/* Not 0 ends the walk: 1 is found, a negative errno is trouble. */
static int open_in_group(void *arg, const struct spool_place *place, int dir)
{
    struct search *search = arg;
    if (strcmp(place->db, search->db) != 0)
        return 0;
    search->fd = open_in(dir, search->file);
    search->found = *place;
    return search->fd == -ENOENT ? 0 : search->fd < 0 ? search->fd : 1;
}

/* In the order of the stream, by name: a queue's folder is not read for it. */
static int search_queue(const struct spool *spool, enum spool_queue queue, struct search *search)
{
    if (spool_queue_is_grouped(queue)) {
        int rc = spool_walk_groups(spool, queue, open_in_group, search);
        return rc == 1 ? search->fd : rc < 0 ? rc : -ENOENT;
    }
    search->found = spool_place(queue, search->db);
    return open_at(spool, &search->found, search->file);
}

static bool is_listed(const struct inventory *inventory, const char *db, const char *file)
{
    for (size_t i = 0; i < inventory->count; i++)
        if (strcmp(inventory->entries[i].file, file) == 0 &&
            strcmp(inventory->entries[i].folder->db, db) == 0)
            return true;
    return false;
}

/* By its inode: a landing segment that got older rows has another name. */
struct tracing {
    struct inventory *inventory;
    struct inventory_entry *entry;
    int fd;
};

static int trace(void *arg, const struct spool_place *place, int dir, const char *file)
{
    struct tracing *tracing = arg;
    struct inventory_entry *entry = tracing->entry;
    char base[SPOOL_NAME_BYTES];
    struct stat st;
    struct segment_name name;
    if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_ino != entry->inode)
        return 0;
    bool is_landing = base_of(file, base);
    if (is_listed(tracing->inventory, place->db, base) ||
        inventory_read_name(file, &name) != INVENTORY_SEGMENT)
        return 1;
    const struct inventory_folder *folder = intern(tracing->inventory, place);
    const char *copy = arena_text(&tracing->inventory->arena, base);
    if (!folder || !copy)
        return -ENOMEM;
    entry->id = name.id;
    entry->folder = folder;
    entry->file = copy;
    entry->is_landing = is_landing;
    tracing->fd = open_in(dir, file);
    return tracing->fd < 0 ? tracing->fd : 1;
}

static int open_renamed(struct inventory *inventory, const struct spool *spool, struct inventory_entry *entry)
{
    struct tracing tracing = {.inventory = inventory, .entry = entry, .fd = -ENOENT};
    const char *db = entry->folder->db;
    int rc = 0;
    for (size_t queue = 0; rc == 0 && queue < QUEUE_COUNT; queue++)
        rc = spool_walk(spool, (enum spool_queue)queue, db, trace, &tracing);
    return rc < 0 ? rc : tracing.fd;
}

int inventory_open(struct inventory *inventory, const struct spool *spool, struct inventory_entry *entry)
{
    char name[SPOOL_NAME_BYTES];
    struct spool_place place = inventory_place(entry);
    int fd = open_at(spool, &place, inventory_file(entry, name));
    if (fd != -ENOENT)
        return fd;
    bool was_landing = entry->is_landing;
    entry->is_landing = false; /* under its name it is whole, wherever it is by now */
    struct search search = {.db = entry->folder->db, .file = entry->file};
    for (size_t queue = 0; fd == -ENOENT && queue < QUEUE_COUNT; queue++)
        fd = search_queue(spool, (enum spool_queue)queue, &search);
    if (fd == -ENOENT && was_landing)
        return open_renamed(inventory, spool, entry);
    if (fd < 0)
        return fd;
    const struct inventory_folder *folder = intern(inventory, &search.found);
    if (!folder) {
        close(fd);
        return -ENOMEM;
    }
    entry->folder = folder;
    return fd;
}
