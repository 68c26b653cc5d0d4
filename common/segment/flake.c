#include "common/segment/flake.h"

enum { HOST_SHIFT = 13, MS_SHIFT = 23, DAY_MS = 86400000 };

uint64_t flake_compose(const struct flake *parts)
{
    uint64_t ms = parts->unix_ms < FLAKE_EPOCH_UNIX_MS ? 0 : parts->unix_ms - FLAKE_EPOCH_UNIX_MS;

    if (ms > FLAKE_MS_MAX)
        ms = FLAKE_MS_MAX;
    return ms << MS_SHIFT | (uint64_t)(parts->host & FLAKE_HOST_MAX) << HOST_SHIFT |
           (parts->sequence & FLAKE_SEQUENCE_MAX);
}

void flake_decompose(uint64_t id, struct flake *parts)
{
    parts->unix_ms = (id >> MS_SHIFT) + FLAKE_EPOCH_UNIX_MS;
    parts->host = (uint32_t)(id >> HOST_SHIFT) & FLAKE_HOST_MAX;
    parts->sequence = (uint32_t)id & FLAKE_SEQUENCE_MAX;
}

uint64_t flake_next(uint64_t last, uint64_t now_unix_ms, uint32_t host)
{
    struct flake parts = {.unix_ms = now_unix_ms, .host = host};
    uint64_t id = flake_compose(&parts);

    if (id > last)
        return id;
    flake_decompose(last, &parts);
    parts.host = host;
    if (parts.sequence < FLAKE_SEQUENCE_NEXT_MAX) {
        parts.sequence++;
        id = flake_compose(&parts);
        if (id > last)
            return id;
    }
    /* The sequence is used up, or last was of a higher host in the same millisecond. */
    parts.unix_ms++;
    parts.sequence = 0;
    id = flake_compose(&parts);
    return id > last ? id : 0;
}

uint64_t flake_at(uint64_t unix_ms, uint32_t host, uint64_t count)
{
    enum { SEQUENCES = FLAKE_SEQUENCE_MAX - FLAKE_SEQUENCE_NEXT_MAX, MS_USED = 1000 };
    const struct flake parts = {.unix_ms = unix_ms - count / SEQUENCES % MS_USED,
                                .host = host,
                                .sequence = FLAKE_SEQUENCE_MAX - (uint32_t)(count % SEQUENCES)};
    return flake_compose(&parts);
}

uint64_t flake_unix_ms(uint64_t id)
{
    return (id >> MS_SHIFT) + FLAKE_EPOCH_UNIX_MS;
}

bool flake_has_time(uint64_t id)
{
    return id >> MS_SHIFT >= DAY_MS;
}

void flake_print(uint64_t id, char out[FLAKE_TEXT_BYTES + 1])
{
    for (int i = FLAKE_TEXT_BYTES - 1; i >= 0; i--, id >>= 4)
        out[i] = "0123456789abcdef"[id & 15];
    out[FLAKE_TEXT_BYTES] = '\0';
}

bool flake_parse(const char *text, size_t bytes, uint64_t *id)
{
    uint64_t value = 0;

    if (bytes != FLAKE_TEXT_BYTES)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *id = value;
    return true;
}
