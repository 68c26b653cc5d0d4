/* The words that name segments, on the command line of every command:
 *
 *     DB            all of a database          DB/TABLE   all of a table
 *     FILE          a segment's file name (it holds a comma, which no database's name does), as ls prints it
 *     QUEUE/DB/FILE and QUEUE/DB/GROUP/FILE   the same in one place, as verify prints it; or with the spool's
 * path before it
 *
 * and the flags that go with them: --in QUEUE, --older AGE, --newer AGE. Thread-safe. */
#ifndef SPILLWAY_CLI_WORDS_H
#define SPILLWAY_CLI_WORDS_H

#include "common/cli/command.h"
#include "common/cli/inventory.h"

struct words {
    struct inventory_words names;
    char folder[SPOOL_NAME_BYTES], file[SPOOL_NAME_BYTES];
    struct inventory_filter filter; /* points into this struct: it is not to be copied */
};

/* What the flags select, whatever the words; `queues` where --in is not given. -EINVAL: --in is no queue's
 * name. */
NODISCARD int words_read_flags(const struct cli *cli, unsigned queues, struct inventory_filter *filter,
                               struct err *err);

/* One word together with what the flags select. -EINVAL when it is none of the above. */
NODISCARD int words_read(const struct cli *cli, const char *word, const struct inventory_filter *flags,
                         struct words *words, struct err *err);

/* Does the word lead to a file in this spool? */
bool words_is_in_spool(const struct cli *cli, const char *word);

#endif
