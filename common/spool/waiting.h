/* The segments of one database that wait in a queue, as the last scan saw them, grouped by table, schema and
 * format. The directory is the truth: this is a cache of what a scan tells (names) and of what a measurement
 * tells (rows, raw bytes), some 60 bytes a segment. Used by uploader (upload/) and by peerd (sealed/), which
 * measures nothing but the length of files. A scan of a directory that has changed reads all its names, but
 * parses only those that are new. One thread at a time for each. */
#ifndef SPILLWAY_SPOOL_WAITING_H
#define SPILLWAY_SPOOL_WAITING_H

#include <stdbool.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/segment/name.h"
#include "common/spool/place.h"
#include "common/spool/walk.h"

struct waiting_segment {
    uint64_t id;
    uint64_t name_hash; /* of the file's name */
    uint64_t raw_bytes; /* 0 until measured, as the next two. peerd: bytes of the file */
    uint32_t rows, blocks;
    uint32_t group;
    uint32_t seen_ms; /* monotonic, modulo 2^32: when a scan saw it first */
    bool is_measured, is_present;
};

struct waiting_group {
    char *table;
    uint64_t schema_hash;
    bool has_schema;
    enum segment_format format;
    uint32_t first, count; /* its segments, in the order of ids */
    uint32_t next;         /* in its hash chain; UINT32_MAX: the last */
};

struct waiting {
    struct waiting_segment *segments;
    size_t count, capacity;
    size_t sorted;   /* so many are in order; those behind were found by the scan that is going on */
    uint32_t *index; /* hash table of the sorted, by name_hash; UINT32_MAX: free */
    size_t index_count;
    struct waiting_group *groups;
    size_t group_count, group_capacity;
    uint32_t *chains; /* hash table of groups */
    size_t chain_count;
    uint32_t *due; /* groups that are due, the one with the oldest segment first */
    size_t due_count, due_next;
    uint64_t strays;         /* files whose names are not those of segments */
    struct timespec changed; /* the directory's mtime at the last scan */
    struct mono scanned;
    uint32_t now_ms;
    bool has_scanned;
};

void waiting_init(struct waiting *waiting);
void waiting_fini(struct waiting *waiting);

/* Look at the directory. With `force` false a directory that has not changed is not read again. 0 or negative
 * errno (what was known stays). */
NODISCARD int waiting_scan(struct waiting *waiting, const struct spool *spool, enum spool_queue queue,
                           const char *db_folder, bool force);

/* What makes a batch. */
struct batch_limits {
    uint64_t raw_bytes; /* it is full when it holds this much */
    uint64_t blocks;
    uint32_t files;
    int64_t age_ms; /* it is due when its oldest segment has waited this long */
};

enum { BATCH_BLOCKS_MAX = 256 << 10 };

/* How many segments, from the oldest on, make a batch now; 0: not due yet. All of the first `count` that
 * matter must be measured: *unmeasured is the index of the first that is not, when that is needed for an
 * answer (and then 0 is returned); else count. Pure. */
size_t batch_choose(const struct waiting_segment *segments, size_t count, const struct batch_limits *limits,
                    bool is_old, size_t *unmeasured);

/* Has the oldest segment of the group waited for age_ms? By the monotonic clock since it was first seen, or
 * by its id's own time: whichever is more, so that neither a restart nor a step of the wall clock delays it.
 */
bool waiting_is_old(const struct waiting *waiting, const struct waiting_group *group, int64_t age_ms,
                    int64_t wall_ms);

/* Measures files; at most `budget` of them before it says that more time is needed. */
struct waiting_ruler {
    struct walk *walk;
    int dir; /* of the queue's folder */
    unsigned budget;
};

/* Rebuild the list of due groups. False: the budget was spent before all was known; call again. */
bool waiting_find_due(struct waiting *waiting, const struct batch_limits *limits,
                      struct waiting_ruler *ruler);

/* The next group of the list, or NULL; *count is how many of its segments make the batch. */
struct waiting_group *waiting_next_due(struct waiting *waiting, const struct batch_limits *limits,
                                       struct waiting_ruler *ruler, size_t *count);

/* While old data is drained, new data must not wait behind all of it: if the oldest that is due is older than
 * fresh_ms, the group of the newest segment, and in *count how many of its last segments, all of them younger
 * than that, make a batch now. NULL: nothing is that old, or nothing new is due. */
struct waiting_group *waiting_newest(struct waiting *waiting, const struct batch_limits *limits,
                                     struct waiting_ruler *ruler, int64_t fresh_ms, int64_t wall_ms,
                                     size_t *count);

/* The file name of a segment; and forget the first `count` of a group, which were claimed. */
void waiting_name(const struct waiting *waiting, const struct waiting_group *group, size_t index,
                  char file[static NAME_FILE_MAX_BYTES + 1]);
void waiting_drop(struct waiting *waiting, struct waiting_group *group, size_t count);

struct waiting_sums {
    uint64_t segments, groups, rows, raw_bytes, unmeasured;
};
void waiting_sum(const struct waiting *waiting, struct waiting_sums *sums);

#endif
