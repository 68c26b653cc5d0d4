/* An ADX endpoint as all workers see it: how it takes rows, and which tables and mappings were made there. */
#ifndef UPLOADER_ADX_H
#define UPLOADER_ADX_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/segment/format.h"

enum adx_mode { ADX_AUTO, ADX_STREAMING, ADX_INLINE }; /* as --ingest says them */

enum {
    ADX_STREAM_RAW_BYTES = 4 << 20, /* adx.md §3: 4 MB of data a request */
    ADX_INLINE_RAW_BYTES = 1 << 20, /* a command is for tests and the emulator: smaller */
    ADX_KNOWN_MAX = 65536,
    ADX_KNOWN_MS =
        15 * 60 *
        1000, /* what was made is made again after this: cheap, idempotent, and heals what was dropped */
};

struct tokens;

struct adx_options {
    enum adx_mode mode;    /* ADX_AUTO: ask the endpoint */
    struct tokens *tokens; /* shared by all workers */
    int64_t timeout_ms;
    int64_t probe_timeout_ms;
    atomic_bool *is_aborted;
    const char *instance;
};

/* Guarded by its lock: the one struct that workers of a database share. */
struct adx_endpoint {
    pthread_mutex_t lock;
    enum adx_mode mode; /* ADX_AUTO: not known yet, or to be found out again */
    uint64_t *known;    /* hashes of (table, format, schema) whose table and mapping are there; sorted */
    size_t known_count, known_capacity;
    struct mono known_since;
};

void adx_endpoint_init(struct adx_endpoint *endpoint);
void adx_endpoint_fini(struct adx_endpoint *endpoint);

uint64_t adx_key(const char *table, enum segment_format format, const char *schema);
bool adx_is_known(struct adx_endpoint *endpoint, uint64_t key);
void adx_learn(struct adx_endpoint *endpoint, uint64_t key);
void adx_forget(struct adx_endpoint *endpoint, uint64_t key);

enum adx_mode adx_mode_of(struct adx_endpoint *endpoint);
void adx_set_mode(struct adx_endpoint *endpoint, enum adx_mode mode);

const char *adx_mode_word(enum adx_mode mode);

#endif
