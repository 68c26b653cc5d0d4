/* A growing byte buffer with a ceiling, and allocation that does not fail: a test tool without memory prints
 * so and exits 111. Not thread-safe: one owner. */
#ifndef ADXSIM_BUF_H
#define ADXSIM_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/compiler.h"

struct buf {
    char *data; /* always followed by a NUL byte once anything was appended; NULL before */
    size_t len;
    size_t cap;
    size_t max; /* bytes; an append past it is refused whole */
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_fini(struct buf *buf);
void buf_clear(struct buf *buf);

/* 0, or -E2BIG when the buffer would grow past its ceiling (then it is unchanged). */
NODISCARD int buf_append(struct buf *buf, const void *data, size_t len);
/* For text of bounded size: past the ceiling it is a bug. */
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
PRINTF(2, 3) void buf_printf(struct buf *buf, const char *format, ...);
/* The buffer's text as a C string ("" when empty); valid until the next change. */
const char *buf_text(const struct buf *buf);

void *mem_alloc(size_t size); /* zeroed */
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len);

#endif
