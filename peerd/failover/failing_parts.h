/* What failing.c and failing_ops.c share; nobody else. */
#ifndef SPILLWAY_PEERD_FAILING_PARTS_H
#define SPILLWAY_PEERD_FAILING_PARTS_H

#include "peerd/failover/failing.h"

struct failing {
    struct overrides overrides;
    struct board board;
    struct drops *drops;
    struct ctl_client *guard, *uploader;
    enum drop_policy policy;
    bool is_observing;
    bool has_news;                               /* an operator said something here */
    struct mono look_due, told_due, archive_due; /* archive_due: it failed, it is not tried before */
    uint64_t version;                            /* of the view that was looked at last */
};

/* Apply the rule now, and tell whoever is to know. */
void failing_update(struct peerd *peerd);

/* Make what is known durable. 0 or a negative errno, with `err`. */
int failing_store(struct peerd *peerd, struct err *err);

#endif
