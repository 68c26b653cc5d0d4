#include "uploader/breaker.h"

/* --- how long to wait ------------------------------------------------------------------------------- */

/* Within a fifth of `ms`, so that instances do not ask in step. */
static int64_t jitter(int64_t ms, uint32_t random)
{
    double part = (double)random / (double)UINT32_MAX;
    return ms - ms / 5 + (int64_t)((double)ms * 0.4 * part);
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* While it is suspect it is asked often enough that the breaker opens, or the suspicion ends, in time. */
static int64_t suspect_delay_ms(const struct breaker_options *o, unsigned failures, int64_t retry_after_ms,
                                uint32_t random)
{
    struct backoff backoff = o->backoff;
    int64_t most = o->time_ms / (o->failures > 0 ? o->failures : 1);
    if (backoff.max_ms > most)
        backoff.max_ms = longer(most, backoff.min_ms);
    return backoff_delay_ms(&backoff, failures, retry_after_ms, random);
}

static unsigned failures_of(const struct breaker *b)
{
    return b->failures[0] + b->failures[1];
}

/* --- states ----------------------------------------------------------------------------------------- */

static void forget_failures(struct breaker *b)
{
    b->failures[0] = b->failures[1] = 0;
}

static void open_up(struct breaker *b, const struct breaker_options *o, const struct breaker_event *event,
                    struct mono now, uint32_t random)
{
    int64_t asked_ms = event->retry_after_ms > BACKOFF_RETRY_AFTER_MAX_MS ? BACKOFF_RETRY_AFTER_MAX_MS
                                                                          : event->retry_after_ms;
    b->state = BREAKER_OPEN;
    b->successes = 0;
    b->throttles = 0;
    b->room = 1;
    b->probe_due = mono_plus(now, longer(jitter(o->probe_ms, random), asked_ms));
}

static void recover(struct breaker *b, const struct breaker_options *o, struct mono now, uint32_t random)
{
    b->state = BREAKER_RECOVERING;
    b->hold = mono_plus(now, o->hold_ms);
    b->probe_due = mono_plus(now, jitter(o->idle_ms, random));
    forget_failures(b);
}

static bool is_enough(const struct breaker *b, const struct breaker_options *o, struct mono now)
{
    struct mono first = b->failures[0] == 0   ? b->first[1]
                        : b->failures[1] == 0 ? b->first[0]
                                              : mono_earlier(b->first[0], b->first[1]);
    return failures_of(b) >= o->failures && mono_between_ms(first, now) >= o->time_ms;
}

/* --- what an event means in a state ----------------------------------------------------------------- */

typedef void reaction(struct breaker *b, const struct breaker_options *o, const struct breaker_event *event,
                      struct mono now, uint32_t random);

static void ignore(struct breaker *b, const struct breaker_options *o, const struct breaker_event *event,
                   struct mono now, uint32_t random)
{
    if (b->state == BREAKER_OPEN)
        b->probe_due = mono_plus(now, jitter(o->probe_ms, random));
    else if (b->state == BREAKER_HALF_OPEN)
        b->probe_due = mono_plus(now, o->backoff.min_ms);
    else if (event->source != BREAKER_BATCH)
        b->probe_due = mono_plus(now, failures_of(b) > 0 ? suspect_delay_ms(o, failures_of(b), 0, random)
                                                         : jitter(o->idle_ms, random));
}

static void closed_success(struct breaker *b, const struct breaker_options *o,
                           const struct breaker_event *event, struct mono now, uint32_t random)
{
    bool has_batches_word = event->source != BREAKER_PROBE;
    bool has_probes_word = event->source != BREAKER_BATCH || !o->engine_counts;
    if (has_batches_word)
        b->failures[0] = b->throttles = 0;
    if (has_probes_word)
        b->failures[1] = 0;
    if (failures_of(b) > 0) {
        b->probe_due = mono_plus(now, suspect_delay_ms(o, failures_of(b), 0, random));
        return;
    }
    if (b->throttles == 0)
        b->not_before = (struct mono){0};
    if (event->source == BREAKER_BATCH && b->room < BREAKER_ROOM_MAX)
        b->room++;
    if (event->source != BREAKER_BATCH || !b->is_watched)
        b->probe_due = mono_plus(now, jitter(o->idle_ms, random));
}

static void closed_failure(struct breaker *b, const struct breaker_options *o,
                           const struct breaker_event *event, struct mono now, uint32_t random)
{
    int row = event->source == BREAKER_BATCH ? 0 : 1;
    if (b->failures[row]++ == 0)
        b->first[row] = now;
    b->reason = event->verdict;
    b->throttles = 0;
    b->room = 1;
    if (is_enough(b, o, now)) {
        open_up(b, o, event, now, random);
        return;
    }
    int64_t delay_ms = suspect_delay_ms(o, failures_of(b), event->retry_after_ms, random);
    b->not_before = mono_plus(now, delay_ms);
    b->probe_due = b->not_before;
}

/* It has answered: whatever failed before, it is there. */
static void closed_throttled(struct breaker *b, const struct breaker_options *o,
                             const struct breaker_event *event, struct mono now, uint32_t random)
{
    if (event->source != BREAKER_PROBE)
        forget_failures(b);
    b->throttles++;
    b->room = 1;
    b->not_before =
        mono_plus(now, backoff_delay_ms(&o->backoff, b->throttles, event->retry_after_ms, random));
    b->probe_due = mono_plus(now, longer(jitter(o->idle_ms, random), event->retry_after_ms));
}

static void open_success(struct breaker *b, const struct breaker_options *o,
                         const struct breaker_event *event, struct mono now, uint32_t random)
{
    (void)event;
    b->state = BREAKER_HALF_OPEN;
    b->successes = 1;
    b->reopened = now;
    b->not_before = (struct mono){0};
    b->probe_due = mono_plus(now, o->backoff.min_ms);
    if (b->successes >= o->successes)
        recover(b, o, now, random);
}

static void open_failure(struct breaker *b, const struct breaker_options *o,
                         const struct breaker_event *event, struct mono now, uint32_t random)
{
    b->reason = event->verdict;
    open_up(b, o, event, now, random);
}

static void half_open_success(struct breaker *b, const struct breaker_options *o,
                              const struct breaker_event *event, struct mono now, uint32_t random)
{
    (void)event;
    b->throttles = 0;
    b->not_before = (struct mono){0};
    b->probe_due = mono_plus(now, o->backoff.min_ms);
    if (++b->successes >= o->successes)
        recover(b, o, now, random);
}

static void half_open_throttled(struct breaker *b, const struct breaker_options *o,
                                const struct breaker_event *event, struct mono now, uint32_t random)
{
    b->throttles++;
    b->not_before =
        mono_plus(now, backoff_delay_ms(&o->backoff, b->throttles, event->retry_after_ms, random));
    b->probe_due = b->not_before;
}

/* It was said to be back; it is not. */
static void back_failure(struct breaker *b, const struct breaker_options *o,
                         const struct breaker_event *event, struct mono now, uint32_t random)
{
    if (event->begun.ns < b->reopened.ns) /* it speaks of the time before */
        return;
    open_failure(b, o, event, now, random);
}

static void open_throttled(struct breaker *b, const struct breaker_options *o,
                           const struct breaker_event *event, struct mono now, uint32_t random)
{
    open_up(b, o, event, now, random);
}

enum kind { KIND_NOTHING, KIND_SUCCESS, KIND_FAILURE, KIND_THROTTLED, KINDS };

static enum kind kind_of(enum verdict verdict)
{
    if (verdict == VERDICT_SUCCESS)
        return KIND_SUCCESS;
    if (verdict == VERDICT_THROTTLED)
        return KIND_THROTTLED;
    return verdict_is_of_database(verdict) ? KIND_FAILURE : KIND_NOTHING;
}

static reaction *const reactions[BREAKER_STATES][KINDS] = {
    [BREAKER_CLOSED] = {ignore, closed_success, closed_failure, closed_throttled},
    [BREAKER_OPEN] = {ignore, open_success, open_failure, open_throttled},
    [BREAKER_HALF_OPEN] = {ignore, half_open_success, back_failure, half_open_throttled},
    [BREAKER_RECOVERING] = {ignore, closed_success, back_failure, closed_throttled},
};

/* --- for the rest of the program -------------------------------------------------------------------- */

void breaker_init(struct breaker *breaker, const struct breaker_options *options, struct mono now,
                  uint32_t random)
{
    double part = (double)random / (double)UINT32_MAX;
    *breaker = (struct breaker){.room = BREAKER_ROOM_MAX,
                                .probe_due = mono_plus(now, (int64_t)((double)options->idle_ms * part))};
}

void breaker_recall(struct breaker *breaker, enum verdict reason, struct mono now)
{
    *breaker = (struct breaker){.state = BREAKER_OPEN, .room = 1, .reason = reason, .probe_due = now};
}

void breaker_tick(struct breaker *breaker, struct mono now)
{
    if (breaker->state == BREAKER_RECOVERING && breaker->hold.ns <= now.ns)
        breaker->state = BREAKER_CLOSED;
}

void breaker_note(struct breaker *breaker, const struct breaker_options *options,
                  const struct breaker_event *event, struct mono now, uint32_t random)
{
    breaker_tick(breaker, now);
    reactions[breaker->state][kind_of(event->verdict)](breaker, options, event, now, random);
}

void breaker_note_engine(struct breaker *breaker, enum verdict verdict)
{
    if (kind_of(verdict) == KIND_FAILURE)
        breaker->is_degraded = true;
    else if (kind_of(verdict) == KIND_SUCCESS)
        breaker->is_degraded = false;
}

void breaker_note_begin(struct breaker *breaker, const struct breaker_options *options, struct mono now)
{
    unsigned failures = failures_of(breaker);
    if (breaker->state != BREAKER_CLOSED && breaker->state != BREAKER_RECOVERING)
        return;
    if (breaker->is_watched && failures == 0)
        return;
    int64_t delay_ms = failures > 0 ? suspect_delay_ms(options, failures, 0, UINT32_MAX) : options->idle_ms;
    struct mono due = mono_plus(now, delay_ms);
    if (due.ns > breaker->probe_due.ns)
        breaker->probe_due = due;
}

static enum health health_of_reason(enum verdict reason)
{
    return reason == VERDICT_UNAUTHORISED ? HEALTH_UNAUTHORISED
           : reason == VERDICT_MISSING    ? HEALTH_MISSING
                                          : HEALTH_DOWN;
}

enum health breaker_health(const struct breaker *breaker)
{
    if (breaker->state != BREAKER_CLOSED)
        return health_of_reason(breaker->reason);
    if (failures_of(breaker) > 0)
        return HEALTH_SUSPECT;
    if (breaker->throttles > 0)
        return HEALTH_THROTTLED;
    return breaker->is_degraded ? HEALTH_DEGRADED : HEALTH_UP;
}

enum breaker_flow breaker_flow(const struct breaker *breaker, struct mono now)
{
    if (breaker->state == BREAKER_OPEN || breaker->not_before.ns > now.ns)
        return FLOW_NONE;
    if (breaker->state == BREAKER_HALF_OPEN || failures_of(breaker) > 0 || breaker->throttles > 0)
        return FLOW_ONE;
    return FLOW_FULL;
}

unsigned breaker_room(const struct breaker *breaker)
{
    return breaker->room;
}

struct mono breaker_next(const struct breaker *breaker)
{
    return breaker->state == BREAKER_RECOVERING ? breaker->hold : mono_plus((struct mono){0}, INT64_MAX);
}

void breaker_hurry(struct breaker *breaker, struct mono now)
{
    breaker->not_before = (struct mono){0};
    breaker->probe_due = now;
}
