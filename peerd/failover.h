/* What follows from a view for one database (failover.md §5). Pure: whoever has the same view gets the same
 * answer, so there is no election and there are no messages; and one database's trouble is in no other one's
 * answer.
 *
 *     ring(D)         the present members that do not say that D is away. D's tables are sharded over it.
 *     failover(D)     on when ring(D) is empty: nobody who is there can reach D.
 *     sacrificial(D)  who buffers all of D then: rendezvous over all present members with D's name as key.
 * When it goes away, the next in that order takes over. detour          ring(D) is not empty, but we are not
 * in it: what we have of D goes to its owners there.
 *
 * A member that says nothing of D counts as one that can reach it. An operator's word (struct
 * failover_override) wins over the rule; it is given to these functions by whoever keeps it. */
#ifndef SPILLWAY_PEERD_FAILOVER_H
#define SPILLWAY_PEERD_FAILOVER_H

#include "peerd/view.h"

/* What an operator wants of a database. */
struct failover_override {
    enum failover_wish {
        FAILOVER_AUTOMATIC,
        FAILOVER_FORCED,   /* on, whoever can reach it */
        FAILOVER_FORBIDDEN /* never on: sharded over all present members when nobody can reach it */
    } wish;
    char at[PEER_NAME_BYTES]; /* FORCED: who is to buffer, while it is present; "": as by the rule */
};

enum failover_mode {
    FAILOVER_OFF,    /* sharded over ring(D), and we are in it */
    FAILOVER_DETOUR, /* sharded over ring(D), and we are not */
    FAILOVER_ON,     /* all of it goes to the sacrificial member */
};

struct failover {
    enum failover_mode mode;
    const struct view_member *sacrificial; /* who it is, or would be: never NULL */
    size_t reaching, present;              /* members of ring(D); present members */
    bool is_override;                      /* an operator's word decided */
};

/* "off", "detour", "on". */
const char *failover_mode_word(enum failover_mode mode);

/* Does this member, as far as is known, reach the database? */
bool failover_is_reaching(const struct view_member *member, const char *db);

/* What holds for `db` in this view. `override`: NULL or FAILOVER_AUTOMATIC: the rule alone. Members are valid
 * as long as the view. */
struct failover failover_of(const struct view *view, const char *db,
                            const struct failover_override *override);

/* To whom a table's segments go: the sacrificial member in failover, else the owner in ring(D). Never NULL.
 * `schema` as for view_owner(). */
const struct view_member *failover_owner(const struct view *view, const char *db, const char *table,
                                         const char *schema, const struct failover_override *override);

#endif
