#include <errno.h>

#include "common/base/log.h"
#include "peerd/send/shipping_parts.h"

enum { STOP_MS = 5000 /* of the skeleton's DAEMON_GRACE_MS: then requests are broken off */ };

/* --- setting up ------------------------------------------------------------------------------------- */

static void wake(void *arg)
{
    daemon_wake(arg);
}

int shipping_new(struct shipping **out, struct daemon *daemon, struct tally *tally,
                 const struct shipping_settings *settings, const struct sender_settings *sender,
                 struct drops *drops, const struct shipping_hooks *on, struct err *err)
{
    const struct workers_hooks hooks = {.local_bytes = sizeof(struct sender),
                                        .run = delivery_run,
                                        .fini = delivery_fini,
                                        .wake = wake,
                                        .arg = daemon};
    struct shipping *shipping = calloc(1, sizeof *shipping);
    *out = shipping;
    if (!shipping)
        return err_set(err, -ENOMEM, "out of memory");
    shipping->daemon = daemon;
    shipping->settings = *settings;
    shipping->hooks = *on;
    shipping->context =
        (struct delivery_context){.spool = &daemon->spool, .tally = tally, .drops = drops, .sender = *sender};
    shipping->context.sender.is_aborted = &shipping->is_aborted;
    shipping->workers = workers_new(settings->transfers, &hooks);
    return shipping->workers ? 0 : err_set(err, -ENOMEM, "out of memory");
}

void shipping_free(struct shipping *shipping)
{
    if (!shipping)
        return;
    atomic_store(&shipping->is_aborted, true);
    for (struct worker_job *job = workers_free(shipping->workers), *next; job; job = next) {
        next = job->next;
        free(job);
    }
    for (struct parcel *parcel; (parcel = shipping->waiting);) {
        shipping->waiting = parcel->next;
        free(parcel);
    }
    links_fini(&shipping->links);
    free(shipping);
}

struct parcel *parcel_new(struct shipping *shipping, const struct spool_place *place, const char *peer)
{
    struct parcel *parcel = calloc(1, sizeof *parcel);
    if (!parcel)
        return NULL;
    parcel->delivery.context = &shipping->context;
    parcel->delivery.place = *place;
    parcel->since = mono_now();
    snprintf(parcel->peer, sizeof parcel->peer, "%s", peer);
    return parcel;
}

void parcel_wait(struct shipping *shipping, struct parcel *parcel)
{
    struct parcel **at = &shipping->waiting;
    while (*at && strcmp((*at)->delivery.place.group, parcel->delivery.place.group) < 0)
        at = &(*at)->next;
    parcel->next = *at;
    *at = parcel;
}

/* --- starting --------------------------------------------------------------------------------------- */

bool shipping_has_slot(struct shipping *shipping, const char *peer)
{
    const struct link *link = links_get(&shipping->links, peer);
    return link && !shipping->is_stopping && shipping->in_flight < shipping->settings.transfers &&
           link->in_flight < shipping->settings.per_peer;
}

bool shipping_is_trouble(struct shipping *shipping, const char *peer)
{
    const struct link *link = links_get(&shipping->links, peer);
    return !link || link_is_in_trouble(link);
}

static void aim(struct parcel *parcel, const struct view_member *peer)
{
    struct sender_peer *to = &parcel->delivery.peer;
    snprintf(to->name, sizeof to->name, "%s", peer->name);
    snprintf(to->url, sizeof to->url, "%s", peer->url);
    snprintf(to->connect_to, sizeof to->connect_to, "%s", peer->connect_to);
}

void parcel_submit(struct shipping *shipping, struct parcel *parcel, enum delivery_task task)
{
    struct link *link = links_get(&shipping->links, parcel->peer);
    parcel->delivery.task = task;
    parcel->delivery.was_asked = false;
    parcel->delivery.given_up = (struct drops_sum){0};
    parcel->delivery.cause[0] = '\0';
    if (!link || workers_submit(shipping->workers, &parcel->delivery.job) != 0) {
        log_warn("transfer-not-started", log_s("peer", parcel->peer), log_s("cause", "no memory or threads"));
        parcel->not_before = mono_after(shipping->settings.backoff.min_ms);
        parcel_wait(shipping, parcel);
        return;
    }
    link->in_flight++;
    shipping->in_flight++;
}

/* A transfer of the group's first `count` segments, claimed. `*rc`: not all could be. NULL: none was. */
static struct parcel *claim(struct shipping *shipping, const char *db_folder, const struct waiting *waiting,
                            const struct waiting_group *group, size_t count, const char *peer, int *out)
{
    struct spool *spool = &shipping->daemon->spool;
    struct spool_place place = spool_group(QUEUE_TRANSFER, db_folder, spool_next_id(spool));
    struct parcel *parcel = parcel_new(shipping, &place, peer);
    char file[NAME_FILE_MAX_BYTES + 1];
    size_t taken = 0;
    int rc = parcel ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        waiting_name(waiting, group, i, file);
        rc = claim_take(spool, &place, QUEUE_SEALED, file);
        taken += rc == 0;
        if (rc == -ENOENT) /* taken by hand */
            rc = 0;
    }
    if (rc)
        log_warn("claim-failed", log_s("db", db_folder), log_s("transfer", place.group),
                 log_s("cause", strerror(-rc)));
    *out = rc;
    if (parcel && (rc == 0 || taken > 0))
        return parcel;
    free(parcel);
    return NULL;
}

