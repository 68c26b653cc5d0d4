/* A writer's side of the disk budget (house.md §4): it asks diskguard for bytes before it writes them.
 *
 *     lease_open(&lease, &spool, "Metrics", &err);
 *     rc = lease_take(lease, worst_case_bytes, &err);        // before a write
 *     ... write; grown = allocated bytes after - before ...
 *     lease_use(lease, grown);                                // after it
 *     lease_close(lease);                                     // gives the rest back
 *
 * Bytes are bytes allocated on disk (st_blocks * 512), not lengths. Each message to diskguard carries all
 * that the writer still holds, so a lost one leaves no drift; when the process dies the kernel tells
 * diskguard. Leases are large compared with writes, so that most calls send nothing.
 *
 * One thread at a time for each lease. */
#ifndef SPILLWAY_LEASE_H
#define SPILLWAY_LEASE_H

#include <stdint.h>

#include "common/spool/spool.h"

struct lease;

/* `db` is the database's name as people write it. Connects in the background. -EMFILE: 4096 are open in this
 * process. With `guarded` false every take succeeds and nothing is sent (--no-guard). */
NODISCARD int lease_open(struct lease **lease, const struct spool *spool, const char *db, bool guarded,
                         struct err *err);

/* Hold at least `bytes`. 0: held. -EDQUOT: refused, the budget is spent (`err` has diskguard's reason), try
 * again later. -ENOTCONN: no diskguard answers. -EPROTO: it answers what cannot be understood (another
 * version). Waits at most some hundred milliseconds. What was held stays held either way. */
NODISCARD int lease_take(struct lease *lease, int64_t bytes, struct err *err);

/* `bytes` of what is held are on disk now (or, negative: were given back to the file system; they are held
 * again as far as diskguard has not heard of them yet, the rest its scans find). Now and then, when little of
 * it was needed lately, gives some back: waits as lease_settle() does. */
void lease_use(struct lease *lease, int64_t bytes);

/* Give back what is held above `keep` bytes: an idle writer holds next to nothing. Waits 150 ms at most. */
void lease_settle(struct lease *lease, int64_t keep);

/* Give all of it back and free. */
void lease_close(struct lease *lease);

/* What a file of `size` bytes may occupy at most: whole blocks, and one for the file system's own
 * bookkeeping. */
int64_t lease_cost(int64_t size);

#endif
