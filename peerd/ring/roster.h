/* Who should be in the ring: what the configuration lists and what DNS found, put together. Thread-safe: the
 * main thread sets the one, discovery.h the other, poller.h reads. Each part is replaced as a whole. */
#ifndef SPILLWAY_PEERD_ROSTER_H
#define SPILLWAY_PEERD_ROSTER_H

#include <pthread.h>

#include "peerd/ring/members.h"

struct roster_part {
    struct member_address *addresses;
    size_t count;
};

struct roster {
    pthread_mutex_t lock;
    struct roster_part listed, found; /* guarded by lock, as the rest */
    uint64_t version;                 /* grows with each change */
    bool is_complete;                 /* DNS has answered once, or is not asked */
};

void roster_init(struct roster *roster, bool waits_for_dns);
void roster_fini(struct roster *roster);

/* Replace; the addresses are copied. -ENOMEM: it stays as it was. */
NODISCARD int roster_set_listed(struct roster *roster, const struct member_address *addresses, size_t count);
NODISCARD int roster_set_found(struct roster *roster, const struct member_address *addresses, size_t count);

/* When it is not of `*version` any more: `*addresses` (the caller's, to be freed) are all of them, at most
 * VIEW_MEMBERS_MAX, no address twice, `*version` is theirs, and 1 is returned. Else 0; -ENOMEM. */
NODISCARD int roster_read(struct roster *roster, uint64_t *version, struct member_address **addresses,
                          size_t *count);

/* Have all sources spoken? */
bool roster_is_complete(struct roster *roster);

#endif
