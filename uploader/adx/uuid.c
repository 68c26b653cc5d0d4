#include "uploader/adx/uuid.h"

#include <stdint.h>
#include <sys/random.h>

#include "common/base/compiler.h"

static void print(unsigned char b[static 16], unsigned version, char text[static UUID_TEXT_BYTES])
{
    b[6] = (unsigned char)((b[6] & 0x0f) | version << 4);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(text, UUID_TEXT_BYTES, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

void uuid_random(char text[static UUID_TEXT_BYTES])
{
    unsigned char b[16];
    if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
        memset(b, 0, sizeof b);
    print(b, 4, text);
}

/* --- SHA-1 (RFC 3174): what version 5 is made of; it keeps no secret here --------------------------- */

enum { BLOCK_BYTES = 64 };

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

static uint32_t mix(unsigned round, const uint32_t s[static 5])
{
    if (round < 20)
        return ((s[1] & s[2]) | (~s[1] & s[3])) + 0x5a827999;
    if (round < 40)
        return (s[1] ^ s[2] ^ s[3]) + 0x6ed9eba1;
    if (round < 60)
        return ((s[1] & s[2]) | (s[1] & s[3]) | (s[2] & s[3])) + 0x8f1bbcdc;
    return (s[1] ^ s[2] ^ s[3]) + 0xca62c1d6;
}

static void digest_block(uint32_t sum[static 5], const unsigned char block[static BLOCK_BYTES])
{
    uint32_t w[80], s[5];
    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (size_t i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    memcpy(s, sum, sizeof s);
    for (unsigned i = 0; i < 80; i++) {
        uint32_t next = rotate(s[0], 5) + mix(i, s) + s[4] + w[i];
        s[4] = s[3];
        s[3] = s[2];
        s[2] = rotate(s[1], 30);
        s[1] = s[0];
        s[0] = next;
    }
    for (size_t i = 0; i < 5; i++)
        sum[i] += s[i];
}

struct sha1 {
    uint32_t sum[5];
    unsigned char block[BLOCK_BYTES];
    uint64_t bytes;
};

static void add(struct sha1 *sha, const void *data, size_t len)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < len; i++) {
        sha->block[sha->bytes++ % BLOCK_BYTES] = at[i];
        if (sha->bytes % BLOCK_BYTES == 0)
            digest_block(sha->sum, sha->block);
    }
}

static void finish(struct sha1 *sha, unsigned char out[static 20])
{
    unsigned char length[8];
    uint64_t bits = sha->bytes * 8;
    for (size_t i = 0; i < sizeof length; i++)
        length[i] = (unsigned char)(bits >> (56 - 8 * i));
    add(sha, "\x80", 1);
    while (sha->bytes % BLOCK_BYTES != BLOCK_BYTES - sizeof length)
        add(sha, "", 1);
    add(sha, length, sizeof length);
    for (size_t i = 0; i < 20; i++)
        out[i] = (unsigned char)(sha->sum[i / 4] >> (24 - 8 * (i % 4)));
}

void uuid_of_name(const char *name, char text[static UUID_TEXT_BYTES])
{
    static const unsigned char url_namespace[16] = {0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1,
                                                    0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8};
    struct sha1 sha = {.sum = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};
    unsigned char digest[20];
    add(&sha, url_namespace, sizeof url_namespace);
    add(&sha, name, strlen(name));
    finish(&sha, digest);
    print(digest, 5, text);
}
