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

/* The clock of seen_ms. */
static inline uint32_t waiting_clock_ms(void)
{
    return (uint32_t)(uint64_t)(mono_now().ns / 1000000);
}

void waiting_init(struct waiting *waiting);
void waiting_fini(struct waiting *waiting);

/* Look at the directory. With `force` false a directory that has not changed is not read again. 0 or negative
 * errno (what was known stays). */
NODISCARD int waiting_scan(struct waiting *waiting, const struct spool *spool, enum spool_queue queue,
                           const char *db_folder, bool force);

/* The file name of a segment; and forget the first `count` of a group, which were claimed. */
void waiting_name(const struct waiting *waiting, const struct waiting_group *group, size_t index,
                  char file[static NAME_FILE_MAX_BYTES + 1]);
void waiting_drop(struct waiting *waiting, struct waiting_group *group, size_t count);

struct waiting_sums {
    uint64_t segments, groups, rows, raw_bytes, unmeasured;
};
void waiting_sum(const struct waiting *waiting, struct waiting_sums *sums);

#endif
