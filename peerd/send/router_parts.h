/* What router.c, router_choose.c and router_explain.c share; nobody else. */
#ifndef SPILLWAY_PEERD_ROUTER_PARTS_H
#define SPILLWAY_PEERD_ROUTER_PARTS_H

#include "peerd/send/router.h"

/* One look at the segments of one database. */
struct routing_pass {
    struct router *router;
    const struct view *view;
    struct shipping *shipping;
    struct router_db *db;
    int dir; /* of its folder in sealed/ */
    int64_t now_ms;
    struct failover failover; /* of db */
};

/* router.c */
struct router_db *router_find(struct router *router,
                              const char *folder); /* NULL: none of it has waited yet */
NODISCARD int router_scan(struct router *router);

/* False: nothing waits, or it cannot be read. Afterwards close(pass->dir). */
bool router_begin(struct routing_pass *pass);

/* What is to be done with a table's oldest segments, and why. */
struct choice {
    struct route route;              /* ROUTE_WAIT: with all of the group */
    struct failover_route way;       /* comes before */
    const struct view_member *owner; /* the view's: who would have it, perhaps us */
    size_t count;                    /* so many, from the oldest on */
    bool is_failing;                 /* from here they cannot be uploaded */
    int64_t wait_ms;                 /* ROUTE_WAIT: until this alone has changed it; 0: not known */
};

/* router_choose.c: the length of a segment's file, looked up once. 0: it is gone. */
uint64_t router_bytes_of(struct routing_pass *pass, const struct waiting_group *group, size_t index);

/* router_choose.c: from what is known now. Nothing is changed but that files' lengths are looked up. */
struct choice router_choose(struct routing_pass *pass, const struct waiting_group *group);

#endif
