/* What segments there are, in all queues, in the order of their ids: the basis of ls, cat and verify. A snapshot: what moves
 * meanwhile is found again with inventory_open(). One thread. */
#ifndef SPILLWAY_CLI_INVENTORY_H
#define SPILLWAY_CLI_INVENTORY_H

#include "common/segment/name.h"
#include "common/spool/place.h"

struct inventory_entry {
    enum spool_queue queue;
    char *db, *group, *file; /* folder names; file is a segment's name, or anything.gz when !is_segment */
    bool is_segment;         /* the name is a segment's */
    uint64_t id;             /* if is_segment */
    int64_t bytes;           /* length of the file */
};

struct inventory {
    struct inventory_entry *entries;
    size_t count, capacity;
};

/* What to take in. Texts are as people write them. */
struct inventory_filter {
    const char *db, *table; /* NULL: any */
};

/* "DB", "DB/TABLE": split into storage of the caller's. -EINVAL when a name is none that ADX takes. */
struct inventory_words {
    char db[NAME_MAX_BYTES + 1], table[NAME_MAX_BYTES + 1];
    struct inventory_filter filter;
};
NODISCARD int inventory_parse(const char *word, struct inventory_words *words, struct err *err);

/* Add what matches to `inventory` (zeroed before the first time). 0 or a negative errno. */
NODISCARD int inventory_add(struct inventory *inventory, const struct spool *spool, const struct inventory_filter *filter);

/* Order by id and drop what is there twice: a segment seen in two queues while it moved, or a salvaged one whose damaged
 * original lies in quarantine (which is then left out). */
void inventory_settle(struct inventory *inventory);

void inventory_fini(struct inventory *inventory);

/* Where it is. */
struct spool_place inventory_place(const struct inventory_entry *entry);

/* Open the segment's file wherever it is by now. The caller closes it. -ENOENT: it has left the spool. */
NODISCARD int inventory_open(const struct spool *spool, struct inventory_entry *entry);

#endif
