/* state/failover.json: what of failover must outlive the process.
 *
 *     {"v":1,"overrides":{…},"databases":{D:{"active":true,"at":"n2","since":ms,
 *      "health":"down","health_since":ms}}}
 *
 * What operators said (overrides.h); which databases were in failover and since when; and our own word on
 * those that were out of reach, which stands until uploader has a new one. One thread. */
#ifndef SPILLWAY_PEERD_BOARD_FILE_H
#define SPILLWAY_PEERD_BOARD_FILE_H

#include "common/spool/spool.h"
#include "peerd/failover/board.h"

/* Read it. One that cannot be understood is set aside as failover.json.bad, logged, and counts as none.
 * Negative errno: it cannot be read. */
NODISCARD int board_file_load(struct board *board, struct overrides *overrides, const struct spool *spool,
                              int64_t wall_ms, struct err *err);

/* Write it: temporary file, fsync, rename, fsync of the directory. */
NODISCARD int board_file_store(const struct board *board, const struct overrides *overrides,
                               const struct spool *spool, struct err *err);

#endif
