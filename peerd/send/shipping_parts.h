/* What shipping.c, shipping_results.c, shipping_recover.c and shipping_status.c share; nobody else. */
#ifndef SPILLWAY_PEERD_SHIPPING_PARTS_H
#define SPILLWAY_PEERD_SHIPPING_PARTS_H

#include "peerd/send/shipping.h"

enum {
    /* A transfer that was frozen so long ago is not sent again: peers forget ids after twice that. */
    SHIPPING_LEDGER_MS = 24 * 3600 * 1000,
};

/* One transfer. */
struct parcel {
    struct delivery delivery; /* first: the worker's job */
    char peer[PEER_NAME_BYTES];
    unsigned attempts;
    struct mono not_before;
    int64_t frozen_ms; /* wall; 0: by this process */
    struct mono since; /* when it was made or found */
    bool is_given_up;  /* --once: not in this run again */
    struct parcel *next;
    struct parcel *next_drop; /* of those that are being given up */
};

struct shipping {
    struct daemon *daemon;
    struct shipping_settings settings;
    struct delivery_context context;
    struct shipping_hooks hooks;
    struct workers *workers;
    struct links links;
    struct parcel *waiting; /* to be tried again, oldest first */
    struct parcel *dropping;
    bool has_returned;
    unsigned in_flight;
    uint64_t foreign;             /* directories that are not ours to understand */
    uint64_t diverted;            /* segments, since the last step */
    uint64_t by_fate[FATE_COUNT]; /* answers since the start */
    atomic_bool is_aborted;
    bool is_stopping;
    struct mono abort_at;
};

/* On the heap; NULL: no memory. */
struct parcel *parcel_new(struct shipping *shipping, const struct spool_place *place, const char *peer);

/* Each takes the parcel: into the list of those that wait; to a worker, with this task (or, when there is
 * none for it, into that list); to a worker, to be given up as decided. */
void parcel_wait(struct shipping *shipping, struct parcel *parcel);
void parcel_submit(struct shipping *shipping, struct parcel *parcel, enum delivery_task task);
void parcel_drop(struct shipping *shipping, struct parcel *parcel, const struct drop_decision *decision);

/* Take one that a worker is done with. */
void shipping_take(struct shipping *shipping, struct parcel *parcel);

#endif
