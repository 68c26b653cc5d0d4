/* Which databases are in failover, since when, and how often that changed: what the rule (failover.h) says is
 * compared with what it said before, and each change is told once. What must outlive the process is in
 * state/failover.json (board_file.h). No I/O and no clock here. Main thread only. */
#ifndef SPILLWAY_PEERD_BOARD_H
#define SPILLWAY_PEERD_BOARD_H

#include "common/base/clock.h"
#include "peerd/failover/overrides.h"

struct board_entry {
    char db[NAME_FILE_MAX_BYTES + 1]; /* as people write it */
    struct failover now;              /* its member is not valid: `at` below is */
    char at[PEER_NAME_BYTES];         /* the sacrificial instance; "": not in failover */
    bool is_ours;                     /* it is us */
    int64_t since_ms;                 /* wall; of being in failover or not; 0: never changed */
    uint64_t went_on, went_off, moved;
    enum health health;     /* our own word on it */
    int64_t health_ms;      /* since when */
    struct mono stay_until; /* whoever is told of changes may set it: failing_is_leaving() */
};

struct board {
    struct board_entry *list; /* by db */
    size_t count;
};

enum board_change { BOARD_ON, BOARD_OFF, BOARD_MOVED };

/* Called for each change, with the entry as it is now and what `at` was before. */
typedef void board_tell(void *arg, enum board_change change, struct board_entry *entry, const char *was_at);

void board_fini(struct board *board);

/* The entry of a database; NULL: nothing is known of it, all is well. */
struct board_entry *board_find(const struct board *board, const char *db);

/* The same, made when it is missing. NULL: no memory, or PEER_DATABASES_MAX are known. */
struct board_entry *board_make(struct board *board, const char *db);

/* Apply the rule to every database that any member of the view, or an operator, spoke of. Before the view is
 * settled, nothing ends and nothing begins. True when anything that board_file.h keeps has changed. */
bool board_look(struct board *board, const struct view *view, const struct overrides *overrides,
                int64_t wall_ms, board_tell *tell, void *arg);

/* How many are in failover. */
size_t board_active(const struct board *board);

#endif
