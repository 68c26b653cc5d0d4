/* Which of ADX's doors a batch takes, and what follows when streaming did not do: adx.md §3. */
#include "tests/unit/unit.h"

#include "uploader/adx/mode.h"

enum { SMALL = 4 << 20, LARGE = SMALL + 1 };

static const struct {
    const char *what;
    struct mode_facts facts;
    enum ingest_mode mode;
} choices[] = {
    {"what was said",
     {.wanted = INGEST_STREAMING, .offered = INGEST_QUEUED, .raw_bytes = LARGE},
     INGEST_STREAMING},
    {"what was said", {.wanted = INGEST_INLINE, .offered = INGEST_QUEUED}, INGEST_INLINE},
    {"what was said", {.wanted = INGEST_QUEUED, .raw_bytes = 1}, INGEST_QUEUED},
    {"begun is finished", {.wanted = INGEST_STREAMING, .is_queued_begun = true}, INGEST_QUEUED},
    {"the emulator", {.offered = INGEST_INLINE, .raw_bytes = LARGE}, INGEST_INLINE},
    {"no queues", {.offered = INGEST_STREAMING, .raw_bytes = LARGE}, INGEST_STREAMING},
    {"large", {.offered = INGEST_QUEUED, .raw_bytes = LARGE}, INGEST_QUEUED},
    {"small", {.offered = INGEST_QUEUED, .raw_bytes = SMALL}, INGEST_STREAMING},
    {"small, off", {.offered = INGEST_QUEUED, .raw_bytes = SMALL, .is_stream_off = true}, INGEST_QUEUED},
    {"small, failed twice", {.offered = INGEST_QUEUED, .raw_bytes = SMALL, .failures = 2}, INGEST_STREAMING},
    {"small, failed three times",
     {.offered = INGEST_QUEUED, .raw_bytes = SMALL, .failures = 3},
     INGEST_QUEUED},
};

static void one_place_decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(choices); i++)
        if (mode_choose(&choices[i].facts) != choices[i].mode)
            fail_msg("%s: %s", choices[i].what, mode_word(mode_choose(&choices[i].facts)));
}

static const struct {
    const char *what;
    struct outcome outcome;
    unsigned failures;
    enum fallback fallback;
} falls[] = {
    {"a success", {.verdict = VERDICT_SUCCESS}, 9, FALLBACK_NONE},
    {"throttled", {.verdict = VERDICT_THROTTLED}, 0, FALLBACK_THROTTLED},
    {"off in the table", {.verdict = VERDICT_UNAVAILABLE}, 0, FALLBACK_OFF},
    {"off in the cluster", {.verdict = VERDICT_MISSING, .status = 404}, 0, FALLBACK_OFF},
    {"no such database", {.verdict = VERDICT_MISSING, .status = 400}, 0, FALLBACK_NONE},
    {"refused", {.verdict = VERDICT_REFUSED, .status = 400, .code = "BadRequest_Syntax"}, 2, FALLBACK_NONE},
    {"too large", {.verdict = VERDICT_REFUSED, .code = "Stream_InputStreamTooLarge"}, 0, FALLBACK_BATCH},
    {"too large", {.verdict = VERDICT_REFUSED, .code = "BadRequest_FileTooLarge"}, 0, FALLBACK_BATCH},
    {"413", {.verdict = VERDICT_REFUSED, .status = 413}, 0, FALLBACK_BATCH},
    {"its update policy",
     {.verdict = VERDICT_REFUSED, .code = "BadRequest_UpdatePolicyIncompatible"},
     0,
     FALLBACK_OFF},
    {"down, once", {.verdict = VERDICT_DOWN}, 0, FALLBACK_NONE},
    {"down, twice", {.verdict = VERDICT_DOWN}, 1, FALLBACK_NONE},
    {"down, three times", {.verdict = VERDICT_DOWN}, 2, FALLBACK_BATCH},
    {"transient, three times", {.verdict = VERDICT_RETRY}, 2, FALLBACK_BATCH},
    {"no rights: queued has none either", {.verdict = VERDICT_UNAUTHORISED, .status = 403}, 5, FALLBACK_NONE},
    {"the table is gone: to be made", {.verdict = VERDICT_GONE}, 5, FALLBACK_NONE},
};

static void streaming_falls_back_by_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(falls); i++)
        if (mode_after_stream(&falls[i].outcome, falls[i].failures) != falls[i].fallback)
            fail_msg("%s: %d", falls[i].what, (int)mode_after_stream(&falls[i].outcome, falls[i].failures));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_place_decides),
        cmocka_unit_test(streaming_falls_back_by_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
