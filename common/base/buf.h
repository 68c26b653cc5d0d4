/* A growing byte buffer with a ceiling: it never holds more than `max`, whatever is put in.
 * The caller owns the struct; one thread at a time. */
#ifndef SPILLWAY_BUF_H
#define SPILLWAY_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "common/base/compiler.h"

struct buf {
    char *data; /* NUL-terminated whenever it is not NULL */
    size_t len;
    size_t capacity;
    size_t max;
};

/* `max`: the most bytes it may ever hold. Cannot fail; allocates nothing yet. */
void buf_init(struct buf *buf, size_t max);
void buf_fini(struct buf *buf);

/* Forget the content, keep the memory. */
void buf_clear(struct buf *buf);

/* Make room for `extra` more bytes at data+len. -ENOSPC: beyond max; -ENOMEM. */
NODISCARD int buf_reserve(struct buf *buf, size_t extra);

/* Append. On failure (-ENOSPC, -ENOMEM) nothing was added. */
NODISCARD int buf_put(struct buf *buf, const void *bytes, size_t len);
NODISCARD int buf_puts(struct buf *buf, const char *text);
NODISCARD int buf_printf(struct buf *buf, const char *format, ...) PRINTF(2, 3);

#endif
