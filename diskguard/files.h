/* The files of the spool as scans have seen them, by inode: a rename within the spool is no news. Pure
 * bookkeeping; one thread. It keeps the sums in the databases' records (bytes, segments, folders, growth).
 *
 * A walk races with renames and can miss a file that moves behind it. A file therefore counts until two scans
 * in a row have not seen it.
 *
 *     files_begin(&files);
 *     files_see(&files, &sighting) ...
 *     files_end(&files, ...);      after a complete walk; after one that failed: nothing, begin anew
 */
#ifndef SPILLWAY_DISKGUARD_FILES_H
#define SPILLWAY_DISKGUARD_FILES_H

#include "diskguard/databases.h"

/* One file or directory. 32 bytes: there may be a million. */
struct file_entry {
    uint64_t inode; /* 0: free slot */
    int64_t bytes;  /* allocated */
    uint32_t name;  /* hash of its name: an inode with another name may be another file */
    uint32_t dir;   /* which directory (scan.c's number) it was seen in; of a directory, its own number */
    uint32_t seen;  /* number of the last scan that saw it */
    unsigned db : 17, area : 4;
    unsigned is_constant : 1; /* complete: its size does not change any more */
    unsigned is_segment : 1;
    unsigned is_dir : 1;
    unsigned is_db_folder : 1;
    unsigned is_young : 1; /* its allocation may not have come to rest: stat it once more, an age later */
    unsigned age : 2;      /* in which age (scan.c) it was young */
};

struct files {
    struct file_entry *slots; /* open addressing; a power of two of them */
    size_t capacity, count;
    struct databases *databases;
    uint32_t scan; /* number of complete scans */
    int64_t bytes; /* of all */
    int64_t segments;
    int64_t missed_bytes; /* of these: not seen by the last scan, and counted until the next */
};

/* `databases` is borrowed. -ENOMEM. */
NODISCARD int files_init(struct files *files, struct databases *databases);
void files_fini(struct files *files);

/* NULL: never seen. Valid until the next files_see(). */
struct file_entry *files_find(const struct files *files, uint64_t inode);

/* Get the place of an inode into the cache: it will be asked for soon. */
void files_prefetch(const struct files *files, uint64_t inode);

void files_begin(struct files *files);

/* It was seen, as `*now` says (`seen` is filled in). -ENOMEM: it is not in the books, the scan has failed. */
NODISCARD int files_see(struct files *files, const struct file_entry *now);

/* The same for an entry that files_find() gave, when nothing but its place may have changed. */
void files_see_again(struct files *files, struct file_entry *entry, const struct file_entry *now);

/* How files_end() asks about directories: those whose entries were taken as they were last time; and one is
 * gone. */
struct files_dirs {
    bool (*is_skipped)(const void *arg, uint32_t dir);
    void (*forget)(void *arg, uint32_t dir);
    void *arg;
};

/* The walk was complete: forget what two of them did not see. Returns the bytes that this freed. */
int64_t files_end(struct files *files, const struct files_dirs *dirs);

#endif
