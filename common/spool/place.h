/* Places in the spool and the moves between them. A place is a directory that segments are in: a queue, a
 * database's folder and, in batch/ and transfer/, an id. Thread-safe. */
#ifndef SPILLWAY_SPOOL_PLACE_H
#define SPILLWAY_SPOOL_PLACE_H

#include <jansson.h>

#include "common/spool/spool.h"

struct spool_place {
    enum spool_queue queue;
    char db[SPOOL_NAME_BYTES];    /* the database's folder name */
    char group[SPOOL_NAME_BYTES]; /* in grouped queues: the id's folder; else "" */
};

struct spool_place spool_place(enum spool_queue queue, const char *db_folder);
struct spool_place spool_group(enum spool_queue queue, const char *db_folder, uint64_t id);

/* A descriptor of the place's directory; the caller closes it. With `create` missing folders are made.
 * -ENOENT when it is not there. */
NODISCARD int spool_place_open(const struct spool *spool, const struct spool_place *place, bool create);

/* The place as a path below the spool, for messages: "upload/Metrics" or "batch/Metrics/0123…". */
enum { SPOOL_PLACE_BYTES = 3 * SPOOL_NAME_BYTES };
const char *spool_place_text(const struct spool_place *place, char text[static SPOOL_PLACE_BYTES]);

/* Move a file: one rename that never replaces anything (-EEXIST). With `durable`, both directories are synced
 * after it; the file's own content is the caller's business. */
NODISCARD int spool_move(const struct spool *spool, const struct spool_place *from, const char *file,
                         const struct spool_place *to, bool durable);

/* Put a file into quarantine with the reason beside it: `<file>.why` (durable) first, then the rename. `why`
 * is borrowed; "time", "file" and "from" are added to it. When the name is taken there, a number is put
 * before it. */
NODISCARD int spool_quarantine(const struct spool *spool, const struct spool_place *from, const char *file,
                               json_t *why);

/* Write `<file>.why` for something that is already in quarantine. */
NODISCARD int spool_write_why(const struct spool *spool, const char *db_folder, const char *file,
                              json_t *why);

/* Called for each file of a walk, in the order of the directories (that is, none). `dir` is the open
 * directory. Not 0 ends the walk, which returns it. The file may be moved or removed. */
typedef int spool_visit(void *arg, const struct spool_place *place, int dir, const char *file);

/* Visit the segments (`*.gz`, in active/ also landing ones, reader.h) of a queue; with `db_folder` those of
 * one database. Temporary and other files are passed over. A file that is moved meanwhile may be missed or
 * seen twice (in another walk): the next scan sees it. */
NODISCARD int spool_walk(const struct spool *spool, enum spool_queue queue, const char *db_folder,
                         spool_visit *visit, void *arg);

/* The same for all files of a queue that is not grouped, whatever they are called, but temporary ones: in
 * active/ rows that were refused and bodies that come in, too. */
NODISCARD int spool_walk_any(const struct spool *spool, enum spool_queue queue, spool_visit *visit,
                             void *arg);

/* Called for each group of batch/ or transfer/; also those without any segment. */
typedef int spool_visit_group(void *arg, const struct spool_place *place, int dir);
NODISCARD int spool_walk_groups(const struct spool *spool, enum spool_queue queue, spool_visit_group *visit,
                                void *arg);

#endif
