/* What a member says of itself: the answer to GET /peer/state (failover.md §3, CONTRACT).
 *
 *     {"v":1,"name":"n0","version":"0.1.0","incarnation":1795000000000,
 *      "disk":{"used":0,"limit":0,"pressure":"ok|high|full|unknown"},
 *      "databases":{"D":{"health":"up|suspect|…","since":1795000000000,"held":{"bytes":0,"segments":0},
 *                        "failover":{"active":true,"at":"n2","since":1795000000000}}},
 *      "overrides":{"D":{"mode":"on|off|clear","at":"n2","by":"n0","set":ms,"until":ms}}}
 *
 * Times are milliseconds since 1970 by that member's clock: for people, nothing is decided by them.
 *
 * A state is immutable once it is shared, and reference counted: any thread may hold one. Texts that came
 * from a peer are checked: they hold no control characters, and have the sizes below. */
#ifndef SPILLWAY_PEERD_PEER_STATE_H
#define SPILLWAY_PEERD_PEER_STATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/control/health.h"
#include "common/segment/name.h"

enum {
    PEER_NAME_BYTES = 64, /* a member's name, [A-Za-z0-9._-], with its end */
    PEER_VERSION_BYTES = 32,
    PEER_WORD_BYTES = 16,
    PEER_STATE_BYTES_MAX = 4 << 20,
    PEER_DATABASES_MAX = 10000,
};

/* An operator's word on a database (overrides.h). */
enum override_mode {
    OVERRIDE_AUTO, /* none, or cleared: the rule decides */
    OVERRIDE_ON,   /* in failover, whoever reaches it */
    OVERRIDE_OFF,  /* never in failover: sharded over all present members when nobody reaches it */
};

struct override {
    char db[NAME_FILE_MAX_BYTES + 1]; /* as people write it */
    enum override_mode mode;
    char at[PEER_NAME_BYTES]; /* OVERRIDE_ON: the member that takes it; "": the ring chooses */
    char by[PEER_NAME_BYTES]; /* the instance where it was said */
    int64_t set_ms, until_ms; /* wall */
};

struct peer_database {
    char *name; /* as people write it; a valid ADX name */
    enum health health;
    int64_t since_ms;   /* of `health`; 0: not said */
    bool is_recovering; /* away by `health`, yet uploads get through again: known of ourselves only */
    struct {
        bool is_active;
        char at[PEER_NAME_BYTES]; /* the sacrificial instance, as that member sees it; "": none */
        int64_t since_ms;
    } failover;
    int64_t held_bytes, held_segments; /* of it in that member's spool, in all queues */
};

struct peer_state {
    atomic_uint refs; /* peer_state_ref, peer_state_unref */
    char name[PEER_NAME_BYTES], version[PEER_VERSION_BYTES];
    int64_t incarnation; /* when that process began, in ms since 1970 by its clock: tells restarts apart */
    int64_t disk_used, disk_limit; /* bytes; 0: not known */
    struct mono disk_at;           /* our own: when that was so */
    char pressure[PEER_WORD_BYTES];
    struct peer_database *databases; /* by name, in strcmp's order */
    size_t database_count;
    struct override *overrides; /* by db; what operators said, as that member knows it */
    size_t override_count;
};

/* An empty one, of which the caller holds the only reference; NULL: no memory. */
struct peer_state *peer_state_new(const char *name, int64_t incarnation);

/* Add a database that is not in it yet, before it is shared. NULL: no memory, or PEER_DATABASES_MAX are in
 * it. What is returned is valid until the next call. */
struct peer_database *peer_state_add(struct peer_state *state, const char *db);

/* Bring the databases into order: once, after the last peer_state_add(). */
void peer_state_sort(struct peer_state *state);

/* NULL is fine. Returns `state`. */
struct peer_state *peer_state_ref(struct peer_state *state);
void peer_state_unref(struct peer_state *state);

/* What it says of a database; NULL when it says nothing, which counts as up. */
const struct peer_database *peer_state_find(const struct peer_state *state, const char *db);

/* May this be a member's name: 1 to 63 of [A-Za-z0-9._-], not beginning with a dot or dash. */
bool peer_name_is_valid(const char *name);

/* Write it as JSON to `out` (PEER_STATE_BYTES_MAX suffices). -ENOMEM, -ENOSPC. */
NODISCARD int peer_state_write(const struct peer_state *state, struct buf *out);

/* Understand an answer. Unknown keys are passed over; those above have their types and sizes, or -EINVAL with
 * what is wrong; -EPROTO: another version; -ENOMEM. `*state` is the caller's. */
NODISCARD int peer_state_parse(const char *text, size_t bytes, struct peer_state **state, struct err *err);

#endif
