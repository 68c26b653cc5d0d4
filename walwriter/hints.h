/* Tells peerd and uploader that there is a new segment. Never waits and never fails: a hint that is lost
 * costs delay, since both look for themselves, too. One thread. */
#ifndef SPILLWAY_HINTS_H
#define SPILLWAY_HINTS_H

#include "common/control/client.h"
#include "common/spool/spool.h"

enum { HINTS_PROGRAMS = 2 };

struct hints {
    const struct spool *spool;
    struct ctl_client *clients[HINTS_PROGRAMS]; /* NULL: the program has not been seen yet */
};

void hints_init(struct hints *hints, const struct spool *spool);
void hints_fini(struct hints *hints);

/* A segment was sealed. */
void hints_give(struct hints *hints);

#endif
