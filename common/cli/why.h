/* The `.why` beside a file in quarantine, as `spillway` reads it and takes it away. `dir` is always the
 * database's folder in quarantine/. One thread. */
#ifndef SPILLWAY_CLI_WHY_H
#define SPILLWAY_CLI_WHY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/spool/spool.h"

enum { WHY_REASON_BYTES = 200 };

struct why {
    ino_t inode;  /* of the .why; 0: there is none */
    bool went_on; /* the file is a damaged original: its valid rows went on in a segment of the same name */
    bool is_refused; /* rows that walwriter could not take */
    char reason[WHY_REASON_BYTES];
};

/* What the .why of `file` says. One that is absent, or is not JSON, says nothing. A negative errno: it cannot
 * be read now, and nobody knows what it says. */
NODISCARD int why_read(int dir, const char *file, struct why *why);

/* Take it away if it still is the one that was read (its inode): exact also beside those that put files into
 * quarantine. */
void why_drop(int dir, const char *file, const struct why *why);

/* The key that marks a .why as written for a file that an operator was about to remove. */
#define WHY_MARK "operator"

/* Take it away if the file is not there and it is marked. */
void why_drop_marked(int dir, const char *file);

/* The same for all of quarantine/: what an rm left that came too late for a file, or was killed; and a .why
 * that was in the middle of being taken away. */
void why_sweep(const struct spool *spool);

#endif
