/* The words of cat and verify: DB, DB/TABLE (in the spool, all queues) or a file's path (anywhere). */
#ifndef SPILLWAY_CLI_SELECTION_H
#define SPILLWAY_CLI_SELECTION_H

#include "common/cli/command.h"
#include "common/cli/inventory.h"

/* What is done with each file. `fd` stays the caller's. `label` names it for people: its path, or its place in the spool.
 * `entry` is NULL for a file that was named by its path. Not 0 ends the run, which returns it. */
typedef int selection_visit(void *arg, int fd, const char *label, const struct inventory_entry *entry);

/* Visit all that the words select, segments in the order of their ids, with progress on a terminal when `progress_name` is not
 * NULL. No words: the whole spool when `none_is_all`, else wrong usage. What leaves the spool meanwhile is passed over.
 * 0, what a visit returned, or a negative errno with `err`. */
NODISCARD int selection_visit_all(struct cli *cli, bool none_is_all, const char *progress_name, selection_visit *visit,
                                  void *arg, struct err *err);

#endif
