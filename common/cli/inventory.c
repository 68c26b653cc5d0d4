#include "common/cli/inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct adding {
    struct inventory *inventory;
    const struct inventory_filter *filter;
};

static void free_entry(struct inventory_entry *entry)
{
    free(entry->db);
    free(entry->group);
    free(entry->file);
}

static int set_place(struct inventory_entry *entry, const struct spool_place *place)
{
    char *db = strdup(place->db), *group = strdup(place->group);
    if (!db || !group) {
        free(db);
        free(group);
        return -ENOMEM;
    }
    free(entry->db);
    free(entry->group);
    entry->db = db;
    entry->group = group;
    entry->queue = place->queue;
    return 0;
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
    struct inventory_entry *entry = &inventory->entries[inventory->count];
    *entry = (struct inventory_entry){0};
    return entry;
}

static int add_file(void *arg, const struct spool_place *place, int dir, const char *file)
{
    struct adding *adding = arg;
    struct segment_name name;
    bool is_segment = segment_name_parse(file, &name) == NAME_OK;
    if (adding->filter->table && (!is_segment || strcmp(name.table, adding->filter->table) != 0))
        return 0;
    struct stat st;
    if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -errno; /* it moved on */
    struct inventory_entry *entry = new_entry(adding->inventory);
    if (!entry || set_place(entry, place) || !(entry->file = strdup(file))) {
        if (entry)
            free_entry(entry);
        return -ENOMEM;
    }
    entry->is_segment = is_segment;
    entry->id = is_segment ? name.id : 0;
    entry->bytes = st.st_size;
    adding->inventory->count++;
    return 0;
}

int inventory_parse(const char *word, struct inventory_words *words, struct err *err)
{
    const char *slash = strchr(word, '/');
    size_t len = slash ? (size_t)(slash - word) : strlen(word);
    const char *table = slash ? slash + 1 : NULL;
    if (name_check(word, len) != NAME_OK)
        return err_set(err, -EINVAL, "'%s': the database is %s: wants DB, DB/TABLE or a file", word,
                       name_status_text(name_check(word, len)));
    if (table && name_check(table, strlen(table)) != NAME_OK)
        return err_set(err, -EINVAL, "'%s': the table is %s: wants DB, DB/TABLE or a file", word,
                       name_status_text(name_check(table, strlen(table))));
    snprintf(words->db, sizeof words->db, "%.*s", (int)len, word);
    snprintf(words->table, sizeof words->table, "%s", table ? table : "");
    words->filter = (struct inventory_filter){.db = words->db, .table = table ? words->table : NULL};
    return 0;
}

int inventory_add(struct inventory *inventory, const struct spool *spool,
                  const struct inventory_filter *filter)
{
    struct adding adding = {.inventory = inventory, .filter = filter};
    char folder[NAME_FILE_MAX_BYTES + 1];
    if (filter->db && name_encode(filter->db, folder, sizeof folder) != NAME_OK)
        return 0; /* no folder can have that name */
    /* With the stream: what moves on meanwhile may be seen twice, but is not missed. */
    int rc = 0;
    for (size_t queue = 0; rc == 0 && queue < QUEUE_COUNT; queue++)
        rc = spool_walk(spool, (enum spool_queue)queue, filter->db ? folder : NULL, add_file, &adding);
    return rc;
}

static int compare(const void *left, const void *right)
{
    const struct inventory_entry *a = left, *b = right;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    int order = strcmp(a->db, b->db);
    if (order == 0)
        order = strcmp(a->file, b->file);
    return order ? order : (int)a->queue - (int)b->queue;
}

void inventory_settle(struct inventory *inventory)
{
    if (!inventory->count)
        return;
    qsort(inventory->entries, inventory->count, sizeof *inventory->entries, compare);
    size_t kept = 1;
    for (size_t i = 1; i < inventory->count; i++) {
        struct inventory_entry *last = &inventory->entries[kept - 1], *entry = &inventory->entries[i];
        if (strcmp(last->file, entry->file) == 0 && strcmp(last->db, entry->db) == 0)
            free_entry(entry);
        else
            inventory->entries[kept++] = *entry;
    }
    inventory->count = kept;
}

void inventory_fini(struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->count; i++)
        free_entry(&inventory->entries[i]);
    free(inventory->entries);
    *inventory = (struct inventory){0};
}

struct spool_place inventory_place(const struct inventory_entry *entry)
{
    struct spool_place place = spool_place(entry->queue, entry->db);
    snprintf(place.group, sizeof place.group, "%s", entry->group);
    return place;
}

struct search {
    struct inventory_entry *entry;
    int fd;
};

static int open_if_same(void *arg, const struct spool_place *place, int dir, const char *file)
{
    struct search *search = arg;
    if (strcmp(file, search->entry->file) != 0)
        return 0;
    search->fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (search->fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int rc = set_place(search->entry, place);
    if (rc) {
        close(search->fd);
        return rc;
    }
    return 1; /* found: ends the walk */
}

static int open_at(const struct spool *spool, const struct inventory_entry *entry)
{
    struct spool_place place = inventory_place(entry);
    int dir = spool_place_open(spool, &place, false);
    if (dir < 0)
        return dir;
    int fd = openat(dir, entry->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int rc = fd < 0 ? -errno : fd;
    close(dir);
    return rc;
}

int inventory_open(const struct spool *spool, struct inventory_entry *entry)
{
    int fd = open_at(spool, entry);
    struct search search = {.entry = entry, .fd = -1};
    for (size_t queue = 0; fd == -ENOENT && queue < QUEUE_COUNT; queue++) {
        int rc = spool_walk(spool, (enum spool_queue)queue, entry->db, open_if_same, &search);
        if (rc)
            fd = rc < 0 ? rc : search.fd;
    }
    return fd;
}
