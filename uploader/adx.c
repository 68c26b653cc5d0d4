#include "uploader/adx.h"

#include <xxhash.h>

#include "common/base/compiler.h"

void adx_endpoint_init(struct adx_endpoint *endpoint)
{
    *endpoint = (struct adx_endpoint){.known_since = mono_now()};
    pthread_mutex_init(&endpoint->lock, NULL);
}

void adx_endpoint_fini(struct adx_endpoint *endpoint)
{
    free(endpoint->known);
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

enum adx_mode adx_mode_of(struct adx_endpoint *endpoint)
{
    pthread_mutex_lock(&endpoint->lock);
    enum adx_mode mode = endpoint->mode;
    pthread_mutex_unlock(&endpoint->lock);
    return mode;
}

void adx_set_mode(struct adx_endpoint *endpoint, enum adx_mode mode)
{
    pthread_mutex_lock(&endpoint->lock);
    endpoint->mode = mode;
    pthread_mutex_unlock(&endpoint->lock);
}

const char *adx_mode_word(enum adx_mode mode)
{
    static const char *const words[] = {
        [ADX_AUTO] = "auto", [ADX_STREAMING] = "streaming", [ADX_INLINE] = "inline"};
    return words[mode];
}
