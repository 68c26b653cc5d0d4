/* What is remembered of the directories of the spool, so that one of complete files alone that has not
 * changed since it was read is not read again. A directory's number is in its entry in `files` (files.h).
 * Pure but for the wall clock; one thread. */
#ifndef SPILLWAY_DISKGUARD_DIRS_H
#define SPILLWAY_DISKGUARD_DIRS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/base/compiler.h"

/* File systems with delayed allocation may put a block beside a file (an index of its extents) when they
 * write it out, some 30 s after its last write. A file that was written in one age is therefore looked at
 * once more when it is two ages later. Ages are counted modulo AGES. */
enum { AGE_MS = 45000, AGES = 4, CHECK_EVERY = 256 };

static inline bool age_is_past(unsigned age, unsigned now)
{
    return (now + AGES - age) % AGES >= 2;
}

struct dir_record {
    bool is_used;
    bool is_constant;   /* nothing but complete files was in it, and it was not changing when it was read */
    bool has_young;     /* files whose allocation may not have come to rest */
    unsigned young_age; /* of the oldest of these */
    struct timespec mtime, ctime;
    uint32_t read_in, skipped_in; /* numbers of scans */
};

struct dirs {
    struct dir_record *list;
    uint32_t end, capacity;
    uint32_t first_free; /* no free record is below */
};

void dirs_fini(struct dirs *dirs);

/* A free number; its record is made used, and pointers to records are void. -ENOMEM. */
NODISCARD int dirs_add(struct dirs *dirs, uint32_t *number);
void dirs_forget(struct dirs *dirs, uint32_t number);

/* Directory `number` is about to be read in scan `scan`. */
void dirs_note_read(struct dirs *dirs, uint32_t number, const struct stat *st, uint32_t scan);

/* There is a file in it that was young in `age`; it is `now`. */
void dirs_note_young(struct dirs *dirs, uint32_t number, unsigned age, unsigned now);

/* Is what was read of it still so, in scan `scan` at age `now`? */
bool dirs_may_skip(const struct dirs *dirs, uint32_t number, const struct stat *st, uint32_t scan,
                   unsigned now);

/* May it change again within one tick of the clock that stamps it? */
bool dirs_has_changed_lately(const struct stat *st);

#endif
