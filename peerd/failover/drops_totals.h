/* The sums of state/drops.jsonl: in memory as lines come, and from the file. Private to drops*.c. */
#ifndef SPILLWAY_PEERD_DROPS_TOTALS_H
#define SPILLWAY_PEERD_DROPS_TOTALS_H

#include "common/base/buf.h"
#include "peerd/failover/drops.h"

extern const char drops_file[]; /* in state/ */

struct drops_total {
    char *db; /* as people write it */
    struct drops_sum sums[DROP_FATES][DROP_REASONS];
};

struct drops_totals {
    struct drops_total *list; /* by db */
    size_t count;
    int rc;            /* -ENOMEM: some are missing */
    uint64_t last_seq; /* of the lines seen */
};

void drops_totals_fini(struct drops_totals *totals);

/* Add what one line says; lines that say nothing of ours are passed over. */
void drops_totals_line(void *totals, const json_t *line);

int drops_totals_add(struct drops_totals *totals, const char *db, enum drop_fate fate,
                     enum drop_reason reason, const struct drops_sum *sum);

void drops_totals_show(const struct drops_totals *totals, drops_each *each, void *arg);

/* The lines that a new file begins with. */
NODISCARD int drops_totals_carry(const struct drops_totals *totals, struct buf *out);

#endif
