/* The ledger's two files (ledger.h). One thread. */
#ifndef SPILLWAY_PEERD_LEDGER_FILE_H
#define SPILLWAY_PEERD_LEDGER_FILE_H

#include "common/base/buf.h"
#include "common/segment/digest.h"
#include "common/spool/spool.h"

struct ledger_file {
    const struct spool *spool;
    int fd;          /* of the newer one */
    uint64_t bytes;  /* the end of its last line */
    bool is_suspect; /* a sync of it failed: it is written anew before anything is promised again */
};

/* Open the newer one, making it when it is missing; a torn last line is cut off. */
NODISCARD int ledger_file_open(struct ledger_file *file, const struct spool *spool, struct err *err);
void ledger_file_close(struct ledger_file *file);

/* Called for each line; not 0 ends the reading, which returns it. */
typedef int ledger_line_visit(void *arg, int64_t time_ms, const char *id, struct digest_value digest);

/* Read one of the two. A file that is missing is empty. */
NODISCARD int ledger_file_read(struct ledger_file *file, bool is_older, ledger_line_visit *visit, void *arg,
                               struct err *err);

/* The newer becomes the older, and an empty one takes its place. */
NODISCARD int ledger_file_rotate(struct ledger_file *file, struct err *err);

/* All of it, or nothing. `*grown`: bytes allocated on disk. */
NODISCARD int ledger_file_append(struct ledger_file *file, const struct buf *lines, bool durable,
                                 int64_t *grown, struct err *err);

#endif
