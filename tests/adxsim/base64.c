#include "tests/adxsim/base64.h"

#include <errno.h>
#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, struct buf *out)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t bits = (uint32_t)bytes[i] << 16;
        bits |= n > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        bits |= n > 2 ? (uint32_t)bytes[i + 2] : 0;
        buf_putc(out, alphabet[bits >> 18]);
        buf_putc(out, alphabet[(bits >> 12) & 63]);
        buf_putc(out, n > 1 ? alphabet[(bits >> 6) & 63] : '=');
        buf_putc(out, n > 2 ? alphabet[bits & 63] : '=');
    }
}

/* Four characters, of which `pad` at the end are padding. */
static int decode_group(const char *text, size_t pad, struct buf *out)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 4 - pad; i++) {
        const char *at = text[i] ? strchr(alphabet, text[i]) : NULL;
        if (!at)
            return -EBADMSG;
        bits |= (uint32_t)(at - alphabet) << (18 - 6 * i);
    }
    if ((pad == 1 && (bits & 0xff)) || (pad == 2 && (bits & 0xffff)))
        return -EBADMSG;
    const unsigned char bytes[3] = {(unsigned char)(bits >> 16), (unsigned char)(bits >> 8),
                                    (unsigned char)bits};
    return buf_append(out, bytes, 3 - pad);
}

int base64_decode(const char *text, size_t len, struct buf *out)
{
    int rc = 0;

    if (len % 4)
        return -EBADMSG;
    for (size_t i = 0; i < len && rc == 0; i += 4) {
        bool last = i + 4 == len;
        size_t pad = last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
        rc = decode_group(text + i, pad, out);
    }
    return rc;
}
