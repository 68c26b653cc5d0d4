/* A writer's side of the disk budget (house.md §4): it asks diskguard for bytes before it writes them.
 *
 *     lease_open(&lease, &spool, "Metrics", &err);
 *     rc = lease_take_file(lease, worst_case_bytes, &err);   // before a segment file is made
 *     ... create it ...
 *     lease_use_file(lease);                                  // at once
 *     rc = lease_take(lease, worst_case_bytes, &err);        // before a write
 *     ... write; grown = allocated bytes after - before ...
 *     lease_use(lease, grown);                                // after it
 *     lease_tick(lease, keep);                                // whenever lease_due(lease, keep) is past
 *     lease_close(lease);                                     // gives the rest back
 *
 * Bytes are bytes allocated on disk (st_blocks * 512), not lengths. Each message to diskguard carries all
 * that the writer still holds, so a lost one leaves no drift; when the process dies the kernel tells
 * diskguard. Leases are large compared with writes, so that most calls send nothing.
 *
 * One thread at a time for each lease. */
#ifndef SPILLWAY_LEASE_H
#define SPILLWAY_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
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

/* The same, and the right to make one segment file more (max-segment-count; a file counts from its creation
 * in any queue on, .bad ones too; renaming is free). */
NODISCARD int lease_take_file(struct lease *lease, int64_t bytes, struct err *err);

/* Are so many bytes held, so that lease_take() would not have to ask? */
bool lease_holds(const struct lease *lease, int64_t bytes);

/* One segment file was made. (When it is removed again, diskguard's scans find that.) */
void lease_use_file(struct lease *lease);

/* `bytes` of what is held are on disk now (or, negative: were given back to the file system; they are held
 * again as far as diskguard has not heard of them yet, the rest its scans find). Now and then, when little of
 * it was needed lately, gives some back: waits as lease_settle() does. */
void lease_use(struct lease *lease, int64_t bytes);

/* An idle writer holds next to nothing: when nothing was taken or used for a second, lease_tick() gives back
 * what is held above `keep` bytes (what sealing the open files may need), and all files. lease_due(): when it
 * has something to do; far away when it has not. lease_tick() may be called at any time, and waits as
 * lease_settle() does. */
struct mono lease_due(const struct lease *lease, int64_t keep);
void lease_tick(struct lease *lease, int64_t keep);

/* Give back what is held above `keep` bytes, and all files, now. Waits 150 ms at most. */
void lease_settle(struct lease *lease, int64_t keep);

/* Give all of it back and free. */
void lease_close(struct lease *lease);

/* What a file of `size` bytes may occupy at most: whole blocks, and one for the file system's own
 * bookkeeping. */
int64_t lease_cost(int64_t size);

#endif
