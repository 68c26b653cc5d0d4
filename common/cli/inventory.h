/* What segments there are, in all queues, in the order of their ids: the basis of ls, cat, verify, requeue,
 * rm and export. A snapshot: what moves meanwhile is found again with inventory_open(). About 100 bytes of
 * memory a segment. One thread. */
#ifndef SPILLWAY_CLI_INVENTORY_H
#define SPILLWAY_CLI_INVENTORY_H

#include "common/cli/arena.h"
#include "common/segment/name.h"
#include "common/spool/place.h"

/* A directory that segments are in; shared by its entries. */
struct inventory_folder {
    enum spool_queue queue;
    const char *db, *group; /* folder names; group "" where the queue has none */
};

enum inventory_kind {
    INVENTORY_SEGMENT, /* the name is a segment's */
    INVENTORY_RENAMED, /* a segment's behind "N,": in quarantine, where its name was taken (place.h) */
    INVENTORY_OTHER,   /* anything.gz */
};

struct inventory_entry {
    uint64_t id;   /* 0 if INVENTORY_OTHER */
    int64_t bytes; /* length of the file */
    ino_t inode;
    const struct inventory_folder *folder;
    const char *file; /* without what its name ends with while it is one that peers' rows land in */
    enum inventory_kind kind;
    bool is_landing; /* its rows are those up to its last commit marker */
};

struct inventory {
    struct inventory_entry *entries;
    size_t count, capacity;
    struct arena arena;                    /* texts and folders */
    const struct inventory_folder *latest; /* entries come folder by folder */
};

/* What to take in. */
struct inventory_filter {
    const char *folder;         /* the database's folder name; NULL: any */
    const char *table;          /* as people write it; NULL: any */
    const char *file;           /* exactly this name; NULL: any */
    unsigned queues;            /* bits 1 << enum spool_queue */
    int64_t from_ms, before_ms; /* begun at or after, and before, in wall time; INT64_MIN and INT64_MAX:
                                   whenever. What has no id has no age: only "whenever" takes it */
};

/* "DB", "DB/TABLE": split and checked. filter.table is NULL without a table, filter.folder the encoded db;
 * both point into this struct. -EINVAL when a name is none that ADX takes. */
struct inventory_words {
    char db[NAME_MAX_BYTES + 1], table[NAME_MAX_BYTES + 1], folder[SPOOL_NAME_BYTES];
    struct inventory_filter filter; /* its queues and ages are the caller's to set */
};
NODISCARD int inventory_parse(const char *word, struct inventory_words *words, struct err *err);

enum { INVENTORY_ALL_QUEUES = (1 << QUEUE_COUNT) - 1 };

/* Add what matches to `inventory` (zeroed before the first time). 0 or a negative errno. */
NODISCARD int inventory_add(struct inventory *inventory, const struct spool *spool,
                            const struct inventory_filter *filter);

/* Order by id and drop what is there twice: a segment seen in two queues while it moved, or a salvaged one
 * whose damaged original lies in quarantine (which is then left out). */
void inventory_settle(struct inventory *inventory);

/* Order by database, then by id: for those who work folder by folder. */
void inventory_order_by_db(struct inventory *inventory);

void inventory_fini(struct inventory *inventory);

/* Sum of the lengths. */
int64_t inventory_bytes(const struct inventory *inventory);

/* What a file's name says: fills `name` (also that behind "N,", and of a landing segment) unless
 * INVENTORY_OTHER. */
enum inventory_kind inventory_read_name(const char *full_name, struct segment_name *name);

/* The name that its file has. `name`: SPOOL_NAME_BYTES bytes. Returns it. */
const char *inventory_file(const struct inventory_entry *entry, char *name);

/* When a segment was begun, in wall time: from its id. 0: unknown. */
int64_t inventory_time_ms(const struct inventory_entry *entry);

/* Where it is: for the spool, and as a path below it for people ("sealed/Metrics/Cpu,-,….csv.gz"). */
struct spool_place inventory_place(const struct inventory_entry *entry);
enum { INVENTORY_LABEL_BYTES = SPOOL_PLACE_BYTES + SPOOL_NAME_BYTES };
const char *inventory_label(const struct inventory_entry *entry, char label[static INVENTORY_LABEL_BYTES]);

/* The database's name: decoded, or the folder's where that is none. `db`: NAME_FILE_MAX_BYTES + 1 bytes.
 * Returns it. */
const char *inventory_db(const struct inventory_folder *folder, char *db);

/* Open the segment's file wherever it is by now, and called whatever (a landing segment may be renamed); the
 * entry then says where. The caller closes it. -ENOENT: it has left the spool, or is another entry. */
NODISCARD int inventory_open(struct inventory *inventory, const struct spool *spool,
                             struct inventory_entry *entry);

#endif
