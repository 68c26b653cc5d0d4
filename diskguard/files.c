#include "diskguard/files.h"

#include <errno.h>

enum { CAPACITY_MIN = 1024 };

int files_init(struct files *files, struct databases *databases)
{
    *files = (struct files){.databases = databases, .capacity = CAPACITY_MIN};
    files->slots = calloc(files->capacity, sizeof *files->slots);
    return files->slots ? 0 : -ENOMEM;
}

void files_fini(struct files *files)
{
    free(files->slots);
    *files = (struct files){0};
}

static size_t home_of(const struct files *files, uint64_t inode)
{
    return (inode * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (files->capacity - 1);
}

/* The slot of `inode`, or the free one where it belongs. */
static struct file_entry *slot_of(const struct files *files, uint64_t inode)
{
    size_t at = home_of(files, inode);
    while (files->slots[at].inode && files->slots[at].inode != inode)
        at = (at + 1) & (files->capacity - 1);
    return &files->slots[at];
}

struct file_entry *files_find(const struct files *files, uint64_t inode)
{
    struct file_entry *slot = slot_of(files, inode);
    return slot->inode ? slot : NULL;
}

void files_prefetch(const struct files *files, uint64_t inode)
{
    __builtin_prefetch(&files->slots[home_of(files, inode)], 1);
}

static int grow(struct files *files)
{
    struct files larger = *files;
    larger.capacity *= 2;
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < files->capacity; i++)
        if (files->slots[i].inode)
            *slot_of(&larger, files->slots[i].inode) = files->slots[i];
    free(files->slots);
    *files = larger;
    return 0;
}

/* The one place where an entry and the sums change together; sign is 1 or -1. */
static void count(struct files *files, const struct file_entry *entry, int sign)
{
    struct database *database = &files->databases->list[entry->db];
    database->bytes[entry->area] += sign * entry->bytes;
    files->bytes += sign * entry->bytes;
    if (entry->is_segment) {
        database->segments[entry->area] += sign;
        files->segments += sign;
    }
    if (entry->is_db_folder)
        database->folders =
            sign > 0 ? database->folders | 1u << entry->area : database->folders & ~(1u << entry->area);
}

void files_begin(struct files *files)
{
    for (size_t i = 0; i < files->databases->count; i++) {
        memset(files->databases->list[i].growth, 0, sizeof files->databases->list[i].growth);
        files->databases->list[i].new_segments = 0;
    }
}

int files_see(struct files *files, const struct file_entry *now)
{
    if (files->count + 1 > files->capacity / 10 * 7) {
        int rc = grow(files);
        if (rc)
            return rc;
    }
    struct file_entry *slot = slot_of(files, now->inode);
    const struct file_entry before = *slot; /* all 0: new */
    if (slot->inode)
        count(files, slot, -1);
    else
        files->count++;
    *slot = *now;
    slot->seen = files->scan + 1;
    count(files, slot, 1);
    struct database *database = &files->databases->list[now->db];
    database->new_segments += now->is_segment && !before.is_segment;
    /* A complete file does not grow; the file system may put an index of its blocks beside it, late. */
    bool is_late = before.is_constant && before.name == now->name;
    if (now->bytes > before.bytes && !now->is_dir && !is_late)
        database->growth[now->area] += now->bytes - before.bytes;
    return 0;
}

void files_see_again(struct files *files, struct file_entry *entry, const struct file_entry *now)
{
    if (entry->db != now->db || entry->area != now->area) {
        count(files, entry, -1);
        entry->db = now->db;
        entry->area = now->area;
        count(files, entry, 1);
    }
    entry->dir = now->dir;
    entry->seen = files->scan + 1;
}

/* Take `at` out and close the gap, so that no search ends too early. */
static void take_out(struct files *files, size_t at)
{
    size_t mask = files->capacity - 1, gap = at;
    for (size_t next = (at + 1) & mask; files->slots[next].inode; next = (next + 1) & mask) {
        size_t home = home_of(files, files->slots[next].inode);
        if (((next - home) & mask) < ((next - gap) & mask))
            continue; /* it would come to lie before its home */
        files->slots[gap] = files->slots[next];
        gap = next;
    }
    files->slots[gap] = (struct file_entry){0};
    files->count--;
}

int64_t files_end(struct files *files, const struct files_dirs *dirs)
{
    int64_t freed = 0;
    uint32_t scan = ++files->scan;
    files->missed_bytes = 0;
    for (size_t i = 0; i < files->capacity;) {
        struct file_entry *entry = &files->slots[i];
        /* What the scan before did not see either was not there when the directory was read. */
        if (entry->inode && entry->seen == scan - 1 && !entry->is_dir &&
            dirs->is_skipped(dirs->arg, entry->dir))
            entry->seen = scan;
        if (!entry->inode || scan - entry->seen < 2) {
            files->missed_bytes += entry->inode && entry->seen != scan ? entry->bytes : 0;
            i++;
            continue;
        }
        freed += entry->bytes;
        count(files, entry, -1);
        if (entry->is_dir)
            dirs->forget(dirs->arg, entry->dir);
        take_out(files, i); /* what moved here is looked at next */
    }
    return freed;
}
