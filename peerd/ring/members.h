/* What is known of each member of the ring: where it is, what it answered last, whether it is present; and
 * the view that follows. No I/O and no clock: poller.h asks and tells, with the time. One thread.
 *
 * A member is known by where it is asked (address); its name is the configured one, or, where DNS gave the
 * address, the one that it answers with. One that answers with our own name and incarnation is ourselves and
 * left out. One that answers with another name than configured, or is the second of its name, is never
 * present.
 */
#ifndef SPILLWAY_PEERD_MEMBERS_H
#define SPILLWAY_PEERD_MEMBERS_H

#include "peerd/ring/presence.h"
#include "peerd/ring/view.h"

/* Where a member is asked. */
struct member_address {
    char name[PEER_NAME_BYTES];          /* "": the member will say */
    char url[VIEW_URL_BYTES];            /* as in struct view_member */
    char connect_to[VIEW_CONNECT_BYTES]; /* likewise */
};

struct ring_member {
    struct member_address address;
    uint64_t id;                /* never given twice */
    char name[PEER_NAME_BYTES]; /* configured, or learned; "": not yet */
    struct presence presence;
    enum view_trouble trouble; /* of the last answer or failure: OK, SILENT, MISNAMED, FOREIGN */
    char words[VIEW_WORDS_BYTES];
    bool is_ourselves;
    int64_t changed_ms, heard_ms; /* wall */
    uint64_t polls, failures, transitions;
    struct peer_state *state;
    int64_t due_ms; /* the asker's: when to ask next, monotonic */
    bool is_asked;  /* the asker's: an answer is awaited */
};

struct members {
    const char *own_name;
    int64_t own_incarnation, hold_ms;
    struct ring_member *list;
    size_t count;
    uint64_t last_id;
};

/* The moment: monotonic for what is decided, wall for what people read. */
struct moment {
    int64_t mono_ms, wall_ms;
};

void members_init(struct members *members, const char *own_name, int64_t own_incarnation, int64_t hold_ms);
void members_fini(struct members *members);

/* From now on these are all there are; those that stay keep all that is known of them. -ENOMEM: nothing
 * changed.
 */
NODISCARD int members_set(struct members *members, const struct member_address *addresses, size_t count,
                          struct moment now);

/* NULL: gone. */
struct ring_member *members_find(struct members *members, uint64_t id);

/* A member answered; `take_state` is taken. */
void members_answer(struct members *members, struct ring_member *member, struct peer_state *take_state,
                    struct moment now);

/* It did not, or not so that it was understood (`trouble` VIEW_SILENT, VIEW_FOREIGN); `words` for people. */
void members_failure(struct members *members, struct ring_member *member, enum view_trouble trouble,
                     const char *words, struct moment now);

/* Is there a member of which nothing is known yet? */
bool members_has_new(const struct members *members);

/* The view of now. `own` is our own state (a reference is taken), `before` the last view or NULL: the version
 * follows from it. NULL: no memory. */
struct view *members_view(const struct members *members, struct peer_state *own, bool is_settled,
                          const struct view *before);

#endif
