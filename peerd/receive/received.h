/* The databases that peers send to: which of them have no room for now, and what was taken and refused.
 * A database is never forgotten: pointers to it stay good until received_fini(). Thread-safe. */
#ifndef SPILLWAY_PEERD_RECEIVED_H
#define SPILLWAY_PEERD_RECEIVED_H

#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/total.h"
#include "common/control/lease.h"

enum { RECEIVED_DATABASES_MAX = 4000, RECEIVED_WHY_BYTES = 256 };

struct received_database {
    struct received_database *next;
    char *name;          /* as people write it */
    struct lease *lease; /* the lander's */
    _Atomic uint64_t transfers, rows, bytes, known, conflicts, refused;
    /* private */
    struct mono full_until;
    bool is_spent;
    char why[RECEIVED_WHY_BYTES];
};

struct received {
    pthread_mutex_t lock;
    struct received_database *first;
    size_t count;
};

void received_init(struct received *received);
void received_fini(struct received *received);

/* The one of this name. NULL: no memory, or RECEIVED_DATABASES_MAX others are there. */
struct received_database *received_get(struct received *received, const char *name);

/* There was no room for it: who comes within the time is refused with this reason. `is_spent`: the disk
 * budget is, which does not pass by itself. */
void received_set_full(struct received *received, struct received_database *database, int64_t ms,
                       bool is_spent, const char *why);

/* Has it room, as far as is known? Else `why` gets the reason. */
NODISCARD bool received_has_room(struct received *received, struct received_database *database,
                                 bool *is_spent, char why[static RECEIVED_WHY_BYTES]);

/* Is there no database that has room, and one at least that has not? */
bool received_is_full(struct received *received);

void received_each(struct received *received, void (*visit)(void *arg, struct received_database *database),
                   void *arg);

#endif
