/* Base64 (RFC 4648, the standard alphabet, with padding). Pure; thread-safe. */
#ifndef UPLOADER_BASE64_H
#define UPLOADER_BASE64_H

#include "common/base/buf.h"

/* Append the text of `len` bytes. */
NODISCARD int base64_put(const void *data, size_t len, struct buf *out);

/* Append the bytes of a text. -EINVAL: it is not base64. */
NODISCARD int base64_take(const char *text, size_t len, struct buf *out);

#endif
