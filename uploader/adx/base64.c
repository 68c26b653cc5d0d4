#include "uploader/adx/base64.h"

#include <errno.h>
#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_put(const void *data, size_t len, struct buf *out)
{
    const unsigned char *at = data;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < len; i += 3) {
        size_t left = len - i;
        uint32_t word =
            (uint32_t)at[i] << 16 | (left > 1 ? (uint32_t)at[i + 1] << 8 : 0) | (left > 2 ? at[i + 2] : 0);
        char four[4] = {digits[word >> 18], digits[word >> 12 & 63], digits[word >> 6 & 63],
                        digits[word & 63]};
        if (left < 3)
            four[3] = '=';
        if (left < 2)
            four[2] = '=';
        rc = buf_put(out, four, sizeof four);
    }
    return rc;
}

int base64_take(const char *text, size_t len, struct buf *out)
{
    uint32_t word = 0;
    unsigned bits = 0;
    int rc = len % 4 == 0 ? 0 : -EINVAL;
    for (unsigned padding = 0; padding < 2 && len > 0 && text[len - 1] == '='; padding++)
        len--;
    for (size_t i = 0; rc == 0 && i < len; i++) {
        const char *digit = memchr(digits, text[i], sizeof digits - 1);
        if (!digit)
            return -EINVAL;
        word = word << 6 | (uint32_t)(digit - digits);
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        char byte = (char)(word >> bits & 255);
        rc = buf_put(out, &byte, 1);
    }
    return rc;
}
