/* The account of the disk budget: what the spool holds, what was promised to writers, and how much may still
 * be promised. Pure bookkeeping: no I/O, no clock (milliseconds of any monotonic clock come as arguments).
 * One thread.
 *
 *     used + outstanding + reserve <= limit         whenever a byte is granted
 *     segments + settled + outstanding <= max_segments       whenever a file is granted
 *
 * used         what scans saw (files.h), plus what writers said they wrote and no scan can have seen yet
 * (settled). settled      drops out with a complete scan that started after the writer's word, as far as that
 * scan came upon as much growth in that database; the rest is counted until a second scan. outstanding
 * leased, and not yet reported as written, of every holder that may be alive. reserve      room for what
 * grows without a lease: directories, state files, indexes of blocks. See account_reserve().
 *
 * Bytes that a scan sees before their writer reports them are counted twice for a while: on the safe side. */
#ifndef SPILLWAY_DISKGUARD_ACCOUNT_H
#define SPILLWAY_DISKGUARD_ACCOUNT_H

#include "diskguard/databases.h"
#include "diskguard/files.h"

enum {
    HOLDERS_MAX = 4096,
    TURN_MS = 5000,   /* how long others stand back for the one that has waited longest */
    ABSENT_MS = 2000, /* who was refused and did not ask again for this long does not wait any more */
};

/* One lease of one process. Its number is its slot in state/leases too (slots.h). */
struct holder {
    bool is_used;
    uint32_t
        connection; /* 0: its connection ended and the process may be alive, or diskguard was restarted */
    int64_t pid;
    uint64_t start; /* of the process (process.h): a pid alone comes again */
    uint64_t lease, seq;
    size_t db;
    struct amount outstanding;
    int64_t waiting_since_ms, refused_ms; /* 0: does not wait */
    struct amount waiting_need;           /* what it lacks */
};

struct account {
    struct databases databases;
    struct files files;
    struct holder *holders;
    size_t holders_end; /* all used ones are below */
    int64_t limit, max_segments;
    struct amount settled, outstanding; /* sums over the databases */
    uint64_t grants, refusals, claims;  /* so far; claims: of bytes that were never granted */
};

/* `limit` in bytes, > 0. -ENOMEM. The account has pointers into itself: it stays where it is. */
NODISCARD int account_init(struct account *account, int64_t limit, int64_t max_segments);
void account_fini(struct account *account);

/* --- holders ---------------------------------------------------------------------------------------- */

/* NULL: not known. With a connection: by that and the lease's number; else by process. */
struct holder *account_find(struct account *account, uint32_t connection, int64_t pid, uint64_t start,
                            uint64_t lease);

/* A new one, holding nothing. -ENOSPC: there are HOLDERS_MAX. */
NODISCARD int account_add(struct account *account, const struct holder *like, struct holder **holder);

/* The same at a given place, with what it held before diskguard was restarted. */
void account_restore(struct account *account, size_t number, const struct holder *like);

/* It says that it holds `holding` now: the rest of what it had is on disk, or will be seen not to be. Returns
 * what it claims beyond what it was granted (that counts as outstanding: it may write it), normally nothing.
 */
struct amount account_report(struct account *account, struct holder *holder, struct amount holding);

/* It is dead: all that it held counts as written until scans know better. */
void account_end(struct account *account, struct holder *holder);

/* Leases with something outstanding, and those that wait for something. */
size_t account_holders(const struct account *account);

/* --- scans ------------------------------------------------------------------------------------------ */

void account_scan_begin(struct account *account);

/* After a complete walk. `*freed`: bytes of files that are gone. */
void account_scan_end(struct account *account, const struct files_dirs *dirs, int64_t *freed);

/* Growth of database `db` that the last scan found beyond what its writers could have written, and the place
 * of most of it. Called after the walk and before account_scan_end(). */
int64_t account_drift(const struct account *account, size_t db, enum area *area);

/* --- sums ------------------------------------------------------------------------------------------- */

int64_t account_used(const struct account *account);

/* Room kept for what nobody leases: 1/32 of the limit, at least 64 KiB and at most 16 MiB (a directory entry
 * costs at most some 140 bytes for each 4 KiB of file, in a directory that is half empty after a split), and
 * 4 KiB for each folder that a database known here has not got yet in a queue, together at most 1/16 of the
 * limit. */
int64_t account_reserve(const struct account *account);

/* limit - reserve - used - outstanding, and the same of files: may be negative. */
struct amount account_room(const struct account *account);

/* What to tell people. A byte that a scan saw before its writer reported it is in both sums of the account;
 * as what is really used and outstanding never exceeds the limit, all beyond it is such bytes: counted twice,
 * and left out of what is shown, so that the sum is true. */
struct shown {
    int64_t used, outstanding, counted_twice;
};
struct shown account_shown(const struct account *account);

/* --- grants ----------------------------------------------------------------------------------------- */

/* How much of `room` a holder gets that needs `need` and wants `want` in all, of bytes and of files. False:
 * there is not enough of one of them, and it gets nothing.
 *
 * Scarce room is shared: beyond its need, one gets at most half of an even share. Who was refused is
 * remembered, and for TURN_MS others leave untouched what the one needs that has waited longest; then it is
 * the next one's turn. */
struct wish {
    struct amount need, want;
};
bool account_grant(struct account *account, struct holder *holder, const struct wish *wish,
                   struct amount room, int64_t now_ms, struct amount *granted);

#endif