int shipping_send(struct shipping *shipping, const char *db_folder, const struct waiting *waiting,
                  const struct waiting_group *group, size_t count, const struct view_member *peer,
                  bool is_failing)
{
    int rc;
    struct parcel *parcel = claim(shipping, db_folder, waiting, group, count, peer->name, &rc);
    if (!parcel)
        return rc;
    aim(parcel, peer);
    parcel->delivery.is_failing = is_failing;
    parcel_submit(shipping, parcel, DELIVERY_SEND);
    return rc;
}

/* --- giving up -------------------------------------------------------------------------------------- */

void parcel_drop(struct shipping *shipping, struct parcel *parcel, const struct drop_decision *decision)
{
    parcel->delivery.drop = *decision;
    parcel->next_drop = shipping->dropping;
    shipping->dropping = parcel;
    parcel_submit(shipping, parcel, DELIVERY_DROP);
}

bool shipping_is_dropping(const struct shipping *shipping, const char *db_folder)
{
    for (const struct parcel *p = shipping->dropping; p; p = p->next_drop)
        if (strcmp(p->delivery.place.db, db_folder) == 0)
            return true;
    return false;
}

int shipping_drop(struct shipping *shipping, const char *db_folder, const struct waiting *waiting,
                  const struct waiting_group *group, size_t count, const struct view_member *peer,
                  const struct drop_decision *decision)
{
    int rc;
    struct parcel *parcel = claim(shipping, db_folder, waiting, group, count, peer->name, &rc);
    if (!parcel)
        return rc;
    aim(parcel, peer);
    parcel->delivery.is_failing = true;
    parcel_drop(shipping, parcel, decision);
    return rc;
}

/* --- what waits ------------------------------------------------------------------------------------- */

enum turn { TURN_SEND, TURN_GIVE_UP, TURN_WAIT };

static bool is_patience_over(const struct shipping *shipping, const struct parcel *parcel)
{
    const struct delivery *d = &parcel->delivery;
    int64_t since_ms = mono_since_ms(parcel->since);
    bool is_unauthorised = d->was_asked && d->sent.answer.fate == FATE_UNAUTHORISED;
    if (!d->is_in_doubt && !is_unauthorised && since_ms >= shipping->settings.patience_ms)
        return true;
    return since_ms >= shipping->settings.give_up_ms ||
           (parcel->frozen_ms > 0 && wall_now_ms() - parcel->frozen_ms >= SHIPPING_LEDGER_MS);
}

/* `member`: the peer as the view has it, or NULL. */
static enum turn turn_of(struct shipping *shipping, const struct parcel *parcel,
                         const struct view_member *member)
{
    if (!mono_is_past(parcel->not_before) || parcel->is_given_up)
        return TURN_WAIT;
    bool has_left = member ? member->is_self : !shipping->settings.has_dns;
    if (has_left || is_patience_over(shipping, parcel))
        return TURN_GIVE_UP;
    if (!member || member->trouble == VIEW_MISNAMED || !shipping_has_slot(shipping, parcel->peer))
        return TURN_WAIT;
    return TURN_SEND;
}

static void try_again(struct shipping *shipping, const struct view *view)
{
    for (struct parcel **at = &shipping->waiting; *at && !shipping->is_stopping;) {
        struct parcel *parcel = *at;
        const struct view_member *member = view_find(view, parcel->peer);
        enum turn turn = turn_of(shipping, parcel, member);
        if (turn == TURN_WAIT) {
            at = &parcel->next;
            continue;
        }
        *at = parcel->next;
        if (turn == TURN_SEND)
            aim(parcel, member);
        bool must_move_on = parcel->delivery.is_failing && !parcel->delivery.is_in_doubt;
        parcel_submit(shipping, parcel,
                      turn == TURN_SEND ? DELIVERY_SEND
                      : must_move_on    ? DELIVERY_RETURN
                                        : DELIVERY_GIVE_UP);
        at = &shipping->waiting; /* parcel_submit() may have put it back */
        if (*at == parcel)
            break;
    }
}

static int64_t delay_ms(const struct shipping *shipping)
{
    struct mono due = shipping->abort_at;
    bool has_due = shipping->is_stopping && !atomic_load(&shipping->is_aborted);
    for (const struct parcel *p = shipping->waiting; p && !shipping->is_stopping; p = p->next) {
        if (p->is_given_up || mono_is_past(p->not_before)) /* it waits for a slot, or for its peer */
            continue;
        due = has_due ? mono_earlier(due, p->not_before) : p->not_before;
        has_due = true;
    }
    return has_due ? mono_left_ms(due) : DAEMON_NEVER;
}

bool shipping_take_returned(struct shipping *shipping)
{
    bool has_returned = shipping->has_returned;
    shipping->has_returned = false;
    return has_returned;
}

int64_t shipping_step(struct shipping *shipping, const struct view *view, uint64_t *diverted)
{
    for (struct worker_job *job = workers_take(shipping->workers), *next; job; job = next) {
        next = job->next;
        shipping_take(shipping, (struct parcel *)job);
    }
    if (shipping->is_stopping && mono_is_past(shipping->abort_at))
        atomic_store(&shipping->is_aborted, true);
    try_again(shipping, view);
    *diverted = shipping->diverted;
    shipping->diverted = 0;
    return delay_ms(shipping);
}

void shipping_stop(struct shipping *shipping)
{
    shipping->is_stopping = true;
    shipping->abort_at = mono_after(STOP_MS);
}

bool shipping_is_idle(const struct shipping *shipping)
{
    return shipping->in_flight == 0;
}

bool shipping_has_work(const struct shipping *shipping)
{
    for (const struct parcel *p = shipping->waiting; p; p = p->next)
        if (!p->is_given_up)
            return true;
    return shipping->in_flight > 0;
}

bool shipping_has_left(const struct shipping *shipping)
{
    return shipping->waiting || shipping->in_flight > 0 || shipping->foreign > 0;
}
