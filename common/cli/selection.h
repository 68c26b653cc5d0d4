/* The segments that a command's words and flags select (words.h), and a visit to each of them. One thread. */
#ifndef SPILLWAY_CLI_SELECTION_H
#define SPILLWAY_CLI_SELECTION_H

#include "common/cli/command.h"
#include "common/cli/inventory.h"

/* What a command takes. */
struct selection_rules {
    unsigned queues;      /* where --in is not given */
    bool none_is_all;     /* no words: all of it; else wrong usage (but --all is always a word) */
    bool takes_outside;   /* a word may be the path of a file outside the spool (cat, verify) */
    const char *progress; /* what the progress line is called; NULL: none is shown */
};

/* Fill a zeroed inventory, settled. A word that selects nothing is told on stderr and counted in `*unmatched`
 * (may be NULL). 0, or a negative errno with `err` (-EINVAL: wrong usage). inventory_fini() in any case. */
NODISCARD int selection_gather(struct cli *cli, const struct selection_rules *rules,
                               struct inventory *inventory, uint64_t *unmatched, struct err *err);

/* What is done with each file. `fd` stays the caller's. `label` names it for people: its path, or its place
 * in the spool. `entry` is NULL for a file outside the spool. Not 0 ends the run, which returns it. */
typedef int selection_visit(void *arg, int fd, const char *label, const struct inventory_entry *entry);

/* Visit all of it, segments in the order of their ids, with progress on a terminal. What leaves the spool
 * meanwhile is passed over; `*gone` (may be NULL) counts it. 0, what a visit returned, or a negative errno
 * with `err`. */
NODISCARD int selection_visit_all(struct cli *cli, const struct selection_rules *rules,
                                  selection_visit *visit, void *arg, uint64_t *gone, struct err *err);

#endif
