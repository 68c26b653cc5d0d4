/* What came of a transfer that a worker had: people and the link to its peer are told, and it is kept, given
 * up, sent back, or done with. */
#include "common/base/log.h"
#include "common/base/random.h"
#include "peerd/send/shipping_parts.h"

enum { ONCE_ATTEMPTS = 3 };

static void tell(struct shipping *shipping, const struct parcel *parcel, const char *type,
                 enum log_level level, int64_t retry_ms)
{
    const struct delivery *d = &parcel->delivery;
    const struct answer *answer = &d->sent.answer;
    const char *cause = *d->cause ? d->cause : d->was_asked ? answer->why : "";
    log_emit(level, type,
             LOG_FIELDS(log_s("db", d->place.db), log_s("table", d->table), log_s("peer", parcel->peer),
                        log_s("transfer", d->place.group), log_u("rows", d->rows), log_u("bytes", d->bytes),
                        log_u("segments", d->segments), log_n("status", d->was_asked ? answer->status : 0),
                        log_s("answer", d->was_asked ? fate_word(answer->fate) : ""),
                        log_s("code", d->was_asked ? answer->code : ""), log_s("cause", cause),
                        log_n("took_ms", d->took_ms), log_n("retry_ms", retry_ms),
                        log_s("request", d->was_asked ? d->sent.request_id : "")));
    daemon_publish(shipping->daemon, type,
                   json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s}", "db", d->place.db, "table",
                             d->table, "peer", parcel->peer, "transfer", d->place.group, "rows",
                             (json_int_t)d->rows, "bytes", (json_int_t)d->bytes, "segments",
                             (json_int_t)d->segments, "status",
                             (json_int_t)(d->was_asked ? answer->status : 0), "code",
                             d->was_asked ? answer->code : "", "cause", cause));
}

static int64_t delay_of(const struct shipping *shipping, const struct parcel *parcel)
{
    const struct answer *answer = &parcel->delivery.sent.answer;
    const struct backoff *backoff = &shipping->settings.backoff;
    if (parcel->delivery.was_asked && answer->fate == FATE_UNAUTHORISED)
        return backoff_slow_ms(backoff, answer->retry_after_ms, (uint32_t)random_bits());
    return backoff_delay_ms(backoff, parcel->attempts,
                            parcel->delivery.was_asked ? answer->retry_after_ms : 0, (uint32_t)random_bits());
}

static void keep(struct shipping *shipping, struct parcel *parcel)
{
    const struct delivery *d = &parcel->delivery;
    int64_t retry_ms;
    parcel->attempts++;
    retry_ms = delay_of(shipping, parcel);
    parcel->not_before = mono_after(retry_ms);
    parcel->is_given_up = shipping->settings.is_once && parcel->attempts >= ONCE_ATTEMPTS;
    bool must_be_mended = d->was_asked && d->sent.answer.fate == FATE_UNAUTHORISED;
    tell(shipping, parcel, "transfer-failed", must_be_mended ? LEVEL_ERROR : LEVEL_WARN, retry_ms);
    parcel_wait(shipping, parcel);
}

static void note_answer(struct shipping *shipping, const struct delivery *d, struct link *link)
{
    bool was_in_trouble = link_is_in_trouble(link);
    shipping->by_fate[d->sent.answer.fate]++;
    link_note(link, &d->sent.answer, shipping->settings.unhealthy_ms);
    if (link_is_in_trouble(link) && !was_in_trouble)
        log_warn("peer-unhealthy", log_s("peer", link->name), log_s("answer", fate_word(d->sent.answer.fate)),
                 log_s("cause", d->sent.answer.why), log_n("for_ms", mono_left_ms(link->trouble_until)),
                 log_s("meanwhile", "its tables are uploaded from here"));
    if (d->end == DELIVERY_DONE) {
        link->transfers++;
        link->bytes += d->bytes;
    }
}

static void note_end(struct shipping *shipping, struct parcel *parcel)
{
    const struct delivery *d = &parcel->delivery;
    switch (d->end) {
    case DELIVERY_DONE:
        tell(shipping, parcel, "segments-sent", LEVEL_INFO, 0);
        break;
    case DELIVERY_REFUSED:
        tell(shipping, parcel, "transfer-refused", LEVEL_ERROR, 0);
        break;
    case DELIVERY_DIVERTED:
        shipping->diverted += d->segments > 0 ? d->segments : 1;
        if (d->task == DELIVERY_GIVE_UP && d->is_in_doubt)
            tell(shipping, parcel, "transfer-possibly-twice", LEVEL_ERROR, 0);
        else
            tell(shipping, parcel, "transfer-diverted", LEVEL_WARN, 0);
        break;
    case DELIVERY_RETURNED:
        tell(shipping, parcel, "transfer-returned", LEVEL_INFO, 0);
        shipping->has_returned = true;
        break;
    case DELIVERY_EMPTY:
    case DELIVERY_KEPT:
    case DELIVERY_FULL:
    case DELIVERY_DROPPED:
        break;
    }
}

static const char *db_of(const struct parcel *parcel, char db[static NAME_FILE_MAX_BYTES + 1])
{
    const char *folder = parcel->delivery.place.db;
    bool is_name = name_decode(folder, strlen(folder), db, NAME_FILE_MAX_BYTES + 1) == NAME_OK;
    return is_name ? db : folder;
}

/* The peer has no room for a database in failover: by policy. */
static void take_full(struct shipping *shipping, struct parcel *parcel)
{
    char db[NAME_FILE_MAX_BYTES + 1];
    struct drop_decision decision = shipping->hooks.full(shipping->hooks.arg, db_of(parcel, db), parcel->peer,
                                                         parcel->delivery.sent.answer.retry_after_ms);
    if (decision.action == DROP_THESE)
        parcel_drop(shipping, parcel, &decision);
    else
        parcel_submit(shipping, parcel, DELIVERY_RETURN);
}

static void end_drop(struct shipping *shipping, struct parcel *parcel)
{
    struct parcel **at = &shipping->dropping;
    while (*at && *at != parcel)
        at = &(*at)->next_drop;
    if (*at)
        *at = parcel->next_drop;
}

static void note_drop(struct shipping *shipping, struct parcel *parcel)
{
    const struct delivery *d = &parcel->delivery;
    char db[NAME_FILE_MAX_BYTES + 1];
    end_drop(shipping, parcel);
    shipping->hooks.given_up(shipping->hooks.arg, db_of(parcel, db), &d->drop, parcel->peer, &d->given_up,
                             d->end == DELIVERY_DROPPED ? "" : d->cause);
}

void shipping_take(struct shipping *shipping, struct parcel *parcel)
{
    struct link *link = links_get(&shipping->links, parcel->peer);
    shipping->in_flight--;
    if (link) {
        link->in_flight--;
        if (parcel->delivery.was_asked)
            note_answer(shipping, &parcel->delivery, link);
    }
    if (parcel->delivery.task == DELIVERY_DROP)
        note_drop(shipping, parcel);
    note_end(shipping, parcel);
    if (parcel->delivery.end == DELIVERY_FULL)
        take_full(shipping, parcel);
    else if (parcel->delivery.end == DELIVERY_KEPT)
        keep(shipping, parcel);
    else
        free(parcel);
}
