#include "uploader/adx/mode.h"

static const char *const words[] = {[INGEST_AUTO] = "auto",
                                    [INGEST_QUEUED] = "queued",
                                    [INGEST_STREAMING] = "streaming",
                                    [INGEST_INLINE] = "inline"};

const char *mode_word(enum ingest_mode mode)
{
    return words[mode];
}

enum ingest_mode mode_choose(const struct mode_facts *facts)
{
    if (facts->is_queued_begun)
        return INGEST_QUEUED;
    if (facts->wanted != INGEST_AUTO)
        return facts->wanted;
    if (facts->offered != INGEST_QUEUED)
        return facts->offered == INGEST_INLINE ? INGEST_INLINE : INGEST_STREAMING;
    bool may_stream = facts->raw_bytes <= MODE_STREAM_RAW_BYTES && !facts->is_stream_off &&
                      facts->failures < MODE_STREAM_ATTEMPTS;
    return may_stream ? INGEST_STREAMING : INGEST_QUEUED;
}

/* Refusals of streaming that queued ingestion does not know: of the request's size, of the table's settings.
 */
static const struct {
    const char *word;
    enum fallback fallback;
} refusals[] = {
    {"TooLarge", FALLBACK_BATCH},
    {"UpdatePolicyIncompatible", FALLBACK_OFF},
    {"QuerySchemaDoesNotMatchTableSchema", FALLBACK_OFF},
};

static enum fallback after_refusal(const struct outcome *outcome)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (strcasestr(outcome->code, refusals[i].word) || strcasestr(outcome->type, refusals[i].word))
            return refusals[i].fallback;
    return outcome->status == 413 ? FALLBACK_BATCH : FALLBACK_NONE;
}

enum fallback mode_after_stream(const struct outcome *outcome, unsigned failures)
{
    switch (outcome->verdict) {
    case VERDICT_THROTTLED:
        return FALLBACK_THROTTLED;
    case VERDICT_UNAVAILABLE:
        return FALLBACK_OFF;
    case VERDICT_MISSING: /* 404: streaming is off in the whole cluster */
        return outcome->status == 404 ? FALLBACK_OFF : FALLBACK_NONE;
    case VERDICT_REFUSED:
        return after_refusal(outcome);
    case VERDICT_DOWN:
    case VERDICT_RETRY:
        return failures + 1 >= MODE_STREAM_ATTEMPTS ? FALLBACK_BATCH : FALLBACK_NONE;
    case VERDICT_SUCCESS:
    case VERDICT_STOPPED:
    case VERDICT_PENDING:
    case VERDICT_UNAUTHORISED:
    case VERDICT_GONE:
    case VERDICT_KINDS:
        break;
    }
    return FALLBACK_NONE;
}
