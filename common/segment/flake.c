#include "common/segment/flake.h"

enum { HOST_SHIFT = 13, MS_SHIFT = 23 };

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
    if (parts.sequence < FLAKE_SEQUENCE_MAX) {
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
