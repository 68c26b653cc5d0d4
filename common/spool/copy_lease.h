/* Room for a copy that is made inside the spool (a salvage, an extract): such bytes are leased from diskguard
 * like any others. The lease lives as long as the making of the copy. One thread for each. */
#ifndef SPILLWAY_SPOOL_COPY_LEASE_H
#define SPILLWAY_SPOOL_COPY_LEASE_H

#include "common/control/lease.h"

struct copy_lease {
    struct lease *lease;
};

/* Hold what a file of `bytes` bytes may cost, for the database of this folder. Nothing is
 * asked when the spool is not guarded (spool.h). 0; -EDQUOT no room now; -ENOTCONN no diskguard; -EINVAL no
 * database's folder: then there is nothing to end. */
NODISCARD int copy_lease_take(struct copy_lease *copy, const struct spool *spool, const char *db_folder,
                              int64_t bytes, struct err *err);

/* The copy is made, or given up: `allocated_bytes` of it are on disk now. The rest goes back. */
void copy_lease_end(struct copy_lease *copy, int64_t allocated_bytes);

/* What a file occupies: for copy_lease_end(). 0 when it is not there. */
int64_t copy_lease_allocated(int dir, const char *file);

#endif
