/* By which of ADX's doors a batch goes in: the one place that decides (adx.md §3, house.md §6). Pure;
 * thread-safe.
 *
 *     inline      a management command: the emulator has nothing else
 *     streaming   one request of at most 4 MiB, answered when the rows are in; nothing dedups a repetition
 *     queued      a blob and a message about it: the way for everything large, and the only one with --dedup
 *                 strict, whatever is offered
 *
 * auto: what is small is streamed, and queued after all when streaming is off, throttled, too small, or has
 * failed three times (the rules of Kusto's Go and Java clients). What was begun in one way is finished in it.
 */
#ifndef UPLOADER_MODE_H
#define UPLOADER_MODE_H

#include <stdbool.h>
#include <stdint.h>

#include "uploader/adx/outcome.h"

enum ingest_mode { INGEST_AUTO, INGEST_QUEUED, INGEST_STREAMING, INGEST_INLINE }; /* as --ingest says them */

enum {
    MODE_STREAM_RAW_BYTES = 4 << 20, /* 4 MB of data a request (adx.md §3) */
    MODE_STREAM_ATTEMPTS = 3,
    MODE_THROTTLED_MS = 10 * 1000,
    MODE_OFF_MS = 15 * 60 * 1000, /* streaming, in a table; or queues, in a cluster */
};

const char *mode_word(enum ingest_mode mode);

struct mode_facts {
    enum ingest_mode wanted; /* --ingest */
    enum ingest_mode
        offered;          /* what the endpoint has: INLINE: an emulator; STREAMING: no queues; QUEUED: all */
    bool is_queued_begun; /* its blob may be there already */
    bool is_stream_off;   /* for its table, for a while */
    uint64_t raw_bytes;   /* of the batch */
    unsigned failures;    /* attempts at this batch before */
};

/* Never INGEST_AUTO. */
enum ingest_mode mode_choose(const struct mode_facts *facts);

/* What follows from a streaming request that did not succeed, in auto where there are queues. */
enum fallback {
    FALLBACK_NONE,      /* the outcome stands: wait and stream again, or refuse */
    FALLBACK_BATCH,     /* queue this batch */
    FALLBACK_THROTTLED, /* and what comes to this table in the next MODE_THROTTLED_MS */
    FALLBACK_OFF,       /* and what comes to it in the next MODE_OFF_MS */
};

/* `failures`: attempts at this batch that failed before this one. */
enum fallback mode_after_stream(const struct outcome *outcome, unsigned failures);

#endif
