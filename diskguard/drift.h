/* Growth of the spool that nobody had leased, and who may have written it: what scans find against the word
 * of clients. One thread. */
#ifndef SPILLWAY_DISKGUARD_DRIFT_H
#define SPILLWAY_DISKGUARD_DRIFT_H

#include "diskguard/account.h"

enum { DRIFT_CLIENTS = 8, DRIFT_LEFT = 64 };

/* The last drift that was large enough to be told. */
struct drift_finding {
    int64_t bytes; /* 0: there was none yet */
    size_t db;
    enum area area;
    int64_t wall_ms;
    int64_t
        clients[DRIFT_CLIENTS]; /* pids; all that had leases of this database, or had just given them back */
    size_t client_count;
};

struct drift {
    int64_t bytes; /* found by the last scan */
    int64_t total_by_area[AREA_COUNT];
    uint64_t findings; /* that were told */
    struct drift_finding last;
    /* Leases that ended lately, a ring: the scan that shows what they really wrote comes after that. */
    struct drift_left {
        int64_t pid;
        size_t db;
        uint64_t scan;
    } left[DRIFT_LEFT];
    size_t next_left;
};

/* A lease ended, after `scan` complete scans. */
void drift_note_left(struct drift *drift, const struct holder *holder, uint64_t scan);

/* A walk is complete, the number `scan`, and the account not yet brought up to date. Above 1 % of the limit
 * it is a warning that names the queue and the clients. */
void drift_find(struct drift *drift, const struct account *account, uint64_t scan);

#endif
