/* An ADX endpoint as all workers see it: how it takes rows, and which tables and mappings were made there. */
#ifndef UPLOADER_ADX_H
#define UPLOADER_ADX_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/segment/format.h"
#include "uploader/adx/failures.h"
#include "uploader/adx/mode.h"
#include "uploader/adx/resources.h"

enum {
    ADX_INLINE_RAW_BYTES = 1 << 20, /* a command is for tests and the emulator: smaller */
    ADX_KNOWN_MAX = 65536,
    ADX_KNOWN_MS =
        15 * 60 *
        1000, /* what was made is made again after this: cheap, idempotent, and heals what was dropped */
    ADX_STREAM_OFF_MAX = 1024, /* tables of which it is remembered that streaming is off */
};

struct tokens;

enum confirm { CONFIRM_NO, CONFIRM_SHOW, CONFIRM_PEEK }; /* as --confirm says them */

struct adx_options {
    enum ingest_mode mode;
    bool is_strict; /* --dedup strict */
    enum confirm confirm;
    int64_t confirm_after_ms, confirm_every_ms;
    int64_t retry_min_ms;
    struct tokens *tokens; /* shared by all workers */
    int64_t timeout_ms;
    int64_t probe_timeout_ms;
    atomic_bool *is_aborted;
    const char *instance;
};

/* Guarded by its lock: the one struct that workers of a database share. */
struct adx_endpoint {
    pthread_mutex_t lock;
    enum ingest_mode offered; /* INGEST_AUTO: not known yet, or to be found out again */
    struct mono offered_since;
    uint64_t *known; /* hashes of (table, format, schema) whose table and mapping are there; sorted */
    size_t known_count, known_capacity;
    struct mono known_since;
    struct adx_off {
        uint64_t table; /* its hash */
        struct mono until;
    } * off; /* tables that are queued only, for a while; ADX_STREAM_OFF_MAX, or NULL */
    size_t off_count;

    pthread_mutex_t
        confirming;           /* held while ADX is asked: one question at a time, and others use its answer */
    struct failures failures; /* under that lock */

    /* constant */
    struct target dm;            /* the data-management endpoint */
    struct resources *resources; /* of that, and shared with all databases that have the same; borrowed */
};

void adx_endpoint_init(struct adx_endpoint *endpoint);
void adx_endpoint_fini(struct adx_endpoint *endpoint);

uint64_t adx_key(const char *table, enum segment_format format, const char *schema);
bool adx_is_known(struct adx_endpoint *endpoint, uint64_t key);
void adx_learn(struct adx_endpoint *endpoint, uint64_t key);
void adx_forget(struct adx_endpoint *endpoint, uint64_t key);

/* What the endpoint has: see struct mode_facts. That it has no queues is believed for MODE_OFF_MS: what
 * stands before a data-management endpoint may refuse for a moment what that one does not. */
enum ingest_mode adx_offered(struct adx_endpoint *endpoint);
void adx_set_offered(struct adx_endpoint *endpoint, enum ingest_mode offered);

/* Streaming into a table is not to be tried for a while. */
bool adx_is_stream_off(struct adx_endpoint *endpoint, const char *table);
void adx_set_stream_off(struct adx_endpoint *endpoint, const char *table, int64_t ms);

#endif
