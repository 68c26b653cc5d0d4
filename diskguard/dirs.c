#include "diskguard/dirs.h"

#include <errno.h>

#include "common/base/clock.h"

enum { RACY_MS = 50 };

void dirs_fini(struct dirs *dirs)
{
    free(dirs->list);
    *dirs = (struct dirs){0};
}

int dirs_add(struct dirs *dirs, uint32_t *number)
{
    while (dirs->first_free < dirs->end && dirs->list[dirs->first_free].is_used)
        dirs->first_free++;
    if (dirs->first_free == dirs->capacity) {
        uint32_t capacity = dirs->capacity ? dirs->capacity * 2 : 64;
        struct dir_record *list = realloc(dirs->list, capacity * sizeof *list);
        if (!list)
            return -ENOMEM;
        dirs->list = list;
        dirs->capacity = capacity;
    }
    *number = dirs->first_free;
    if (*number == dirs->end)
        dirs->end++;
    dirs->list[*number] = (struct dir_record){.is_used = true};
    return 0;
}

void dirs_forget(struct dirs *dirs, uint32_t number)
{
    dirs->list[number] = (struct dir_record){0};
    if (number < dirs->first_free)
        dirs->first_free = number;
}

void dirs_note_read(struct dirs *dirs, uint32_t number, const struct stat *st, uint32_t scan)
{
    struct dir_record *record = &dirs->list[number];
    record->mtime = st->st_mtim;
    record->ctime = st->st_ctim;
    record->read_in = scan;
    record->is_constant = false; /* until it has been read to its end */
    record->has_young = false;
}

void dirs_note_young(struct dirs *dirs, uint32_t number, unsigned age, unsigned now)
{
    struct dir_record *record = &dirs->list[number];
    if (record->has_young && (now + AGES - record->young_age) % AGES >= (now + AGES - age) % AGES)
        return;
    record->has_young = true;
    record->young_age = age;
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool dirs_has_changed_lately(const struct stat *st)
{
    int64_t changed_ms = (int64_t)st->st_ctim.tv_sec * 1000 + st->st_ctim.tv_nsec / 1000000;
    int64_t age_ms = wall_now_ms() - changed_ms;
    return age_ms < RACY_MS; /* also when it lies in the future: the clock was set back */
}

bool dirs_may_skip(const struct dirs *dirs, uint32_t number, const struct stat *st, uint32_t scan,
                   unsigned now)
{
    const struct dir_record *record = &dirs->list[number];
    return record->is_constant && is_same_time(record->mtime, st->st_mtim) &&
           is_same_time(record->ctime, st->st_ctim) &&
           !(record->has_young && age_is_past(record->young_age, now)) &&
           scan - record->read_in < CHECK_EVERY + number % 16;
}
