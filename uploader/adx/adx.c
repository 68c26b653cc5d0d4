#include "uploader/adx/adx.h"

#include <xxhash.h>

#include "common/base/compiler.h"

void adx_endpoint_init(struct adx_endpoint *endpoint)
{
    *endpoint = (struct adx_endpoint){.known_since = mono_now()};
    pthread_mutex_init(&endpoint->lock, NULL);
    pthread_mutex_init(&endpoint->confirming, NULL);
}

void adx_endpoint_fini(struct adx_endpoint *endpoint)
{
    free(endpoint->known);
    free(endpoint->off);
    failures_fini(&endpoint->failures);
    pthread_mutex_destroy(&endpoint->confirming);
    pthread_mutex_destroy(&endpoint->lock);
}

uint64_t adx_key(const char *table, enum segment_format format, const char *schema)
{
    XXH64_hash_t hash = XXH64(table, strlen(table) + 1, (XXH64_hash_t)format);
    return XXH64(schema, strlen(schema), hash);
}

/* Index of the first that is not smaller. */
static size_t find(const struct adx_endpoint *endpoint, uint64_t key)
{
    size_t low = 0, high = endpoint->known_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (endpoint->known[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has(const struct adx_endpoint *endpoint, size_t at, uint64_t key)
{
    return at < endpoint->known_count && endpoint->known[at] == key;
}

static void expire(struct adx_endpoint *endpoint)
{
    if (endpoint->known_count < ADX_KNOWN_MAX && mono_since_ms(endpoint->known_since) < ADX_KNOWN_MS)
        return;
    endpoint->known_count = 0;
    endpoint->known_since = mono_now();
}

bool adx_is_known(struct adx_endpoint *endpoint, uint64_t key)
{
    pthread_mutex_lock(&endpoint->lock);
    expire(endpoint);
    bool known = has(endpoint, find(endpoint, key), key);
    pthread_mutex_unlock(&endpoint->lock);
    return known;
}

static bool reserve(struct adx_endpoint *endpoint)
{
    if (endpoint->known_count < endpoint->known_capacity)
        return true;
    size_t capacity = endpoint->known_capacity > 0 ? 2 * endpoint->known_capacity : 64;
    uint64_t *known = realloc(endpoint->known, capacity * sizeof *known);
    if (known) {
        endpoint->known = known;
        endpoint->known_capacity = capacity;
    }
    return known != NULL;
}

/* Without memory it is not remembered, and made again next time. */
void adx_learn(struct adx_endpoint *endpoint, uint64_t key)
{
    pthread_mutex_lock(&endpoint->lock);
    size_t at = find(endpoint, key);
    if (!has(endpoint, at, key) && reserve(endpoint)) {
        memmove(endpoint->known + at + 1, endpoint->known + at,
                (endpoint->known_count - at) * sizeof *endpoint->known);
        endpoint->known[at] = key;
        endpoint->known_count++;
    }
    pthread_mutex_unlock(&endpoint->lock);
}

void adx_forget(struct adx_endpoint *endpoint, uint64_t key)
{
    pthread_mutex_lock(&endpoint->lock);
    size_t at = find(endpoint, key);
    if (has(endpoint, at, key)) {
        endpoint->known_count--;
        memmove(endpoint->known + at, endpoint->known + at + 1,
                (endpoint->known_count - at) * sizeof *endpoint->known);
    }
    pthread_mutex_unlock(&endpoint->lock);
}

enum ingest_mode adx_offered(struct adx_endpoint *endpoint)
{
    pthread_mutex_lock(&endpoint->lock);
    bool is_old =
        endpoint->offered == INGEST_STREAMING && mono_since_ms(endpoint->offered_since) >= MODE_OFF_MS;
    enum ingest_mode offered = is_old ? INGEST_AUTO : endpoint->offered;
    pthread_mutex_unlock(&endpoint->lock);
    return offered;
}

void adx_set_offered(struct adx_endpoint *endpoint, enum ingest_mode offered)
{
    pthread_mutex_lock(&endpoint->lock);
    endpoint->offered = offered;
    endpoint->offered_since = mono_now();
    pthread_mutex_unlock(&endpoint->lock);
}

static uint64_t table_key(const char *table)
{
    return XXH64(table, strlen(table), 0);
}

bool adx_is_stream_off(struct adx_endpoint *endpoint, const char *table)
{
    bool is_off = false;
    uint64_t key = table_key(table);
    pthread_mutex_lock(&endpoint->lock);
    for (size_t i = 0; i < endpoint->off_count && !is_off; i++)
        is_off = endpoint->off[i].table == key && !mono_is_past(endpoint->off[i].until);
    pthread_mutex_unlock(&endpoint->lock);
    return is_off;
}

/* The table's own place, one whose time is over, or a new one; when all are taken, the first. */
static struct adx_off *find_off(struct adx_endpoint *endpoint, uint64_t key)
{
    for (size_t i = 0; i < endpoint->off_count; i++)
        if (endpoint->off[i].table == key || mono_is_past(endpoint->off[i].until))
            return &endpoint->off[i];
    if (!endpoint->off)
        endpoint->off = calloc(ADX_STREAM_OFF_MAX, sizeof *endpoint->off);
    if (!endpoint->off)
        return NULL;
    return &endpoint->off[endpoint->off_count < ADX_STREAM_OFF_MAX ? endpoint->off_count++ : 0];
}

void adx_set_stream_off(struct adx_endpoint *endpoint, const char *table, int64_t ms)
{
    uint64_t key = table_key(table);
    pthread_mutex_lock(&endpoint->lock);
    struct adx_off *off = find_off(endpoint, key);
    if (off) /* without memory it is tried again, and found out again */
        *off = (struct adx_off){.table = key, .until = mono_after(ms)};
    pthread_mutex_unlock(&endpoint->lock);
}
