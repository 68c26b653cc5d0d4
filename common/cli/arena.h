/* Memory for many small things that live and die together: pieces of big chunks that never move. One thread.
 */
#ifndef SPILLWAY_CLI_ARENA_H
#define SPILLWAY_CLI_ARENA_H

#include <stddef.h>

#include "common/base/compiler.h"

struct arena {
    struct arena_chunk *chunk; /* the newest; NULL: nothing yet */
    size_t used;               /* bytes of it */
};

/* `bytes` (at most 32 KiB) of memory, aligned for anything, valid until arena_fini(). NULL: out of memory. A
 * zeroed struct is an empty arena. */
NODISCARD void *arena_take(struct arena *arena, size_t bytes);

/* A copy of a text; not aligned. */
NODISCARD const char *arena_text(struct arena *arena, const char *text);

void arena_fini(struct arena *arena);

#endif
