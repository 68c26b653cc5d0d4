/* The names in a directory, read before anything in it moves. One thread. */
#ifndef SPILLWAY_SPOOL_NAMES_H
#define SPILLWAY_SPOOL_NAMES_H

#include <stddef.h>

#include "common/base/compiler.h"

struct names {
    char **list;
    size_t count;
};

/* Append all entries of `dir` to a zeroed struct. Negative errno when not all could be read; names_free() in
 * any case. */
NODISCARD int names_read(int dir, struct names *names);
void names_free(struct names *names);

#endif
