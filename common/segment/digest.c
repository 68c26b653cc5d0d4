#include "common/segment/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HASH_DIGITS = 16, BYTES_DIGITS_MAX = 20 };

void digest_init(struct digest *digest)
{
    digest->bytes = 0;
    (void)XXH64_reset(&digest->state, 0);
}

static void put_le32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

void digest_add(struct digest *digest, uint32_t member_bytes, uint32_t payload_crc)
{
    uint8_t text[8];
    put_le32(text, member_bytes);
    put_le32(text + 4, payload_crc);
    (void)XXH64_update(&digest->state, text, sizeof text);
    digest->bytes += member_bytes;
}

struct digest_value digest_value(const struct digest *digest)
{
    return (struct digest_value){.bytes = digest->bytes, .hash = XXH64_digest(&digest->state)};
}

void digest_print(struct digest_value value, char out[static DIGEST_TEXT_BYTES + 1])
{
    snprintf(out, DIGEST_TEXT_BYTES + 1, "%" PRIu64 "-%016" PRIx64, value.bytes, value.hash);
}

bool digest_parse(const char *text, struct digest_value *value)
{
    char again[DIGEST_TEXT_BYTES + 1];
    struct digest_value read = {0};
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > BYTES_DIGITS_MAX || text[digits] != '-' ||
        strspn(text + digits + 1, "0123456789abcdef") != HASH_DIGITS || text[digits + 1 + HASH_DIGITS])
        return false;
    read.bytes = strtoull(text, NULL, 10);
    read.hash = strtoull(text + digits + 1, NULL, 16);
    digest_print(read, again);
    if (strcmp(again, text) != 0)
        return false; /* leading zeros, or more than 64 bits */
    *value = read;
    return true;
}
