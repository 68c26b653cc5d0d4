/* The content key of a transfer: what a sequence of members is, told by their lengths and checksums alone.
 *
 *     digest_init(&d);
 *     digest_add(&d, member.member_bytes, member.payload_crc);     for each member in order, heads too
 *     value = digest_value(&d);
 *
 * XXH64 (seed 0) over, for each member, le32(member_bytes) le32(payload_crc), and the sum of the lengths. Who
 * walks a file gets it from the headers, who verifies a stream from the members that it checked: nobody reads
 * payloads for it. On the wire (header Spillway-Digest): `<bytes>-<hash>`, decimal and 16 lower-case
 * hexadecimal digits. It tells accidents apart, not forgeries.
 *
 * One thread at a time for one struct. */
#ifndef SPILLWAY_SEGMENT_DIGEST_H
#define SPILLWAY_SEGMENT_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XXH_STATIC_LINKING_ONLY /* the size of its state */
#include <xxhash.h>

#include "common/base/compiler.h"

enum { DIGEST_TEXT_BYTES = 20 + 1 + 16 }; /* the longest; without the terminator */

struct digest_value {
    uint64_t bytes; /* of all members together */
    uint64_t hash;
};

struct digest {
    uint64_t bytes;
    XXH64_state_t state;
};

void digest_init(struct digest *digest);
void digest_add(struct digest *digest, uint32_t member_bytes, uint32_t payload_crc);

/* Of what was added so far; more may be added after it. */
struct digest_value digest_value(const struct digest *digest);

static inline bool digest_is_equal(struct digest_value a, struct digest_value b)
{
    return a.bytes == b.bytes && a.hash == b.hash;
}

void digest_print(struct digest_value value, char out[static DIGEST_TEXT_BYTES + 1]);

/* Exactly what digest_print() writes: no leading zeros, no capitals, nothing round it. */
NODISCARD bool digest_parse(const char *text, struct digest_value *value);

#endif
