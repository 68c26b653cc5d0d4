/* The ring as this instance sees it at one moment: an immutable snapshot, never a patchwork.
 *
 *     struct view *view = views_get(&peerd->views);   // any thread
 *     const struct view_member *owner = view_owner(view, "Metrics", "Cpu", "2cawzsrvl4mw4");
 *     if (owner->is_self) ... else send to owner->url ...
 *     view_unref(view);                               // members are valid until then
 *
 * Whoever decides where something goes takes `const struct view *`: what is decided from one view fits
 * together. A new one is published whenever something changed, about once a second at most for what only
 * informs (disk use); its `version` grows when anything changed that ownership can depend on: members, their
 * addresses, presence, health, failover. Decisions may be kept while the version stays.
 *
 * Start-up: until each configured member was heard of or has been asked in vain for as long as makes it away,
 * `is_settled` is false: who can wait before routing to itself what may be another's, should; that takes the
 * time of one answer, and at most the time after which a silent member is away. */
#ifndef SPILLWAY_PEERD_VIEW_H
#define SPILLWAY_PEERD_VIEW_H

#include <pthread.h>
#include <stdatomic.h>

#include "peerd/ring/peer_state.h"

enum {
    VIEW_URL_BYTES = 512,
    VIEW_CONNECT_BYTES = 80,
    VIEW_WORDS_BYTES = 160,
    VIEW_MEMBERS_MAX = 1000,
};

/* Why a member that is configured is not present. */
enum view_trouble {
    VIEW_OK,
    VIEW_NEW,       /* has not answered yet, and not been asked for long */
    VIEW_SILENT,    /* does not answer */
    VIEW_RETURNING, /* answers again, not yet for long enough */
    VIEW_MISNAMED,  /* answers with another name than it is configured with */
    VIEW_DOUBLE,    /* is the second member of its name: the other one counts */
    VIEW_FOREIGN,   /* answers what is not understood, or refuses us */
};

struct view_member {
    char name[PEER_NAME_BYTES];          /* "": found by DNS, never heard */
    char url[VIEW_URL_BYTES];            /* http[s]://HOST:PORT, no slash at the end; "": ourselves */
    char connect_to[VIEW_CONNECT_BYTES]; /* for CURLOPT_CONNECT_TO ("::127.0.0.1:9001"); "": where url says */
    bool is_self, is_present;            /* we are always present */
    enum view_trouble trouble;
    char words[VIEW_WORDS_BYTES];          /* about the last trouble, for people; "" */
    int64_t changed_ms;                    /* wall; when it became present or ceased to be */
    int64_t heard_ms;                      /* wall; its last answer; 0: never */
    uint64_t polls, failures, transitions; /* how often it was asked, in vain, and changed its presence */
    struct peer_state *state;              /* its last answer; NULL: never heard. Our own is always there */
};

struct view {
    atomic_uint refs;
    uint64_t version;
    bool is_settled;
    size_t self;                  /* which of the members is us */
    size_t count;                 /* >= 1 */
    struct view_member members[]; /* by name, then URL */
};

/* "ok", "new", "silent", ... */
const char *view_trouble_word(enum view_trouble trouble);

/* Room for `count` members, zeroed, one reference; NULL: no memory. Its maker fills it, then publishes it. */
struct view *view_new(size_t count);
struct view *view_ref(struct view *view);
void view_unref(struct view *view); /* NULL is fine */

static inline const struct view_member *view_self(const struct view *view)
{
    return &view->members[view->self];
}

/* Are both the same in all that ownership can depend on (see version above)? */
bool view_is_alike(const struct view *a, const struct view *b);

/* The member of this name, or NULL. */
const struct view_member *view_find(const struct view *view, const char *name);

/* Who owns a table's segments: rendezvous over the present members. `schema`: the hash as in file names, "-"
 * or NULL: none. Never NULL: in the worst case it is us. */
const struct view_member *view_owner(const struct view *view, const char *db, const char *table,
                                     const char *schema);

/* All present members in the order in which they would own it: `order` has room for view->count. Returns how
 * many. */
size_t view_rank(const struct view *view, const char *key, const struct view_member **order);

/* --- the view of the moment ------------------------------------------------------------------------- */

struct views {
    pthread_mutex_t lock;
    struct view *now; /* guarded by lock */
};

void views_init(struct views *views);
void views_fini(struct views *views);

/* A reference to the view of the moment, to be given back with view_unref(). Never NULL after the first
 * views_put(), which happens before the hooks of any other part run. Any thread; short. */
struct view *views_get(struct views *views);

/* Publish: takes the caller's reference. One thread does this (members.h). */
void views_put(struct views *views, struct view *take_view);

#endif
